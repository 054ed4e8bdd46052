"""`/_control/`: how a test turns the fake Stripe's switches, lets things happen, and hears the truth.

| call | |
|---|---|
| `GET`, `PATCH /_control/switches` | what is switched how; turn some |
| `POST /_control/fill?object=&count=&items=&parent=` | objects of the past, without events |
| `POST /_control/create?object=`, `change?object=&id=`, `delete?object=&id=` | one now, with its event; members as JSON body |
| `POST /_control/happen?object=&count=&seed=&deletes=` | so many changes by dice now |
| `POST /_control/run?objects=&per_second=&seconds=&seed=&deletes=` | changes happen by themselves |
| `POST /_control/stop` | no more changes |
| `POST /_control/roll_key?key=&grace=` | `key`: a new one; the old one ends after so many seconds |
| `POST /_control/restrict?key=&objects=` | a key may read only these (`account`, `event`, `customer`, …) |
| `POST /_control/roll_secret?endpoint=` | `secret`: a new one, beside the old one |
| `POST /_control/connect` | `account`: another one is connected |
| `GET /_control/truth` | `running, unseen, pending, made`, and `objects` by class and id, whole |
| `GET /_control/requests` | `count, answers, limited, highest, operations, last` |

All but switches and keys take `account=` for a connected one.
"""  # noqa: E501 - a table's row is one line

import asyncio
import secrets
import time
from collections import Counter
from random import Random
from typing import Any

import msgspec
import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from headwater.testing.fake_stripe import endpoints, reads
from headwater.testing.fake_stripe.books import Books
from headwater.testing.fake_stripe.problems import Problem
from headwater.testing.fake_stripe.world import World

_TICK = 0.02


class Control:
    """The answers below `/_control/`."""

    def __init__(self, world: World, pushing: endpoints.Pushing) -> None:
        self._world, self._pushing = world, pushing
        self._made: Counter[str] = Counter()
        self._task: asyncio.Task[None] | None = None

    def app(self) -> Starlette:
        """Return the calls as an app."""
        calls = (
            self.fill, self.create, self.change, self.delete, self.happen, self.run, self.stop,
            self.roll_key, self.restrict, self.roll_secret, self.connect,
        )  # fmt: skip
        routes = [Route(f"/_control/{call.__name__}", call, methods=["POST"]) for call in calls]
        routes += [
            Route("/_control/switches", self.switches, methods=["GET", "PATCH"]),
            Route("/_control/truth", self.truth),
            Route("/_control/requests", self.requests),
        ]
        return Starlette(routes=routes)

    async def switches(self, request: Request) -> Response:
        """Show the switches, or turn some."""
        if request.method == "PATCH":
            try:
                self._world.turn(self._world.switches.turned(orjson.loads(await request.body())))
            except (msgspec.ValidationError, ValueError) as error:
                raise HTTPException(400, str(error)) from None
        return _json(msgspec.structs.asdict(self._world.switches))

    async def fill(self, request: Request) -> Response:
        """Make objects of the past."""
        query = request.query_params
        count, items = int(query.get("count", "1")), int(query.get("items", "0"))
        self._books(request).fill(query["object"], count, parent=query.get("parent"), items=items)
        return self._done()

    async def create(self, request: Request) -> Response:
        """Make one object."""
        query = request.query_params
        made = self._books(request).create(
            query["object"],
            await _members(request),
            parent=query.get("parent"),
            items=int(query.get("items", "0")),
        )
        self._made["created"] += 1
        return _json(made)

    async def change(self, request: Request) -> Response:
        """Change one object."""
        query, members = request.query_params, await _members(request)
        made = self._books(request).change(query["object"], query["id"], members, query.get("type"))
        self._made["updated"] += 1
        return _json(made)

    async def delete(self, request: Request) -> Response:
        """Delete one object."""
        self._books(request).delete(request.query_params["object"], request.query_params["id"])
        self._made["deleted"] += 1
        return self._done()

    async def happen(self, request: Request) -> Response:
        """Change things now."""
        query, books = request.query_params, self._books(request)
        dice = Random(int(query.get("seed", str(self._world.seed))))
        for _ in range(int(query.get("count", "1"))):
            deletes = float(query.get("deletes", "0.15"))
            self._made[books.happen(dice, query["object"], deletes=deletes)] += 1
        return self._done()

    async def run(self, request: Request) -> Response:
        """Let changes happen."""
        query = request.query_params
        self._end()
        self._task = asyncio.create_task(
            self._keep(
                self._books(request),
                query["objects"].split(","),
                Random(int(query.get("seed", str(self._world.seed)))),
                (float(query.get("per_second", "10")), float(query.get("seconds", "inf"))),
                float(query.get("deletes", "0.15")),
            )
        )
        return self._done()

    async def stop(self, request: Request) -> Response:
        """End the changes."""
        self._end()
        return self._done()

    async def roll_key(self, request: Request) -> Response:
        """Give a new key in place of one."""
        query = request.query_params
        new = self._world.keys.roll(query["key"], float(query.get("grace", "0")))
        return _json({"key": new})

    async def restrict(self, request: Request) -> Response:
        """Let a key read only some classes of objects."""
        query = request.query_params
        self._world.keys.restricted[query["key"]] = frozenset(query["objects"].split(","))
        return self._done()

    async def roll_secret(self, request: Request) -> Response:
        """Give a new signing secret beside the old one."""
        endpoint = self._world.endpoints[request.query_params["endpoint"]]
        endpoint.secrets = [f"whsec_{secrets.token_hex(16)}", endpoint.secrets[0]]
        return _json({"secret": endpoint.secrets[0]})

    async def connect(self, request: Request) -> Response:
        """Connect an account."""
        return _json({"account": self._world.connect().account})

    async def truth(self, request: Request) -> Response:
        """Tell everything."""
        books = self._books(request)
        books.reveal()
        return _json({**self._state(), "objects": reads.truth(books)})

    async def requests(self, request: Request) -> Response:
        """Tell how the API was used."""
        used = self._world.used
        return _json(
            {
                "count": len(used.all),
                "highest": used.all.highest(1.0),
                "answers": dict(used.answers),
                "limited": dict(used.limited),
                "operations": {
                    name: {"count": len(one), "highest": one.highest(1.0)} for name, one in used.of.items()
                },
                "last": list(used.last),
            }
        )

    async def close(self) -> None:
        """End the changes."""
        self._end()

    async def _keep(
        self, books: Books, objects: list[str], dice: Random, pace: tuple[float, float], deletes: float
    ) -> None:
        per_second, seconds = pace
        begun, done = time.monotonic(), 0
        while (elapsed := time.monotonic() - begun) < seconds:
            while done < int(elapsed * per_second):
                self._made[books.happen(dice, dice.choice(objects), deletes=deletes)] += 1
                done += 1
            books.reveal()
            self._pushing.push()
            await asyncio.sleep(_TICK)

    def _end(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def _books(self, request: Request) -> Books:
        try:
            return self._world.books(request.query_params.get("account"))
        except Problem as problem:
            raise HTTPException(404, str(problem)) from None

    def _state(self) -> dict[str, Any]:
        for books in self._world.all_books:
            books.reveal()
        return {
            "running": self._task is not None and not self._task.done(),
            "unseen": sum(books.unseen for books in self._world.all_books),
            "made": dict(self._made),
            "pushed": {"sent": self._pushing.sent, "lost": self._pushing.lost},
        }

    def _done(self) -> Response:
        return _json(self._state())


async def _members(request: Request) -> dict[str, Any]:
    body = await request.body()
    return orjson.loads(body) if body else {}


def _json(body: object) -> Response:
    return Response(orjson.dumps(body), media_type="application/json")
