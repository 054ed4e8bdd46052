"""Redis: a record is one JSON text under its key or in its collection's hash, an event is one entry of a
Redis stream.

`settings` is what a user may choose, `keys` where things lie, `scripts` the Lua that compares versions,
`target` the protocol, `connect` and `errors` the driver's side, imported when the first target is opened.
"""

from headwater.targets.redis.settings import RedisSettings
from headwater.targets.target import Delivery, Kind, Target


def _open(settings: RedisSettings, delivery: Delivery | None) -> Target:
    from headwater.targets.redis.target import RedisTarget  # the driver is an extra

    return RedisTarget(settings, delivery)


REDIS = Kind(
    name="redis",
    title="Redis",
    summary="Records as JSON, each under its key or in a hash of its collection; events as Redis streams.",
    settings=RedisSettings,
    open=_open,
    schemes=("redis", "rediss"),
    driver="redis",
    guarantee="at least once; repeats and older versions change nothing",
)
"""The kind, as `table` names it."""
