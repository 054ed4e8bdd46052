"""A client of a Redis server or of a Redis Cluster, made from a target's settings. Connects at first use.

It never tries again by itself: what becomes of a failed batch is the consumer's business.
"""

from collections.abc import Awaitable
from typing import Any, Protocol, cast

from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from headwater.targets.redis.settings import RedisSettings

Client = Redis | RedisCluster


class Pipe(Protocol):
    """Commands that go out together, of either client. What the driver declares of them has gaps."""

    def execute_command(self, *args: bytes | str | int) -> object:
        """Add a command."""
        ...

    def execute(self, *, raise_on_error: bool) -> Awaitable[list[Any]]:
        """Send them, and return the answers in their order."""
        ...


def client(settings: RedisSettings) -> Client:
    """Return a client."""
    url, seconds = settings.url.reveal(), settings.timeout.total_seconds()
    options: dict[str, Any] = {
        "socket_timeout": seconds,
        "socket_connect_timeout": min(seconds, 10.0),
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
    }
    if settings.ca is not None:
        options["ssl_ca_data"] = settings.ca
    made = cast(Any, RedisCluster if settings.cluster else Redis)
    return made.from_url(url, **options)


def pipeline(redis: Client) -> Pipe:
    """Return an empty pipeline: commands go out together, to each node of a cluster its own."""
    if isinstance(redis, RedisCluster):
        return cast("Pipe", redis.pipeline())
    return cast("Pipe", redis.pipeline(transaction=False))


async def load(redis: Client, script: str) -> None:
    """Make Redis know a script, every primary of a cluster."""
    nodes = {"target_nodes": RedisCluster.PRIMARIES} if isinstance(redis, RedisCluster) else {}
    await cast(Any, redis).execute_command("SCRIPT LOAD", script, **nodes)
