"""A Redis as the target suite wants it: a server of the test's own, and users with the documented rights."""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from tests.plugins.servers import Server, steady_port

from headwater.errors import Halt, HeadwaterError, Retry
from headwater.model.position import Stream
from headwater.targets.redis import REDIS, RedisSettings
from headwater.targets.target import TargetSettings

LARGEST = 3_000_000
PAGE = Path(__file__).parents[2] / "docs" / "targets" / "redis.md"


def documented_rights() -> list[str]:
    """The rights of the page's `ACL SETUSER`, without name, password and keys."""
    [command] = re.findall(r"^ACL SETUSER (.*?)\n```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    return [word for word in command.replace("\\\n", " ").split() if word[0] in "+-" and word != "-@all"]


class RedisRig:
    kind = REDIS
    faithful = deduplicates = compares = True
    keeps_deleted = False
    refused: bytes | None = b'"' + b"x" * LARGEST + b'"'
    held: bytes | None = None
    secrets: Sequence[str] = ("right-password", "wrong-password")

    def __init__(self, server: Server, prefix: str, **settings: Any) -> None:
        self.server, self.prefix, self.more = server, prefix, settings

    def settings(self, user: str = "writer:right-password", **more: Any) -> TargetSettings:
        url = self.server.url.replace("://", f"://{user}@")
        given = {"url": url, "prefix": self.prefix, "max_value_bytes": LARGEST}
        return RedisSettings.model_validate(given | self.more | more)

    def wrong(self) -> Mapping[str, tuple[TargetSettings, type[HeadwaterError]]]:
        nobody = f"redis://writer:right-password@127.0.0.1:{steady_port()}/0"
        return {
            "password": (self.settings("writer:wrong-password"), Halt),
            "no rights": (self.settings("reader:right-password"), Halt),
            "another's keys": (self.settings(prefix="theirs"), Halt),
            "nobody listens": (self.settings(url=nobody), Retry),
            "no TLS there": (
                self.settings(url=self.server.url.replace("redis:", "rediss:"), timeout="1s"),
                Retry,
            ),
            "no cluster": (self.settings(cluster=True), Halt),
            "no such database": (self.settings(url=self.server.url.rpartition("/")[0] + "/99"), Halt),
        }

    def kept(self, value: bytes) -> bytes:
        return value

    async def read_back(self, stream: Stream) -> Sequence[bytes]:
        async with Redis.from_url(self.server.url) as redis:
            return await read_back(redis, self.prefix, stream)

    async def stop(self) -> None:
        self.server.kill()

    async def start(self) -> None:
        self.server.start()
        await self.add_users()

    async def release(self) -> None:
        raise AssertionError("it holds nothing")

    async def add_users(self) -> None:
        """Make the users; a server forgets them when it is started again."""
        allowed = [f"~{self.prefix}:*", "resetchannels", "-@all", *documented_rights()]
        async with Redis.from_url(self.server.url) as redis:
            for name, rights in (("writer", allowed), ("reader", [f"~{self.prefix}:*", "+get"])):
                await redis.execute_command("ACL", "SETUSER", name, "on", ">right-password", *rights)


async def read_back(redis: Any, prefix: str, stream: Stream) -> list[bytes]:
    """Everything under a prefix, as a reader who knows the layout finds it."""
    found: list[bytes] = []
    if stream is Stream.EVENTS:
        async for key in redis.scan_iter(f"{prefix}:events:*", _type="STREAM"):
            found += [fields[b"json"] for _, fields in await redis.xrange(key)]
        return found
    async for key in redis.scan_iter(f"{prefix}:record:*"):
        found.append(await redis.get(key))
    async for key in redis.scan_iter(f"{prefix}:collection:*"):
        found += await redis.hvals(key)
    return found


@asynccontextmanager
async def redis_rig(server: Server, prefix: str, **settings: Any) -> AsyncIterator[RedisRig]:
    rig = RedisRig(server, prefix, **settings)
    await rig.add_users()
    yield rig
