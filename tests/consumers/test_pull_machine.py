"""Consumers over HTTP beside a model of a few lines: whatever workers do, and whatever changes meanwhile."""

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from tests.consumers.counter import Counter, bodies, open_counter
from tests.management.office import Hands, Office, office

from headwater.model.position import Stream
from headwater.store.database import Database
from headwater.streams.memory import MemoryStreams

T = TypeVar("T")
IDS = st.sampled_from("abcde")
WAIT = 30
LIMITS = st.integers(1, 6)


@dataclass
class Lane:
    """What the model knows of one record: its messages that are not settled, and who has the first."""

    todo: list[int] = field(default_factory=list[int])
    exists: bool = False
    token: str | None = None
    deliveries: int = 0
    due: float = 0
    """When the hand-out runs out, or the wait of one that was given back is over."""

    def came(self, stream: Stream, position: int) -> None:
        """A change was committed."""
        if stream is Stream.RECORDS:
            self.todo = self.todo[:1] if self.token else []
        self.todo.append(position)

    def next(self, stream: Stream, now: float, most: int | None) -> int | None:
        """Return the message that may be handed out now."""
        if not self.todo or self.due > now:
            return None
        if stream is Stream.RECORDS and len(self.todo) > 1:
            return self.todo[-1]  # the old version never comes again
        if most is not None and self.deliveries >= most:
            return self.todo[1] if len(self.todo) > 1 else None
        return self.todo[0]

    def handed(self, token: str, position: int, now: float) -> None:
        """It was handed out."""
        if self.todo[0] != position:  # of a record, the version before
            self.settled()
        assert self.todo[0] == position
        self.deliveries += 1
        self.token, self.due = token, now + WAIT

    def settled(self) -> None:
        """The first message was acknowledged, or given up."""
        del self.todo[0]
        self.token, self.deliveries, self.due = None, 0, 0


class Machine(RuleBasedStateMachine):
    """Does the same to a consumer and to the model."""

    runner: asyncio.Runner
    office: Office
    stream: Stream
    max_deliver: int | None

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end."""
        return self.runner.run(work)

    @initialize()
    def begin(self) -> None:
        """Make a sync of its own and a consumer of its stream."""
        self.counter = self.run(
            open_counter(
                self.office,
                only_own=True,
                stream=self.stream,
                ack_wait=timedelta(seconds=WAIT),
                max_deliver=-1 if self.max_deliver is None else self.max_deliver,
            )
        )
        self.lanes = {id: Lane() for id in "abcde"}
        self.tokens: list[tuple[str, str]] = []
        self.dead: set[int] = set()
        """Positions, which are one partition's here."""
        self.now = 0.0

    @rule(id=IDS)
    def change(self, id: str) -> None:
        """Change a record, or make it (again)."""
        lane = self.lanes[id]
        lane.came(self.stream, self.run(self.office.write(self.counter.slot, id, {"n": len(self.tokens)})))
        lane.exists = True

    @rule(id=IDS)
    def delete(self, id: str) -> None:
        """Delete a record that is there."""
        lane = self.lanes[id]
        if lane.exists:
            lane.came(self.stream, self.run(self.office.write(self.counter.slot, id, None)))
            lane.exists = False

    @rule(limit=LIMITS)
    def take(self, limit: int) -> None:
        """Take messages."""
        self.taken(limit)

    def taken(self, limit: int) -> int:
        """Take messages: each the next one of a record of which nothing is out, and as many as there are."""
        most = self.max_deliver
        ready = {id: lane.next(self.stream, self.now, most) for id, lane in self.lanes.items()}
        batch = self.run(self.counter.next(limit))
        self.bury()
        for body, message in zip(bodies(batch), batch.messages, strict=True):
            id, position, token = body["upstream_id"], body["updated_idx"], str(message.token)
            assert position == ready.pop(id), f"{id} is not to be handed out, or another message of it"
            self.lanes[id].handed(token, position, self.now)
            self.tokens.append((id, token))
        there = sum(position is not None for position in ready.values())
        assert len(batch.messages) == limit or not there, f"{ready} were kept back"
        out = sum(lane.due > self.now and bool(lane.token) for lane in self.lanes.values())
        assert batch.backlog.ack_pending >= out
        return len(batch.messages)

    def bury(self) -> None:
        """Note messages that were given up: only those that were handed out as often as may be."""
        for row in self.run(self.office.rows("dead_letters")):
            if row.consumer_id == self.counter.consumer.id and row.position not in self.dead:
                lane = self.lanes[row.upstream_id]
                assert (lane.todo[0], lane.deliveries) == (row.position, self.max_deliver)
                assert lane.due <= self.now
                self.dead.add(row.position)
                lane.settled()

    @rule(choice=st.data(), kind=st.sampled_from(["ack", "ack", "nack", "later", "extend"]))
    def answer(self, choice: st.DataObject, kind: str) -> None:
        """Answer for some messages: tokens of any hand-out there ever was."""
        if not self.tokens:
            return
        some = choice.draw(st.lists(st.sampled_from(self.tokens), min_size=1, max_size=5, unique=True))
        good = {
            (id, token)
            for id, token in some
            if self.lanes[id].token == token and self.lanes[id].due > self.now
        }
        texts = [token for _, token in some]
        match kind:
            case "ack":
                settled = self.run(self.counter.ack(*texts))
            case "nack":
                settled = self.run(self.counter.nack(*texts))
            case "later":
                settled = self.run(self.counter.nack(*texts, delay=timedelta(seconds=20)))
            case _:
                settled = self.run(self.counter.extend(*texts))
        assert settled.count == len(good)
        assert set(settled.unknown) == {token for id, token in some if (id, token) not in good}
        for id, token in good:
            lane = self.lanes[id]
            if kind == "ack":
                lane.settled()
            elif kind == "extend":
                lane.due = self.now + WAIT
            else:
                lane.token = "gone:" + token
                lane.due = self.now + (20 if kind == "later" else 0)

    @rule(seconds=st.sampled_from([5, 15, WAIT]))
    def pass_time(self, seconds: int) -> None:
        """Workers are slow, or dead."""
        self.run(self.counter.pass_time(seconds))
        self.now += seconds

    @rule()
    def restart(self) -> None:
        """The process is killed, and another one serves the consumer."""
        here = self.counter.office
        again = office(here.database, here.engine, here.clock)
        self.counter = Counter(again, self.counter.consumer, self.counter.slot)

    @invariant()
    def one_message_of_a_record_is_out(self) -> None:
        """There is one row for each record at most, and none that is settled is left."""
        if not hasattr(self, "counter"):
            return
        rows = [
            row
            for row in self.run(self.office.rows("outstanding"))
            if row.consumer_id == self.counter.consumer.id
        ]
        assert len({row.upstream_id for row in rows}) == len(rows)
        for row in rows:
            assert self.lanes[row.upstream_id].todo, f"{row.upstream_id} has nothing left"

    def teardown(self) -> None:
        """Everything is taken and acknowledged in the end: every event in order, or each final state."""
        if not hasattr(self, "counter"):
            return
        for _ in range(200):
            self.pass_time(WAIT)
            if not self.taken(6):
                break
            for id, token in self.tokens[-6:]:
                lane = self.lanes[id]
                if lane.token == token and lane.due > self.now:
                    assert self.run(self.counter.ack(token)).count == 1
                    lane.settled()
        assert not any(lane.todo for lane in self.lanes.values())
        assert self.run(self.counter.next()).backlog.pending == 0
        assert len(self.dead) == 0 or self.max_deliver


@contextmanager
def opened(url: str) -> Iterator[tuple[asyncio.Runner, Office]]:
    """All of management on a database, in an event loop of its own."""
    with asyncio.Runner() as runner:
        clock = Hands()
        database = runner.run(Database.open(url, clock=clock))
        yield runner, office(database, MemoryStreams(partitions=4, clock=clock), clock)
        runner.run(database.close())


@pytest.mark.parametrize("max_deliver", [None, 2])
@pytest.mark.parametrize("stream", list(Stream))
def test_p4_p5_p9_whatever_workers_do(url: str, stream: Stream, max_deliver: int | None) -> None:
    """One message of a record at a time, in order, until it is acknowledged; nothing is lost by a restart."""
    with opened(url) as (runner, here):
        given = {"runner": runner, "office": here, "stream": stream, "max_deliver": max_deliver}
        run_state_machine_as_test(
            type("Machine", (Machine,), given),
            settings=settings(
                max_examples=15 if "sqlite" in url else 6,
                stateful_step_count=30,
                deadline=None,
                suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
            ),
        )
