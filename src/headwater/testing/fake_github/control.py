"""How a test turns the fake GitHub: `/_control/…`. Everything is possible here that a person could do there.

`POST repos`, `make`, `change`, `delete`, `push`, `transfer`, `rename`, `seed` and `stir` change the world;
`GET dump` tells what there is, `GET counts` what was asked, `POST expire` ends all tokens of installations,
`PATCH switches` turns switches, `GET app` gives the App's id and key, `POST idle` waits for deliveries.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
import orjson
from starlette.responses import Response

from headwater.testing.fake_github.hooks import Hooks
from headwater.testing.fake_github.limits import Limits
from headwater.testing.fake_github.seeding import Stirred, seed, stir
from headwater.testing.fake_github.visitors import APP_ID, Visitors
from headwater.testing.fake_github.world import World


class Control:
    """The calls of a test."""

    def __init__(self, world: World, visitors: Visitors, limits: Limits, hooks: Hooks) -> None:
        self._world, self._visitors, self._limits, self._hooks = world, visitors, limits, hooks
        self._calls: dict[str, Callable[[Any], Awaitable[Any]]] = {
            "GET app": self._app,
            "GET counts": self._counts,
            "GET dump": self._dump,
            "GET switches": self._switches,
            "PATCH switches": self._turn,
            "POST change": self._change,
            "POST delete": self._delete,
            "POST expire": self._expire,
            "POST idle": self._idle,
            "POST make": self._make,
            "POST push": self._push,
            "POST rename": self._rename,
            "POST repos": self._repo,
            "POST seed": self._seed,
            "POST stir": self._stir,
            "POST transfer": self._transfer,
        }

    async def answer(self, method: str, path: str, query: Mapping[str, str], body: bytes) -> Response:
        """Answer a call; its parameters are JSON in the body, or the query."""
        call = self._calls.get(f"{method} {path.removeprefix('/_control/')}")
        if call is None:
            return Response(b"", 404)
        given = orjson.loads(body) if body else dict(query)
        value = await call(given)
        return Response(orjson.dumps(value), media_type="application/json")

    def _of(self, given: Any) -> Any:
        repo = self._world.repo_named(given["repo"])
        if repo is None:
            raise ValueError(f"no repository {given['repo']}")
        return repo

    async def _app(self, _given: Any) -> Any:
        installation = next(iter(self._visitors.installations))
        return {
            "app_id": APP_ID,
            "private_key": self._visitors.private_key,
            "installation_id": str(installation),
        }

    async def _counts(self, _given: Any) -> Any:
        return {
            "requests": dict(self._limits.counts),
            "paths": dict(self._limits.paths),
            "highest_points": self._limits.highest,
            "changes": self._world.changes,
            "hooks": dict(self._hooks.counts),
            "tokens": self._visitors.issued,
        }

    async def _dump(self, _given: Any) -> Any:
        return self._world.dump()

    async def _switches(self, _given: Any) -> Any:
        return msgspec.to_builtins(self._world.switches)

    async def _turn(self, given: Any) -> Any:
        self._world.switches = self._world.switches.turned(given)
        return msgspec.to_builtins(self._world.switches)

    async def _repo(self, given: Any) -> Any:
        name = given.pop("name")
        return {"id": self._world.make_repo(name, **given).id}

    async def _make(self, given: Any) -> Any:
        repo = self._of(given)
        facts = self._world.make(repo, given["kind"], **given.get("facts", {}))
        return self._world.shown(repo, given["kind"], facts)

    async def _change(self, given: Any) -> Any:
        repo = self._of(given)
        facts = self._world.change(repo, given["kind"], given["key"], **given.get("facts", {}))
        return self._world.shown(repo, given["kind"], facts)

    async def _delete(self, given: Any) -> Any:
        self._world.delete(self._of(given), given["kind"], given["key"])
        return {}

    async def _push(self, given: Any) -> Any:
        repo = self._of(given)
        return {"shas": self._world.push(repo, given.get("count", 1), drop=given.get("drop", 0))}

    async def _rename(self, given: Any) -> Any:
        repo = self._of(given)
        owner, _, name = given["to"].partition("/")
        moved = {"owner": owner} if owner != repo.owner["login"] else {}
        self._world.change_repo(repo, name=name, **moved)
        return {}

    async def _transfer(self, given: Any) -> Any:
        to = self._world.repo_named(given["to"])
        if to is None:
            raise ValueError(f"no repository {given['to']}")
        return {"number": self._world.transfer(self._of(given), given["number"], to)["number"]}

    async def _seed(self, given: Any) -> Any:
        return {"objects": seed(self._world, self._of(given), given["objects"])}

    async def _stir(self, given: Any) -> Any:
        stirred: Stirred = stir(self._world, given["changes"], given["deletes"])
        return {"changed": stirred.changed, "deleted": stirred.deleted}

    async def _expire(self, _given: Any) -> Any:
        self._visitors.expire()
        return {}

    async def _idle(self, _given: Any) -> Any:
        await self._hooks.idle()
        return {}
