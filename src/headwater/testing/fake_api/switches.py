"""Everything that the fake API can do to its clients, as one value. Not here: doing it."""

from typing import Any, Literal

import msgspec


class Switches(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the API behaves; everything is off at first.

    Shares are parts of all answers, or of all changes, from 0 to 1.
    `PATCH /_control/switches` turns some of them while it runs.
    """

    limit: int = 0
    """Requests in any window, a real sliding one; 0: no limit."""
    window_ms: int = 1000
    retry_after: Literal["seconds", "date", "none"] = "seconds"
    """How a 429 says when to come back."""
    errors: float = 0
    """Answers with 500, 502 or 503."""
    hang: float = 0
    """Answers that come after `hang_ms`: to a client, a time-out."""
    hang_ms: int = 120_000
    half: float = 0
    """Answers that end before their Content-Length."""
    cut: float = 0
    """Chunked answers that end without their last chunk."""
    broken: float = 0
    """Answers of the right length that are no JSON."""
    repeat: float = 0
    """Lists whose page token is the one that was sent: a client that believes it goes round in a circle."""
    short: float = 0
    """Lists that give fewer objects than asked for, though there are more."""
    refuse_next: int = 0
    """So many requests from now on get a 401."""
    token_seconds: float = 3600
    """How long an access token of `/oauth/token` is good."""
    late: float = 0
    """Changes that become visible `late_ms` after their update time says."""
    late_ms: int = 500
    resolution_ms: int = 1
    """Update times are rounded down to so many milliseconds: many objects on one."""
    clock_ms: int = 0
    """How far the API's clock is ahead of ours: in `Date` and in update times."""
    date_ms: int = 0
    """How far the clock of `Date` is ahead of the one of update times."""
    shuffle: bool = False
    """The objects of a page come in no order."""
    spaces: bool = False
    """Bodies are written with white space between tokens."""
    etags: bool = True
    """Answers have an ETag, and `If-None-Match` gets a 304."""

    def turned(self, changes: dict[str, Any]) -> "Switches":
        """Return these switches with some turned. Raises: msgspec.ValidationError."""
        return msgspec.convert(msgspec.structs.asdict(self) | changes, Switches, strict=False)
