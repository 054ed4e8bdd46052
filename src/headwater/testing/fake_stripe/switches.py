"""Everything that the fake Stripe can do to its clients, as one value. Not here: doing it."""

from typing import Any

import msgspec

VERSION = "2025-09-30.clover"


class Switches(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the API behaves. At first it keeps its limits, and nothing goes wrong.

    Shares are parts of all answers, events or deliveries, from 0 to 1.
    `PATCH /_control/switches` turns some of them while it runs.
    """

    limit: int = -1
    """Requests a second of an account; -1: 100 in live mode, 25 in test mode; 0: no limit."""
    endpoint_limit: int = 25
    """The same of one operation; 0: no limit."""
    errors: float = 0
    """Answers with 500 or 503."""
    cut: float = 0
    """Answers that end before their Content-Length."""
    late: float = 0
    """Events that show up in the list of events `late_ms` after younger ones."""
    late_ms: int = 2_000
    account_version: str = VERSION
    """The account's default version: events are made in its shapes, and so are answers to who names none."""
    lose: float = 0
    """Deliveries of events that never arrive."""
    duplicate: float = 0
    """Deliveries that arrive twice."""
    push_late: float = 0
    """Deliveries that are held back `push_late_ms`, so that younger ones come first."""
    push_late_ms: int = 1_000
    indent: bool = True
    """Bodies are written with line breaks and indentation, as the real ones are."""

    def turned(self, changes: dict[str, Any]) -> "Switches":
        """Return these switches with some turned. Raises: msgspec.ValidationError."""
        return msgspec.convert(msgspec.structs.asdict(self) | changes, Switches, strict=False)
