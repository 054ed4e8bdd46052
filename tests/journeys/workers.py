"""Workers of a consumer over HTTP, as they are in life, and a referee who sees what all of them do.

A worker acknowledges, gives back, asks for more time, is slow, forgets, is cut off in the middle of asking.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import aiohttp
import msgspec
from tests.journeys.entries import Seen
from tests.journeys.processes import Server

Key = tuple[str, str, str]
FATES = {"ack": 60, "some": 10, "nack": 8, "later": 4, "forget": 8, "slow": 4, "extend": 6}
CUT_OFF = 0.05


class Message(msgspec.Struct):
    """A message as it was handed out."""

    ack_token: str
    record: Seen | None = None
    event: Seen | None = None

    @property
    def seen(self) -> Seen:
        seen = self.record or self.event
        assert seen is not None
        return seen


class Info(msgspec.Struct):
    num_pending: int
    num_ack_pending: int


class Batch(msgspec.Struct):
    """An answer of `next`."""

    data: list[Message]
    info: Info


@dataclass
class Lane:
    """What was seen of one record."""

    known: set[int] = field(default_factory=set[int])
    settled: Counter[int] = field(default_factory=Counter[int])
    """How often a version was acknowledged; also where the answer to that never came."""
    holder: tuple[str, int, float] | None = None
    """Who surely has a message now: by which token, which version, until when."""
    text: str = ""


@dataclass
class Referee:
    """Judges a consumer by what its workers see: one message of a record at a time, in order, none lost."""

    stream: str
    ack_wait: float
    lanes: dict[Key, Lane] = field(default_factory=dict[Key, Lane])
    faults: list[str] = field(default_factory=list[str])
    handed: int = 0
    repeated: int = 0

    def took(self, asked: float, messages: Sequence[Message]) -> None:
        """A worker who asked at some instant has got these now: they are his for as long as is waited."""
        now = time.monotonic()
        for message in messages:
            seen = message.seen
            lane, version = self.lanes.setdefault(seen.key, Lane()), seen.updated_idx
            if lane.holder is not None and lane.holder[2] > now:
                self.faults.append(f"{seen.key}: {version} was handed out while {lane.holder[1]} is out")
            if self.stream == "events":
                waiting = [one for one in lane.known if one < version and not lane.settled[one]]
            else:
                waiting = [one for one in lane.known if one > version]
            if waiting:
                self.faults.append(f"{seen.key}: {version} came out of order, {waiting} are there")
            self.handed += 1
            self.repeated += version in lane.known
            lane.known.add(version)
            lane.text = seen.text
            lane.holder = (message.ack_token, version, asked + self.ack_wait)

    def lets_go(self, messages: Sequence[Message]) -> None:
        """A worker is about to answer for these: others may be given them from now on."""
        for message in messages:
            lane = self.lanes[message.seen.key]
            if lane.holder is not None and lane.holder[0] == message.ack_token:
                lane.holder = None

    def keeps(self, asked: float, messages: Sequence[Message], unknown: Sequence[str]) -> None:
        """A worker has more time for these."""
        for message in messages:
            lane = self.lanes[message.seen.key]
            if message.ack_token not in unknown and lane.holder and lane.holder[0] == message.ack_token:
                lane.holder = (*lane.holder[:2], asked + self.ack_wait)

    def acknowledges(self, messages: Sequence[Message], by: int = 1) -> None:
        """These are being acknowledged; or were not after all."""
        for message in messages:
            self.lanes[message.seen.key].settled[message.seen.updated_idx] += by

    def all_events(self, events: Sequence[Seen]) -> list[str]:
        """Say which events of a stream were never acknowledged, or are not in it."""
        there: dict[Key, set[int]] = {}
        for event in events:
            there.setdefault(event.key, set()).add(event.updated_idx)
        done = {
            key: {version for version, count in lane.settled.items() if count > 0}
            for key, lane in self.lanes.items()
        }
        return [
            f"{key}: of {sorted(there.get(key, ()))} were acknowledged {sorted(done.get(key, ()))}"
            for key in there.keys() | done.keys()
            if there.get(key) != done.get(key)
        ]

    def final_states(self, records: Sequence[Seen]) -> list[str]:
        """Say which records were not acknowledged in their last version."""
        faults: list[str] = []
        for record in records:
            lane = self.lanes.get(record.key, Lane())
            if not lane.settled[record.updated_idx] or lane.text != record.text:
                faults.append(f"{record.key}: {record.updated_idx} was never acknowledged")
        return faults


class Crew:
    """Workers of one consumer. They ask any of the servers."""

    def __init__(self, servers: Sequence[Server], consumer_id: str, referee: Referee, dice: Random) -> None:
        self.referee = referee
        self._servers, self._path, self._dice = servers, f"/v1/http-consumers/{consumer_id}", dice
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20))
        self._tired = False
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, count: int) -> None:
        """Let so many work."""
        self._tasks = [asyncio.create_task(self._work()) for _ in range(count)]

    async def tire(self) -> None:
        """End the work; what is out stays out."""
        self._tired = True
        await asyncio.gather(*self._tasks)

    async def drain(self, seconds: float) -> None:
        """Take and acknowledge what is left."""
        deadline = time.monotonic() + seconds
        while True:
            asked = time.monotonic()
            batch = await self._next(100, 200)
            self.referee.took(asked, batch.data)
            await self._answer("ack", batch.data)
            if not batch.data and not batch.info.num_pending and not batch.info.num_ack_pending:
                return
            assert time.monotonic() < deadline, f"the consumer does not come to its end: {batch.info}"

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._session.close()

    async def _work(self) -> None:
        while not self._tired:
            try:
                await self._once()
            except (aiohttp.ClientError, TimeoutError):  # the server was killed, or a request of ours cut off
                await asyncio.sleep(0.05)

    async def _once(self) -> None:
        dice, referee = self._dice, self.referee
        asked = time.monotonic()
        cut_off = dice.uniform(0.005, 0.1) if dice.random() < CUT_OFF else None
        async with asyncio.timeout(cut_off):
            batch = await self._next(dice.randint(1, 12), dice.choice([0, 200, 1000]))
        referee.took(asked, batch.data)
        if not batch.data:
            return
        await asyncio.sleep(dice.expovariate(1 / 0.02))
        (fate,) = dice.choices([*FATES], [*FATES.values()])
        match fate:
            case "some":
                middle = dice.randint(0, len(batch.data))
                await self._answer("ack", batch.data[:middle])
                await self._answer("nack", batch.data[middle:])
            case "later":
                await self._answer("nack", batch.data, delay_ms=dice.randint(1, 1000))
            case "forget":
                pass
            case "slow":
                await asyncio.sleep(referee.ack_wait * dice.uniform(0.9, 1.3))
                await self._answer("ack", batch.data)
            case "extend":
                await self._answer("extend", batch.data)
                await asyncio.sleep(referee.ack_wait * 0.5)
                await self._answer("ack", batch.data)
            case _:
                await self._answer(fate, batch.data)

    async def _next(self, limit: int, wait_ms: int) -> Batch:
        body = await self._call("next", {"batch_size": limit, "wait_for": wait_ms})
        batch = msgspec.json.decode(body, type=Batch)
        for message in batch.data:
            message.seen.data = message.seen.data.copy()
        return batch

    async def _answer(self, call: str, messages: Sequence[Message], **more: int) -> None:
        """Answer for messages, and tell the referee at the moments that count."""
        if not messages:
            return
        asked = time.monotonic()
        if call != "extend":
            self.referee.lets_go(messages)
        if call == "ack":
            self.referee.acknowledges(messages)
        answer = msgspec.json.decode(
            await self._call(call, {"ack_tokens": [one.ack_token for one in messages], **more})
        )
        unknown: list[str] = answer["unknown"]
        if call == "extend":
            self.referee.keeps(asked, messages, unknown)
        if call == "ack":
            self.referee.acknowledges([one for one in messages if one.ack_token in unknown], -1)

    async def _call(self, name: str, body: Any) -> bytes:
        server = self._dice.choice(self._servers)
        headers = {"Authorization": f"Bearer {server.key}"}
        async with self._session.post(
            f"{server.url}{self._path}/{name}", json=body, headers=headers
        ) as answer:
            found = await answer.read()
            answer.raise_for_status()
            return found
