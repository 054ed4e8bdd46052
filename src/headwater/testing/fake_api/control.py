"""`/_control/`: how a test turns the fake API's switches, lets things happen, and hears the truth.

| call | |
|---|---|
| `GET`, `PATCH /_control/switches` | what is switched how; turn some |
| `POST /_control/run?changes_per_second=&seed=&seconds=` | changes happen by themselves, for so long |
| `POST /_control/stop` | no more changes |
| `POST /_control/change?count=&seed=` | so many changes now |
| `POST /_control/burst?collection=&count=&seed=` | so many updates on one instant |
| `POST /_control/expire` | all access tokens end |
| `GET /_control/truth` | `running, unseen, made`, and by collection and id `objects`, `states`, `shown_ms` |
| `GET /_control/requests?window_ms=` | `count, answers, last`, and `highest`: the most in any window |

`objects` are the JSON texts of those that exist; `states` all texts that an object showed, null for deleted,
and `shown_ms` when each became visible, by the machine's clock.
"""

import asyncio
import time
from random import Random

import msgspec
import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from headwater.testing.fake_api.faults import Tokens
from headwater.testing.fake_api.lists import number
from headwater.testing.fake_api.requests import Requests
from headwater.testing.fake_api.world import World

_TICK = 0.02
_MOST = 10**6


class Driver:
    """Lets changes happen at a pace."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._task: asyncio.Task[None] | None = None

    @property
    def running(self) -> bool:
        """Whether changes happen by themselves now."""
        return self._task is not None and not self._task.done()

    def start(self, per_second: float, seed: int, seconds: float) -> None:
        """Begin, with these dice, for so many seconds."""
        self.stop()
        self._task = asyncio.create_task(self._run(per_second, Random(seed), seconds))

    def stop(self) -> None:
        """End the changes."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _run(self, per_second: float, dice: Random, seconds: float) -> None:
        begun, done = time.monotonic(), 0
        while (elapsed := time.monotonic() - begun) < seconds:
            due = int(elapsed * per_second)
            while done < due:
                self._world.change(dice)
                done += 1
            self._world.reveal()
            await asyncio.sleep(_TICK)


class Control:
    """The answers below `/_control/`."""

    def __init__(self, world: World, requests: Requests, tokens: Tokens, driver: Driver) -> None:
        self._world = world
        self._requests = requests
        self._tokens = tokens
        self._driver = driver

    async def switches(self, request: Request) -> Response:
        """Show the switches, or turn some."""
        if request.method == "PATCH":
            try:
                self._world.switches = self._world.switches.turned(orjson.loads(await request.body()))
            except (msgspec.ValidationError, ValueError) as error:
                raise HTTPException(400, str(error)) from None
        return Response(msgspec.json.encode(self._world.switches), media_type="application/json")

    async def run(self, request: Request) -> Response:
        """Let changes happen."""
        query = request.query_params
        seconds = float(query.get("seconds", "inf"))
        seed = number(request, "seed", self._world.seed, 0, 2**63)
        self._driver.start(float(query.get("changes_per_second", "10")), seed, seconds)
        return self._done()

    async def stop(self, request: Request) -> Response:
        """End the changes."""
        self._driver.stop()
        return self._done()

    async def change(self, request: Request) -> Response:
        """Change things now."""
        dice = Random(number(request, "seed", self._world.seed, 0, 2**63))
        for _ in range(number(request, "count", 1, 0, _MOST)):
            self._world.change(dice)
        return self._done()

    async def burst(self, request: Request) -> Response:
        """Change many objects on one instant."""
        dice = Random(number(request, "seed", self._world.seed, 0, 2**63))
        name = request.query_params.get("collection", next(iter(self._world.rows)))
        self._world.burst(dice, name, number(request, "count", 1, 0, _MOST))
        return self._done()

    async def expire(self, request: Request) -> Response:
        """End all access tokens."""
        self._tokens.expire()
        return self._done()

    async def token(self, request: Request) -> Response:
        """Give an access token (`POST /oauth/token`), as OAuth 2 client credentials ask for it."""
        seconds = self._world.switches.token_seconds
        body = {
            "access_token": self._tokens.issue(seconds),
            "token_type": "Bearer",
            "expires_in": int(seconds),
        }
        return _json(body)

    async def truth(self, request: Request) -> Response:
        """Tell everything."""
        self._world.reveal()
        rows = self._world.rows
        return _json(
            {
                "running": self._driver.running,
                "unseen": self._world.unseen,
                "made": self._world.made,
                "objects": {name: one.truth() for name, one in rows.items()},
                "states": {name: one.states for name, one in rows.items()},
                "shown_ms": {name: one.shown_ms for name, one in rows.items()},
            }
        )

    async def requests(self, request: Request) -> Response:
        """Tell how the API was used."""
        window = number(request, "window_ms", self._world.switches.window_ms, 1, _MOST) / 1000
        return _json(
            {
                "count": len(self._requests),
                "highest": self._requests.highest(window),
                "answers": dict(self._requests.answers),
                "last": list(self._requests.log),
            }
        )

    def _done(self) -> Response:
        body = {"running": self._driver.running, "unseen": self._world.unseen, "made": self._world.made}
        return _json(body)


def _json(body: object) -> Response:
    return Response(orjson.dumps(body), media_type="application/json")
