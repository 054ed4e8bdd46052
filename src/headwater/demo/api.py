"""The made-up CRM's HTTP API: lists with cursors, single objects, deletes in three ways. Limits: `manners`.

| kind | list in order of | changed since | deletes show as |
|---|---|---|---|
| company | update time, id | `updated_since` | tombstones in the same list (`deleted: true`) |
| contact | update time, id | `updated_since` | a list of their own, `/v1/contacts/deleted` |
| deal | id | not at all; the list has an ETag | nothing: the object is just not there any more |

`/_control/state` tells the whole truth and `/_control/stop` ends the changes, for demonstrations and tests.
"""

import base64
import binascii
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from headwater.demo.life import Life
from headwater.demo.manners import Mannered, Manners, problem
from headwater.demo.tables import Key, Row, Table, iso

KIND_OF = {"companies": "company", "contacts": "contact", "deals": "deal"}
PAGE = 50
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LONGEST_PAGE = 200


def make_app(life: Life, manners: Manners) -> ASGIApp:
    """Return the ASGI app that shows this life."""
    api = Api(life)
    routes = [
        Route("/v1/me", api.me),
        Route("/v1/contacts/deleted", api.deleted),
        Route("/v1/{plural}", api.listing),
        Route("/v1/{plural}/{id}", api.single),
        Route("/_control/state", api.state),
        Route("/_control/stop", api.stop, methods=["POST"]),
        Route("/_control/start", api.start, methods=["POST"]),
    ]
    return Mannered(Starlette(routes=routes, exception_handlers={HTTPException: refuse}), manners)


class Api:
    """The answers to each path."""

    def __init__(self, life: Life) -> None:
        self._life = life
        self._born = time.time_ns()

    async def me(self, request: Request) -> Response:
        """Say whose key it is."""
        return answer({"account": "Demo CRM", "plan": "made-up"})

    async def listing(self, request: Request) -> Response:
        """List the objects of a kind, changed since an instant or all of them."""
        kind, table = self._table(request)
        if kind == "deal":
            return self._deals(request, table)
        since_ms = instant(request, "updated_since")
        rows = table.after(
            cursor(request), since_ms=since_ms, gone=kind == "company" and since_ms is not None
        )
        total = len(table) if since_ms is None else None
        return page(request, rows, table.key, shown=object_or_tombstone, total=total)

    def _deals(self, request: Request, table: Table) -> Response:
        # One tag for the whole list, whatever the page: equal tags mean that no deal at all has changed.
        tag = f'"{self._born:x}-{table.revision:x}"'
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers={"ETag": tag})
        found = page(
            request, table.after(cursor(request)), table.key, shown=object_or_tombstone, total=len(table)
        )
        found.headers["ETag"] = tag
        return found

    async def deleted(self, request: Request) -> Response:
        """List which contacts were deleted, and when."""
        rows = self._life.world.tables["contact"].removed_after(
            cursor(request), since_ms=instant(request, "since")
        )
        return page(request, rows, lambda row: (row.updated_ms, row.id), shown=delete_notice)

    async def single(self, request: Request) -> Response:
        """Give one object."""
        _, table = self._table(request)
        row = table.get(request.path_params["id"])
        if row is None:
            return problem(404, "not_found", "There is no such object.")
        if row.deleted:
            return problem(410 if row.kind == "company" else 404, "deleted", "This object was deleted.")
        return answer(row.fields)

    async def state(self, request: Request) -> Response:
        """Tell everything: all objects as the API shows them now, what was done, what is still unseen."""
        world = self._life.world
        objects = {kind: [row.fields for row in table.live()] for kind, table in world.tables.items()}
        life = {"stopped": self._life.stopped, "unseen": world.unseen, "changes": world.counts}
        return answer({**life, "objects": objects})

    async def stop(self, request: Request) -> Response:
        """End the changes; what is still unseen becomes visible shortly after."""
        self._life.stopped = True
        return await self.state(request)

    async def start(self, request: Request) -> Response:
        """Let the changes go on."""
        self._life.stopped = False
        return await self.state(request)

    def _table(self, request: Request) -> tuple[str, Table]:
        kind = KIND_OF.get(request.path_params["plural"])
        if kind is None:
            raise HTTPException(404, "There is no such list.")
        return kind, self._life.world.tables[kind]


# --- the pieces of an answer ----------------------------------------------------------------------


def answer(body: Any) -> Response:
    """Return a JSON answer."""
    return Response(orjson.dumps(body), media_type="application/json")


async def refuse(request: Request, error: Exception) -> Response:
    """Return a refusal in the CRM's own words."""
    status, message = (error.status_code, error.detail) if isinstance(error, HTTPException) else (500, "")
    return problem(status, "not_found" if status == 404 else "bad_request", message)


def page(
    request: Request,
    rows: Iterable[Row],
    key: Callable[[Row], Key],
    *,
    shown: Callable[[Row], Any],
    total: int | None = None,
) -> Response:
    """Return the next rows with the cursor behind them; the last page has none."""
    limit = size(request)
    found = list(islice(rows, limit + 1))
    more = len(found) > limit
    items = found[:limit]
    body: dict[str, Any] = {
        "items": [shown(row) for row in items],
        "next_cursor": written(key(items[-1])) if more else None,
    }
    return answer(body if total is None else body | {"total": total})


def object_or_tombstone(row: Row) -> Any:
    """Return what a list shows of an object, which may be deleted."""
    if row.deleted:
        return {"id": row.id, "deleted": True, "updated_at": iso(row.updated_ms)}
    return row.fields


def delete_notice(row: Row) -> Any:
    """Return what the list of deletes shows."""
    return {"id": row.id, "deleted_at": iso(row.updated_ms)}


# --- what a request asks for ----------------------------------------------------------------------


def written(key: Key) -> str:
    """Return a key as the opaque text that clients give back."""
    return base64.urlsafe_b64encode(orjson.dumps(key)).decode()


def cursor(request: Request) -> Key | None:
    """Return the key that the request goes on after."""
    text = request.query_params.get("cursor")
    if not text:
        return None
    try:
        updated_ms, row_id = orjson.loads(base64.urlsafe_b64decode(text))
        return int(updated_ms), str(row_id)
    except (ValueError, TypeError, binascii.Error):
        raise HTTPException(400, "This cursor is not ours.") from None


def instant(request: Request, name: str) -> int | None:
    """Return an instant of the query in milliseconds, rounded down."""
    text = request.query_params.get(name)
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise HTTPException(400, f"{name} is not an ISO 8601 time.") from None
    return ((found if found.tzinfo else found.replace(tzinfo=UTC)) - EPOCH) // timedelta(milliseconds=1)


def size(request: Request) -> int:
    """Return the length of the page that is asked for."""
    text = request.query_params.get("limit", str(PAGE))
    if not text.isdecimal() or not 1 <= int(text) <= LONGEST_PAGE:
        raise HTTPException(400, f"limit is from 1 to {LONGEST_PAGE}.")
    return int(text)
