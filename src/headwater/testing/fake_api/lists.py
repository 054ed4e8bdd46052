"""What the fake API answers: lists in three ways of paging, lists of deletes, single objects.

No faults but those of lists (`repeat`, `short`, `shuffle`).

| path | |
|---|---|
| `/v1/cursor/{collection}` | `next_cursor` in the body, sent back as `cursor` |
| `/v1/link/{collection}` | `Link: <…>; rel="next"` |
| `/v1/offset/{collection}` | `offset`, the last updated first: changes shift pages, objects come twice |
| `/v1/{paging}/{collection}/deleted` | ids of deleted objects, since `since` |
| `/v1/{paging}/{collection}/{id}` | one object; 404 when it never was, 410 when it was deleted |

Lists take `limit`, and `updated_since` (inclusive; then by update time and id, the deleted ones as tombstones
with `tombstones=true`). Without it `cursor` and `link` go by id.
"""

import base64
import binascii
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from itertools import islice
from random import Random

import msgspec
import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from headwater.testing.fake_api.rows import Row, Rows, iso
from headwater.testing.fake_api.world import World

PAGE, LONGEST_PAGE = 50, 1000
PAGINGS = ("cursor", "link", "offset")


class Lists:
    """The answers to each path."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._dice = Random(world.seed + 1)

    async def listing(self, request: Request) -> Response:
        """List what exists, or what has changed since."""
        rows = self._rows(request)
        since = instant(request, "updated_since")
        buried = request.query_params.get("tombstones") == "true"
        if request.path_params["paging"] == "offset":
            found = rows.newest_first()
        elif since is None:
            found = rows.by_id(token(request, 1)[0])
        else:
            found = rows.by_time(_key(token(request, 2), since))
        shown = (
            row
            for row in found
            if (since is None or row.updated_ms >= since)
            and (not row.deleted or (buried and since is not None))
        )
        return self._page(request, rows, shown, _by_id if since is None else _by_time, _text)

    async def deleted(self, request: Request) -> Response:
        """List which objects were deleted, and when."""
        rows = self._rows(request)
        since = instant(request, "since") or 0
        found = (row for row in rows.by_time(_key(token(request, 2), since)) if row.deleted)
        return self._page(request, rows, found, _by_time, _notice)

    async def single(self, request: Request) -> Response:
        """Give one object."""
        row = self._rows(request).get(request.path_params["id"])
        if row is None or row.deleted:
            raise HTTPException(404 if row is None else 410, "There is no such object.")
        return self._answer(request, row.text, f'"{row.id}-{row.revision}"')

    def _page(
        self,
        request: Request,
        rows: Rows,
        found: Iterable[Row],
        mark: Callable[[Row], Sequence[str]],
        text: Callable[[Row], str],
    ) -> Response:
        """Answer with a page of rows and the way to the next one."""
        switches = self._world.switches
        limit = number(request, "limit", PAGE, 1, LONGEST_PAGE)
        offset = number(request, "offset", 0, 0, 10**9)
        if limit > 1 and self._dice.random() < switches.short:
            limit = self._dice.randrange(1, limit)
        paging: str = request.path_params["paging"]
        taken = list(islice(found, offset if paging == "offset" else 0, None))[: limit + 1]
        more, taken = len(taken) > limit, taken[:limit]
        following = None
        if more:
            sent = request.query_params.get("cursor")
            again = sent is not None and self._dice.random() < switches.repeat
            following = sent if again else written(mark(taken[-1]))
        if switches.shuffle:
            self._dice.shuffle(taken)
        items = ",".join(map(text, taken))
        if paging == "offset":
            body = f'{{"items":[{items}],"has_more":{"true" if more else "false"}}}'
        else:
            body = f'{{"items":[{items}],"next_cursor":{orjson.dumps(following).decode()}}}'
        # The tag is the whole collection's: equal means that nothing has changed.
        answer = self._answer(request, body, f'"{rows.revision}"')
        if paging == "link" and following is not None:
            url = request.url.include_query_params(cursor=following)
            answer.headers["Link"] = f'<{url.path}?{url.query}>; rel="next"'
        return answer

    def _answer(self, request: Request, text: str, tag: str) -> Response:
        switches = self._world.switches
        if switches.spaces:
            text = text.replace(',"', ' ,\r\n\t"', 5).replace('":', '" : ', 5)
        headers = {"ETag": tag} if switches.etags else {}
        if switches.etags and request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(text.encode(), media_type="application/json", headers=headers)

    def _rows(self, request: Request) -> Rows:
        self._world.reveal()
        rows = self._world.rows.get(request.path_params["collection"])
        if rows is None or request.path_params["paging"] not in PAGINGS:
            raise HTTPException(404, "There is no such list.")
        return rows


def _by_id(row: Row) -> list[str]:
    return [row.id]


def _by_time(row: Row) -> list[str]:
    return [str(row.updated_ms), row.id]


def _text(row: Row) -> str:
    return row.text


def _notice(row: Row) -> str:
    return f'{{"id":"{row.id}","deleted_at":"{iso(row.updated_ms)}"}}'


def written(mark: Sequence[str]) -> str:
    """Return a place in a list as the opaque text that clients give back."""
    return base64.urlsafe_b64encode(orjson.dumps(mark)).decode()


def token(request: Request, parts: int) -> list[str]:
    """Return the place after which a request goes on, as so many strings; empty ones for the start."""
    text = request.query_params.get("cursor")
    if not text:
        return [""] * parts
    try:
        found = msgspec.json.decode(base64.urlsafe_b64decode(text), type=list[str])
    except (ValueError, binascii.Error):
        found = []
    if len(found) != parts:
        raise HTTPException(400, "This cursor is not ours.")
    return found


def _key(mark: Sequence[str], since: int) -> tuple[int, str]:
    return (int(mark[0]), mark[1]) if mark[0] else (since, "")


def instant(request: Request, name: str) -> int | None:
    """Return an instant of the query in milliseconds, rounded up: nothing before it is asked for."""
    text = request.query_params.get(name)
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise HTTPException(400, f"{name} is not an ISO 8601 time.") from None
    found = found if found.tzinfo else found.replace(tzinfo=UTC)
    return -int(-found.timestamp() * 1000 // 1)


def number(request: Request, name: str, default: int, least: int, most: int) -> int:
    """Return a number of the query."""
    text = request.query_params.get(name, str(default))
    if not text.isdecimal() or not least <= int(text) <= most:
        raise HTTPException(400, f"{name} is from {least} to {most}.")
    return int(text)
