"""The one page at `/`, which shows both streams, and its files. It loads nothing from elsewhere."""

from functools import cache
from importlib.resources import files

from fastapi import APIRouter, Response

from headwater.api import problems

router = APIRouter(include_in_schema=False)

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:;"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_PAGE_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
_FILES = {"index.html": "text/html", "page.js": "text/javascript", "page.css": "text/css"}


@router.get("/")
async def page() -> Response:
    """Give the page that shows both streams."""
    return _file("index.html")


@router.get("/static/{name}")
async def static(name: str) -> Response:
    """Give a file of the page."""
    if name not in _FILES:
        return problems.problem(404, code="not_found", detail="There is nothing at this address.")
    return _file(name)


def _file(name: str) -> Response:
    return Response(_read(name), media_type=_FILES[name], headers=_PAGE_HEADERS)


@cache
def _read(name: str) -> bytes:
    return (files("headwater.api") / "static" / name).read_bytes()
