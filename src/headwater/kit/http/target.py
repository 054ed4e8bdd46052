"""Where a request goes: below the base URL or on its origin, never elsewhere. Pure."""

from collections.abc import Mapping
from urllib.parse import SplitResult, quote, unquote_plus, urlencode, urljoin, urlsplit

from headwater.errors import Halt

_DEFAULT_PORTS = {"http": 80, "https": 443}
_SAFE = "%/:?[]@!$&'()*+,;=~-._"
"""What stays as it is in a URL; white space, quotes and letters beyond ASCII are escaped."""


def resolve(base_url: str, url: str) -> str:
    """Return the full URL of a path below the base URL, or of a full URL on the same origin.

    Raises: Halt for another origin: credentials never leave theirs.
    """
    if not url:
        return base_url
    if urlsplit(url).scheme in _DEFAULT_PORTS:
        return on_same_origin(base_url, url)
    if url.startswith("?"):
        return escaped(base_url + url)
    return escaped(f"{base_url.rstrip('/')}/{url.lstrip('/')}")


def redirected(url: str, location: str) -> str:
    """Return where a redirect leads. Raises: Halt for another origin."""
    return on_same_origin(url, urljoin(url, location))


def on_same_origin(known: str, url: str) -> str:
    """Return `url` if it is on the origin of `known`; a link that fell back to plain HTTP is put right.

    Raises: Halt for another origin.
    """
    here, there = urlsplit(known), urlsplit(url)
    try:
        origin_here, origin_there = _origin(here), _origin(there)
    except ValueError:
        origin_here, origin_there = ("", 0), ("?", 0)
    if origin_here[0] == origin_there[0] and "@" not in there.netloc:
        if here.scheme == there.scheme and origin_here == origin_there:
            return escaped(url)
        if _is_usual(here) and _is_usual(there):  # http and https of one host: take the safe one
            return escaped(there._replace(scheme="https", netloc=there.hostname or "").geturl())
    raise Halt(
        "The API leads to another address than its own.",
        code="provider.foreign_url",
        fix="Credentials go to one origin only. Set the base URL to the one that the API itself uses.",
    )


def with_query(url: str, query: Mapping[str, str]) -> str:
    """Return a URL with these parameters in place of those of the same names; the others stay as written."""
    if not query:
        return url
    bare, _, known = url.partition("#")[0].partition("?")
    kept = [part for part in known.split("&") if part and unquote_plus(part.partition("=")[0]) not in query]
    return f"{bare}?{'&'.join([*kept, urlencode(query, quote_via=quote, safe='')])}"


def path_of(url: str) -> str:
    """Return the part of a URL that may be shown: neither host nor parameters (P8)."""
    return urlsplit(url).path or "/"


def escaped(url: str) -> str:
    """Return a URL with what may not stand in one escaped, and what is escaped left alone; no fragment."""
    return quote(url.partition("#")[0], safe=_SAFE)


def _origin(url: SplitResult) -> tuple[str, int | None]:
    return (url.hostname or "").lower().rstrip("."), url.port or _DEFAULT_PORTS.get(url.scheme)


def _is_usual(url: SplitResult) -> bool:
    return url.port in (None, _DEFAULT_PORTS.get(url.scheme)) and url.scheme in _DEFAULT_PORTS
