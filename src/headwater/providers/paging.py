"""How lists are paged: from one answer to the next request, or to the end. Values; they send nothing
themselves.

A pager says where its place is sent and where the next one is read. The place in a list, its `Token`, is
JSON, so that a reader can go on after a restart. What counts as the end is said by each pager; a mistake
never looks like the end: a token that comes back, or a page that comes twice, is a `Retry`
(`provider.page_loop`).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, cast
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

import msgspec

from headwater.errors import Halt, Retry

Token = str | int | list[str]
"""A place in a list, as JSON: a cursor, a URL, an offset, a page's number, the last item's fields."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What a request for a page adds: query parameters, or a whole URL that replaces address and query."""

    query: Mapping[str, str] = field(default_factory=dict[str, str])
    url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a pager may look at of an answer.

    `values` are the body's values at the pager's `paths` (None where there is none); `first` and `last` the
    raw items at the ends of the page. `hidden` names query parameters that prove who we are: no token keeps
    them (P8).
    """

    url: str
    headers: Mapping[str, str]
    count: int
    values: Mapping[str, Any] = field(default_factory=dict[str, Any])
    first: bytes = b""
    last: bytes = b""
    hidden: frozenset[str] = frozenset()


class Pager(Protocol):
    """A way of paging."""

    @property
    def paths(self) -> Sequence[str]:
        """Dotted paths in the body, beside the items, whose values it needs."""
        ...

    def ask(self, token: Token | None) -> Ask:
        """Return what asks for the page at a token; None asks for the first."""
        ...

    def follow(self, seen: Seen, token: Token | None) -> Token | None:
        """Return the token of the page after the one that was asked for with `token`; None at the end.

        Raises: Retry (`provider.broken_answer`) where an answer contradicts itself, Halt where going on is
        impossible.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """The parameter that asks for a page's size.

    `honoured`: the API gives exactly so many objects while there are more, so a shorter page is the last.
    Only where its documentation promises it: many give less when they like.
    """

    send: str
    count: int
    honoured: bool = False

    @property
    def query(self) -> dict[str, str]:
        """The parameter and its value."""
        return {self.send: str(self.count)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """A member of the body, true or false, that says whether there is more (`more`) or this was all
    (`more=False`).
    """

    path: str
    more: bool = True

    def says_more(self, seen: Seen) -> bool:
        """Return whether there is another page. Raises: Retry where it is neither true nor false."""
        value = seen.values.get(self.path)
        if not isinstance(value, bool):
            raise broken(f"has neither true nor false at {self.path}")
        return value is self.more


def broken(what: str) -> Retry:
    """Return the error for an answer that is not as declared. `what` completes "The answer …"."""
    return Retry(f"The answer {what}.", code="provider.broken_answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Single:
    """One answer holds everything."""

    size: Size | None = None
    paths = ()

    def ask(self, token: Token | None) -> Ask:
        """Return what asks for the only page."""
        return Ask(query=_size(self.size))

    def follow(self, seen: Seen, token: Token | None) -> Token | None:
        """Return None: there is no other page."""
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """The body holds the next page's cursor at `take`; it is sent as the parameter `send`.

    The end: no cursor (absent, null or empty), or what `end` says where it is declared.
    """

    take: str
    send: str
    size: Size | None = None
    end: Flag | None = None

    @property
    def paths(self) -> Sequence[str]:
        """Where the cursor is, and the flag."""
        return (self.take, self.end.path) if self.end else (self.take,)

    def ask(self, token: Token | None) -> Ask:
        """Return the size and, after the first page, the cursor."""
        return Ask(query=_size(self.size) | ({} if token is None else {self.send: str(token)}))

    def follow(self, seen: Seen, token: Token | None) -> Token | None:
        """Return the cursor that the body holds."""
        if self.end and not self.end.says_more(seen):
            return None
        cursor = _scalar(seen.values.get(self.take), self.take)
        if self.end and cursor is None:
            raise broken(f"says that there is more, but has no cursor at {self.take}")
        return cursor


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderCursor:
    """A header of the answer holds the next page's cursor; it is sent as the parameter `send`. The end: no
    header.
    """

    header: str
    send: str
    size: Size | None = None
    paths = ()

    def ask(self, token: Token | None) -> Ask:
        """Return the size and, after the first page, the cursor."""
        return Ask(query=_size(self.size) | ({} if token is None else {self.send: str(token)}))

    def follow(self, seen: Seen, token: Token | None) -> Token | None:
        """Return the header's value."""
        return seen.headers.get(self.header.lower()) or None


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderUrl:
    """A header of the answer holds the next page's URL (Kinto's `Next-Page`). The end: no header."""

    header: str
    size: Size | None = None
    paths = ()

    def ask(self, token: Token | None) -> Ask:
        """Return the size or, after the first page, the URL."""
        return _ask_url(token, self.size)

    def follow(self, seen: Seen, token: Token | None) -> Token | None:
        """Return the header's URL."""
        return _next_url(seen, seen.headers.get(self.header.lower()))


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkHeader:
    """The `Link` header holds the next page's URL, with `rel="next"`. The end: no such link.

    Source: RFC 8288, section 3.
    """

    size: Size | None = None
    rel: str = "next"
    paths = ()

    def ask(self, token: Token | None) -> Ask:
        """Return the size or, after the first page, the URL."""
        return _ask_url(token, self.size)

    def follow(self, seen: Seen, token: Token | None) -> Token | None:
        """Return the link's URL."""
        return _next_url(seen, links(seen.headers.get("link", "")).get(self.rel))


@dataclass(frozen=True, slots=True, kw_only=True)
class NextUrl:
    """The body holds the next page's URL at `take`. The end: none (absent, null or empty), or what `end`
    says.
    """

    take: str
    size: Size | None = None
    end: Flag | None = None

    @property
    def paths(self) -> Sequence[str]:
        """Where the URL is, and the flag."""
        return (self.take, self.end.path) if self.end else (self.take,)

    def ask(self, token: Token | None) -> Ask:
        """Return the size or, after the first page, the URL."""
        return _ask_url(token, self.size)

    def follow(self, seen: Seen, token: Token | None) -> Token | None:
        """Return the body's URL."""
        if self.end and not self.end.says_more(seen):
            return None
        url = _next_url(seen, _scalar(seen.values.get(self.take), self.take))
        if self.end and url is None:
            raise broken(f"says that there is more, but has no URL at {self.take}")
        return url


@dataclass(frozen=True, slots=True, kw_only=True)
class Offset:
    """The parameter `send` says how many objects to leave out.

    The end: what `end` says where it is declared, else an empty page, or a short one where the size is
    honoured. The next offset counts the objects that came, so an API that gives fewer than asked loses none.
    """

    send: str
    size: Size | None = None
    end: Flag | None = None

    @property
    def paths(self) -> Sequence[str]:
        """Where the flag is."""
        return (self.end.path,) if self.end else ()

    def ask(self, token: Token | None) -> Ask:
        """Return the size and the offset."""
        return Ask(query=_size(self.size) | {self.send: str(token or 0)})

    def follow(self, seen: Seen, token: Token | None) -> Token | None:
        """Return the offset behind this page."""
        return None if _ends(seen, self.size, self.end) else int(_number(token) or 0) + seen.count


@dataclass(frozen=True, slots=True, kw_only=True)
class PageNumber:
    """The parameter `send` is the number of the page, from `start`.

    The end: the page whose number stands in the body at `last` where that is declared (the first one, where
    it is less than `start`: nothing there), or what `end` says; else an empty page, or a short one where the
    size is honoured.
    """

    send: str
    start: int = 1
    size: Size | None = None
    end: Flag | None = None
    last: str | None = None

    @property
    def paths(self) -> Sequence[str]:
        """Where the flag and the last page's number are."""
        return [path for path in (self.end and self.end.path, self.last) if path]

    def ask(self, token: Token | None) -> Ask:
        """Return the size and the page's number."""
        return Ask(query=_size(self.size) | {self.send: str(self.start if token is None else token)})

    def follow(self, seen: Seen, token: Token | None) -> Token | None:
        """Return the next page's number."""
        number = self.start if token is None else int(_number(token) or self.start)
        if self.last is not None:
            last = _number(seen.values.get(self.last))
            if last is None:
                raise broken(f"has no number at {self.last}")
            return number + 1 if number < last else None
        return None if _ends(seen, self.size, self.end) else number + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyset:
    """Fields of the last item are sent back: `send` maps a parameter to a field of the item (dotted path).

    By a unique field (`{"starting_after": "id"}`, `{"updated_after": "updated_at", "id_after": "id"}`) the
    API goes on *behind* the last item. The end: what `end` says where it is declared, else an empty page, or
    a short one where the size is honoured.

    `inclusive`: it goes on *at* the last item (`updated_since`, sorted by update time), so that items with
    the same value come again; there `size` must be one that the API honours. The end: a page that is not
    full. A full page of one value: more objects share it than a page holds, and no request reaches those
    behind them, so Halt (`provider.page_ties`).
    """

    send: Mapping[str, str]
    size: Size | None = None
    end: Flag | None = None
    inclusive: bool = False

    def __post_init__(self) -> None:
        if self.inclusive and (self.size is None or self.size.count < 2):
            raise ValueError(
                "an inclusive keyset needs a page size of two or more: a full page tells it to go on"
            )

    @property
    def paths(self) -> Sequence[str]:
        """Where the flag is."""
        return (self.end.path,) if self.end else ()

    def ask(self, token: Token | None) -> Ask:
        """Return the size and, after the first page, the last item's fields."""
        fields = token if isinstance(token, list) else []
        return Ask(query=_size(self.size) | dict(zip(self.send, fields, strict=False)))

    def follow(self, seen: Seen, token: Token | None) -> Token | None:
        """Return the last item's fields."""
        if not self.inclusive:
            return None if _ends(seen, self.size, self.end) else self._last(seen)
        if self.size is None or seen.count < self.size.count:
            return None
        last = self._last(seen)
        if last == token or last == self._fields(seen.first):
            raise Halt(
                f"More objects have the same {', '.join(self.send.values())} than a page holds.",
                code="provider.page_ties",
                fix="Declare a paging with a place of its own (a cursor, a page number, a keyset that also "
                "sends the id), or ask for larger pages.",
            )
        return last

    def _last(self, seen: Seen) -> list[str]:
        fields = self._fields(seen.last)
        if not all(fields):
            raise broken(f"has a last object without {' or '.join(self.send.values())}")
        return fields

    def _fields(self, item: bytes) -> list[str]:
        try:
            value = msgspec.json.decode(item)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise broken("has a last object that cannot be read, and the next page depends on it") from error
        return [str(_scalar(dig(value, path), path) or "") for path in self.send.values()]


class Guard:
    """Notices that a reading goes round in a circle. One for each reading."""

    def __init__(self, token: Token | None) -> None:
        """`token` is where the reading starts."""
        self._tokens = {hash(str(token))}
        self._page: tuple[int, bytes, bytes] = (0, b"", b"")

    def check(self, seen: Seen, following: Token) -> None:
        """Take in a page and the token of the next one. Raises: Retry (`provider.page_loop`)."""
        page = (seen.count, seen.first, seen.last)
        if hash(str(following)) in self._tokens:
            raise Retry("The API gave the same page token twice.", code="provider.page_loop")
        if seen.count and page == self._page:
            raise Retry(
                "The API gave the same page twice.",
                code="provider.page_loop",
                fix="If it stays, check that the API knows the declared paging parameter.",
            )
        self._tokens.add(hash(str(following)))
        self._page = page


_DOT = re.compile(r"(?<!\\)\.")


def steps(path: str) -> list[str]:
    """Return the names along a dotted path. A dot inside a name has a backslash before it."""
    return [name.replace("\\.", ".") for name in _DOT.split(path)] if path else []


def dig(value: Any, path: str) -> Any:
    """Return what is at a dotted path inside decoded JSON; None where there is nothing."""
    for name in steps(path):
        if not isinstance(value, dict):
            return None
        value = cast("dict[str, Any]", value).get(name)
    return value


_QUOTED = r'"(?:[^"\\]|\\.)*"'
_LINK = re.compile(rf'<([^>]*)>((?:\s*;\s*[^\s=;,"]+(?:\s*=\s*(?:{_QUOTED}|[^\s;,"]*))?)*)')
_PARAMETER = re.compile(rf';\s*([^\s=;,"]+)\s*=\s*({_QUOTED}|[^\s;,"]*)')


def links(header: str) -> dict[str, str]:
    """Return the URLs of a `Link` header by their relation.

    Source: RFC 8288, section 3.
    """
    found: dict[str, str] = {}
    for link in _LINK.finditer(header):
        for name, value in _PARAMETER.findall(link[2]):
            if name.lower() == "rel":
                for relation in value.strip('"').lower().split():
                    found.setdefault(relation, link[1])
                break  # of several, the first counts
    return found


def same_origin(one: str, other: str) -> bool:
    """Say whether two URLs have one scheme, host and port."""
    return _origin(one) == _origin(other)


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def _next_url(seen: Seen, link: Token | None) -> str | None:
    """Return the absolute URL of a link in an answer, without `hidden` parameters. Raises: Halt for another
    origin.
    """
    if not link:
        return None
    try:
        url = urljoin(seen.url, str(link))
        same = same_origin(url, seen.url)
    except ValueError as error:
        raise broken("has a next page's URL that is none") from error
    if not same:
        raise Halt(
            "The API names a next page at another address than its own.",
            code="provider.foreign_url",
            fix="Credentials go to one origin only. Set the base URL to the one that the API itself uses.",
        )
    if not seen.hidden:
        return url
    parts = urlsplit(url)
    kept = [pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0] not in seen.hidden]
    return urlunsplit(parts._replace(query=urlencode(kept)))


def _ask_url(token: Token | None, size: Size | None) -> Ask:
    return Ask(query=_size(size)) if token is None else Ask(url=str(token))


def _size(size: Size | None) -> dict[str, str]:
    return size.query if size else {}


def _scalar(value: Any, path: str) -> str | None:
    """Return a string or number as text, None for nothing. Raises: Retry for anything else."""
    if value is None or value == "":
        return None
    if isinstance(value, (str, int, float)) and not isinstance(value, bool):
        return str(value)
    raise broken(f"has neither text nor a number at {path}")


def _number(value: Any) -> int | None:
    """Return a whole number, also one that is written as text."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else None


def _ends(seen: Seen, size: Size | None, end: Flag | None) -> bool:
    """Say whether a page that was counted off, not linked, is the last."""
    if end:
        more = end.says_more(seen)
        if more and not seen.count:
            raise broken("says that there is more, but holds nothing")
        return not more
    return not seen.count or (size is not None and size.honoured and seen.count < size.count)
