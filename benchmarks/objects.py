"""The objects that are synced: about 1 KB of JSON each, made from their number. Not here: who serves them.

An object has the same id in every pass. In the changed pass every hundredth has a new update time and a new
value.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Ids = Literal["sequential", "random"]
"""How ids follow one another: `obj_000000042`, or like version 4 UUIDs, which scatter over an index."""

CHANGED_EVERY = 100
"""In the changed pass one object in so many differs: 1 %."""

_VARIANTS = 64
_BEFORE = "2026-01-02T03:04:05.123456Z"
_AFTER = "2026-01-03T03:04:05.123456Z"


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What the API holds."""

    objects: int
    page_size: int
    ids: Ids

    @property
    def pages(self) -> int:
        """The number of pages of its list."""
        return -(-self.objects // self.page_size)

    def body(self, page: int, *, changed: bool = False) -> bytes:
        """Return one page of the list as the API sends it."""
        first = page * self.page_size
        ids = self.page_ids(page)
        tails = _CHANGED if changed else _SAME
        items = b",".join(
            [b'{"id":"%b",%b' % (id.encode(), tails[(first + at) % len(tails)]) for at, id in enumerate(ids)]
        )
        following = b'"%d"' % (page + 1) if page + 1 < self.pages else b"null"
        return b'{"data":[%b],"next":%b}' % (items, following)

    def page_ids(self, page: int) -> Sequence[str]:
        """Return the ids of a page's objects, in order."""
        first = page * self.page_size
        numbers = range(first, min(first + self.page_size, self.objects))
        if self.ids == "sequential":
            return [f"obj_{number:09d}" for number in numbers]
        digits = hashlib.shake_128(b"%d" % page).hexdigest(16 * len(numbers))
        return [_uuid4(digits[at : at + 32]) for at in range(0, len(digits), 32)]


def _uuid4(digits: str) -> str:
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


def _tail(variant: int, updated_at: str) -> bytes:
    """Return everything of an object behind its id."""
    words = hashlib.shake_128(b"%d %b" % (variant, updated_at.encode())).hexdigest(17 * 16)
    fields = ",".join(f'"field_{k}":"{words[k * 32 : k * 32 + 32]}"' for k in range(17))
    return (
        f'"updated_at":"{updated_at}","created_at":"2026-01-01T00:00:00Z",{fields},'
        '"n":[1,2,3],"nested":{"a":1.5,"b":null}}'
    ).encode()


_PLAIN = [_tail(variant, _BEFORE) for variant in range(_VARIANTS)]
_SAME = [_PLAIN[number % _VARIANTS] for number in range(CHANGED_EVERY)]
_CHANGED = [_tail(0, _AFTER), *_SAME[1:]]
