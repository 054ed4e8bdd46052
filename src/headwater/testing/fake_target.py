"""A target in memory that can be told to misbehave. A program, not a mock: it passes the target suite.

    server = FakeServer()
    target = server.kind(transactional=True).make(FakeSettings(password=Secret(server.password)), delivery)
    server.refuses.add("bad id")

What it holds is `server.records` and `server.events`; several targets may be open on one server, as several
processes would be.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from headwater.errors import Halt, LeaseLost, Retry
from headwater.model.position import Stream
from headwater.model.secret import Secret
from headwater.targets.target import Delivery, Item, Kind, Mark, Refusal, TargetSettings, Written


class FakeSettings(TargetSettings):
    """How the fake is reached."""

    password: Secret
    """The server's password; with another one it refuses everything."""

    address: str = "here"
    """Where it is; at any other address nobody listens."""


@dataclass(slots=True)
class Standing:
    """What a transactional fake keeps for a consumer."""

    epoch: int
    mark: Mark | None


@dataclass(slots=True, eq=False)
class FakeServer:
    """What a fake target writes to, and the switches."""

    password: str = "fake-server-password"  # noqa: S105 it protects nothing
    records: dict[str, Item] = field(default_factory=dict[str, Item])
    """The newest version of each record, by record id."""
    events: dict[str, Item] = field(default_factory=dict[str, Item])
    """Every event in the order in which it came first, by event id."""
    standings: dict[str, Standing] = field(default_factory=dict[str, Standing])
    """By consumer id."""
    writes: list[tuple[str, ...]] = field(default_factory=list[tuple[str, ...]])
    """The upstream ids of every batch that was tried, whatever became of it."""

    down: bool = False
    """It cannot be reached."""
    dies_after: int | None = None
    """It goes down once it has taken so many more items, in the middle of a batch."""
    delay: timedelta = timedelta()
    """It takes so long for each call."""
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    """Writes wait while it is cleared; for tests that do not sleep."""
    halted: bool = False
    """It lets nobody write until a person has acted."""
    refuses: set[str] = field(default_factory=set[str])
    """Upstream ids, or whole data, of objects that it never stores."""
    holds: set[str] = field(default_factory=set[str])
    """Upstream ids, or whole data, of objects that it does not store now."""
    at_most: int | None = None
    """It takes no more than so many items of a batch."""

    def __post_init__(self) -> None:
        """Begin with an open gate."""
        self.gate.set()

    def kind(self, *, transactional: bool = False) -> Kind:
        """Return the kind of target that writes here."""
        made = TransactionalFakeTarget if transactional else FakeTarget
        return Kind(
            name="fake",
            title="Fake",
            summary="Keeps everything in memory.",
            settings=FakeSettings,
            open=lambda settings, delivery: made(self, settings, delivery),
            schemes=("fake",),
            guarantee="exactly once" if transactional else "at least once; the newest version stays",
        )

    async def reached(self, settings: FakeSettings) -> None:
        """Answer a call, or fail it."""
        await asyncio.sleep(self.delay.total_seconds())
        await self.gate.wait()
        if self.down or settings.address != "here":
            raise Retry("The fake cannot be reached.", code="target.unreachable", fix="Start it.")
        if settings.password.reveal() != self.password:
            raise Halt(
                "The fake refuses the password.",
                code="target.refused",
                fix="Give the target the right password.",
            )
        if self.halted:
            raise Halt("The fake is full.", code="target.full", fix="Make room in it.")

    def refusals(self, batch: Sequence[Item]) -> tuple[list[Refusal], list[Refusal]]:
        """Return what it rejects and what it holds; what follows a held item of a record is held too."""
        rejected, held, waiting = list[Refusal](), list[Refusal](), set[str]()
        for index, item in enumerate(batch):
            if _named(item, self.refuses):
                rejected.append(Refusal(index, "target.item_refused", "The fake never stores this object."))
            elif item.record_id in waiting or _named(item, self.holds):
                waiting.add(item.record_id)
                held.append(Refusal(index, "target.item_held", "The fake does not store this object now."))
        return rejected, held

    def put(self, stream: Stream, item: Item) -> None:
        """Store one item, unless it is there already or older than what is there."""
        if stream is Stream.EVENTS:
            self.events.setdefault(item.message_id, item)
            return
        there = self.records.get(item.record_id)
        if there is None or there.updated_idx < item.updated_idx:  # P4
            self.records[item.record_id] = item

    def read_back(self, stream: Stream) -> list[bytes]:
        """Return everything of a stream as JSON."""
        return [item.json for item in (self.records if stream is Stream.RECORDS else self.events).values()]


class FakeTarget:
    """Stores what it is given. It keeps no position, so a batch may be there in part."""

    transactional: bool = False

    def __init__(self, server: FakeServer, settings: FakeSettings, delivery: Delivery | None) -> None:
        """Use `FakeServer.kind`."""
        self._server, self._settings, self._delivery = server, settings, delivery

    async def check(self) -> None:
        """Raise what a write would raise."""
        await self._server.reached(self._settings)

    async def write(self, batch: Sequence[Item], mark: Mark) -> Written:
        """Store items one by one."""
        server, delivery = self._server, self._for()
        server.writes.append(tuple(item.entry.upstream_id for item in batch))
        await server.reached(self._settings)
        batch = batch[: server.at_most]
        rejected, held = server.refusals(batch)
        left_out = {refusal.index for refusal in (*rejected, *held)}
        for index, item in enumerate(batch):
            if index in left_out:
                continue
            _die(server, 1)
            server.put(delivery.stream, item)
        return Written(len(batch), rejected, held)

    async def close(self) -> None:
        """Nothing is open."""

    def _for(self) -> Delivery:
        if self._delivery is None:
            raise ValueError("opened without a consumer, only to check")
        return self._delivery


class TransactionalFakeTarget(FakeTarget):
    """Stores a batch and the position together, or nothing."""

    transactional = True

    async def position(self) -> Mark | None:
        """Take over, and return where the consumer stands."""
        await self._server.reached(self._settings)
        return self._taken(self._for()).mark

    async def write(self, batch: Sequence[Item], mark: Mark) -> Written:
        """Store all of it and the mark."""
        server, delivery = self._server, self._for()
        server.writes.append(tuple(item.entry.upstream_id for item in batch))
        await server.reached(self._settings)
        standing = self._taken(delivery)
        rejected, held = server.refusals(batch)
        if rejected or held:
            return Written(0, [*rejected, *held])
        _die(server, len(batch))
        for item in batch:
            server.put(delivery.stream, item)
        standing.mark = mark  # P7: with the messages
        return Written(len(batch))

    def _taken(self, delivery: Delivery) -> Standing:
        """Return the consumer's standing under this epoch, unless a later one has been here."""
        standing = self._server.standings.setdefault(delivery.consumer_id, Standing(delivery.epoch, None))
        if standing.epoch > delivery.epoch:
            raise LeaseLost(context={"consumer": delivery.consumer_id})
        standing.epoch = delivery.epoch
        return standing


def _named(item: Item, names: set[str]) -> bool:
    return item.entry.upstream_id in names or item.entry.data.decode(errors="replace") in names


def _die(server: FakeServer, count: int) -> None:
    """Go down if it is time, with nothing of these items stored."""
    if server.dies_after is None:
        return
    if server.dies_after < count:
        server.down, server.dies_after = True, None
        raise Retry("The fake went down.", code="target.unreachable", fix="Start it again.")
    server.dies_after -= count
