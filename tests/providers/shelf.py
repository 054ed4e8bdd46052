"""A fake API: one shelf of items, listed in every way of paging that there is. A program, served in the
process.
"""

import base64
from collections.abc import Callable
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from tests.providers.door import BASE, Door

Items = list[dict[str, Any]]


def items(count: int) -> Items:
    return [{"id": f"i{n:03}", "updated_at": f"2026-01-01T00:00:{n % 60:02}Z", "n": n} for n in range(count)]


class Shelf:
    """Lists `items`.

    Switches: `stuck` gives the same next page for ever, `foreign` names one elsewhere, `most` is the API's
    own limit of a page, `exclusive` leaves out what changed at the instant, `newest_first` turns the changes
    round.
    """

    def __init__(self, held: Items) -> None:
        self.items = held
        self.stuck = False
        self.foreign = False
        self.most = 1000
        self.exclusive = False
        self.newest_first = False
        ways: dict[str, Callable[[Request], Response]] = {
            "single": self.single,
            "cursor": self.cursor,
            "flagged": self.flagged,
            "header_cursor": self.header_cursor,
            "header_url": self.header_url,
            "link": self.link,
            "next_url": self.next_url,
            "offset": self.offset,
            "pages": self.pages,
            "keyset": self.keyset,
            "since": self.since,
        }
        self.app = Starlette(routes=[Route(f"/v2/{name}", way) for name, way in ways.items()])

    def door(self) -> Door:
        """Return an open API."""
        return Door(httpx.AsyncClient(transport=httpx.ASGITransport(self.app)))

    def single(self, request: Request) -> Response:
        return JSONResponse(self.items)

    def cursor(self, request: Request) -> Response:
        taken, following = self._take(request, self._place(request))
        return JSONResponse({"data": taken, "meta": {"next": following}})

    def flagged(self, request: Request) -> Response:
        """A cursor that is there on the last page, too; a flag says that it is the last."""
        place = self._place(request)
        taken, following = self._take(request, place)
        return JSONResponse({"data": taken, "next": following or "end", "has_more": following is not None})

    def header_cursor(self, request: Request) -> Response:
        taken, following = self._take(request, self._place(request))
        return JSONResponse(taken, headers={"X-Next": following} if following else {})

    def header_url(self, request: Request) -> Response:
        taken, following = self._take(request, self._place(request))
        return JSONResponse(taken, headers={"Next-Page": self._url(request, following)} if following else {})

    def link(self, request: Request) -> Response:
        taken, following = self._take(request, self._place(request))
        links = '<https://api.test/v2/link>; rel="first"'
        if following:
            links += f', <{self._url(request, following)}>; title="a, b"; rel="next last"'
        return JSONResponse(taken, headers={"Link": links})

    def next_url(self, request: Request) -> Response:
        taken, following = self._take(request, self._place(request))
        following = following and self._url(request, following)
        return JSONResponse({"value": taken, "@odata.nextLink": following})

    def offset(self, request: Request) -> Response:
        place = 0 if self.stuck else int(request.query_params["skip"])
        return JSONResponse({"data": self._take(request, place)[0], "total": len(self.items)})

    def pages(self, request: Request) -> Response:
        limit = int(request.query_params["limit"])
        number = 1 if self.stuck else int(request.query_params["page"])
        last = -(-len(self.items) // limit)
        return JSONResponse({"data": self._take(request, (number - 1) * limit)[0], "pages": last})

    def keyset(self, request: Request) -> Response:
        after = request.query_params.get("after_id", "")
        behind = [item for item in self.items if self.stuck or item["id"] > after]
        return JSONResponse(behind[: int(request.query_params["limit"])])

    def since(self, request: Request) -> Response:
        """At or after a time, in its order; there is no other place to go on from."""
        since = request.query_params.get("since", "")
        found = [
            item
            for item in self.items
            if (item["updated_at"] > since if self.exclusive else item["updated_at"] >= since)
        ]
        found.sort(key=lambda item: item["updated_at"], reverse=self.newest_first)
        return JSONResponse(found[: int(request.query_params["limit"])])

    def _place(self, request: Request) -> int:
        token = request.query_params.get("token")
        return int(base64.urlsafe_b64decode(token)) if token else 0

    def _take(self, request: Request, place: int) -> tuple[Items, str | None]:
        limit = min(int(request.query_params["limit"]), self.most)
        taken = self.items[place : place + limit]
        if self.stuck:
            return taken, base64.urlsafe_b64encode(b"3").decode()
        more = place + limit < len(self.items)
        return taken, base64.urlsafe_b64encode(str(place + limit).encode()).decode() if more else None

    def _url(self, request: Request, token: str) -> str:
        base = "https://elsewhere.test" if self.foreign else BASE
        limit = request.query_params["limit"]
        path = request.url.path.removeprefix("/v2")
        key = "&key=secret" if "key" in request.query_params else ""
        return f"{base}{path}?limit={limit}&token={token}{key}"
