"""Everything that the fake GitHub can do to its clients, as one value. Not here: doing it."""

from typing import Any

import msgspec


class Switches(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How it behaves; the limits are GitHub's own, everything that goes wrong is off at first.

    Shares are parts of all answers or deliveries, from 0 to 1.
    """

    public_limit: int = 60
    """Requests in a window without authentication."""
    user_limit: int = 5_000
    """The same with a token."""
    installation_limit: int = 0
    """The same for an installation; 0: as GitHub reckons it, by the number of repositories."""
    window_seconds: float = 3600
    """How long a window of the primary limit is."""
    concurrent: int = 100
    """Requests at once; more is a secondary limit."""
    points: int = 900
    """Points in any minute: a GET is one, a write five; more is a secondary limit."""
    content_per_minute: int = 80
    """Things made or changed in any minute; more is a secondary limit."""
    retry_after: bool = True
    """A secondary limit says how long to wait; else only its body tells what it is."""
    secondary_next: int = 0
    """So many requests from now on meet a secondary limit of one second."""
    token_seconds: float = 3600
    """How long a token of an installation lasts."""
    bad_gateway: float = 0
    """Answers with 502."""
    heavy_page: int = 0
    """Lists of more than so many objects a page are 502: too much to make in time. 0: none."""
    half: float = 0
    """Answers that end before their Content-Length."""
    lose: float = 0
    """Deliveries that never arrive: recorded as failed, to be asked for again."""
    duplicate: float = 0
    """Deliveries that are sent twice."""
    late: float = 0
    """Deliveries that come `late_ms` later than others, out of order."""
    late_ms: int = 500

    def turned(self, changes: dict[str, Any]) -> "Switches":
        """Return these switches with some turned. Raises: msgspec.ValidationError."""
        return msgspec.convert(msgspec.structs.asdict(self) | changes, Switches, strict=False)
