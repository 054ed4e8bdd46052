"""Leases: the right of one process to work on something."""

import msgspec


class Fence(msgspec.Struct, frozen=True):
    """A lease in a process's hands. A transaction made under it writes nothing once the epoch has passed."""

    lease: str
    epoch: int
