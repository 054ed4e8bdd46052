"""The Redis target: sends calls of scripts and says what became of their messages."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import redis.exceptions as driver

from headwater.errors import HeadwaterError
from headwater.model.position import Stream
from headwater.targets.redis.calls import Call, Calls
from headwater.targets.redis.connect import Client, client, load, pipeline
from headwater.targets.redis.errors import mapped_errors, meaning
from headwater.targets.redis.settings import RedisSettings
from headwater.targets.target import Delivery, Item, Mark, Refusal, Written


class RedisTarget:
    """An open Redis target."""

    transactional = False

    def __init__(self, settings: RedisSettings, delivery: Delivery | None) -> None:
        """Open without connecting."""
        self._settings, self._delivery = settings, delivery
        self._calls = Calls(settings)
        self._client: Client | None = None

    async def check(self) -> None:
        """Run the scripts on keys of the check alone, which are gone a moment later."""
        stream = None if self._delivery is None else self._delivery.stream
        rounds = [] if stream is Stream.EVENTS else self._calls.check_records()
        rounds += [] if stream is Stream.RECORDS else self._calls.check_events()
        async with self._connected() as redis:
            for calls in rounds:
                await _run(redis, calls)

    async def write(self, batch: Sequence[Item], mark: Mark) -> Written:
        """Write messages; what is there already, or newer there, stays as it is (P4)."""
        if self._delivery is None:
            raise ValueError("opened without a consumer, only to check")
        most = self._settings.max_value_bytes
        rejected = [_too_large(at) for at, item in enumerate(batch) if len(item.json) > most]
        fitting = [(at, item) for at, item in enumerate(batch) if len(item.json) <= most]
        of_events = self._delivery.stream is Stream.EVENTS
        rounds = self._calls.events(fitting) if of_events else self._calls.records(fitting)
        if rounds:
            async with self._connected() as redis:
                for calls in rounds:
                    rejected += [_foreign_key(at) for at in await _run(redis, calls)]
        return Written(len(batch), sorted(rejected, key=lambda refusal: refusal.index))

    async def close(self) -> None:
        """Close the connections."""
        redis, self._client = self._client, None
        if redis is not None:
            await redis.aclose()

    @asynccontextmanager
    async def _connected(self) -> AsyncGenerator[Client]:
        """Give the client. After an error the next one begins anew: perhaps another node has taken over."""
        try:
            with mapped_errors():
                if self._client is None:
                    self._client = client(self._settings)
                yield self._client
        except HeadwaterError:
            await self.close()
            raise


async def _run(redis: Client, calls: Sequence[Call]) -> list[int]:
    """Send calls together; return the indexes of the messages that they refused."""
    answers = await _sent(redis, calls)
    if any(isinstance(answer, driver.NoScriptError) for answer in answers):
        for script in {call.script for call in calls}:
            await load(redis, script.text)
        answers = await _sent(redis, calls)  # those that went through see a repeat
    for answer in answers:
        if isinstance(answer, Exception):
            raise meaning(answer)
    return [
        call.indexes[number - 1]
        for call, answer in zip(calls, answers, strict=True)
        for number in cast("list[int]", answer)
    ]


async def _sent(redis: Client, calls: Sequence[Call]) -> list[Any]:
    """Return each call's answer, which may be an error."""
    pipe = pipeline(redis)
    for call in calls:
        # By name, since a cluster's pipeline has no method for it.
        pipe.execute_command("EVALSHA", call.script.name, len(call.keys), *call.keys, *call.args)
    return await pipe.execute(raise_on_error=False)  # P8: what it would raise quotes the command


def _too_large(index: int) -> Refusal:
    return Refusal(
        index, code="target.item_too_large", reason="It is larger than the target's max_value_bytes."
    )


def _foreign_key(index: int) -> Refusal:
    return Refusal(
        index, code="target.item_refused", reason="Its key in Redis holds something of another type."
    )
