"""Part of the engine suite: a hypothesis state machine that drives an engine beside the reference."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import msgspec
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,  # pyright: ignore[reportUnknownVariableType] - untyped
)

from headwater.errors import Conflict, LeaseLost
from headwater.model.position import Stream, Vector
from headwater.model.record import CHAINED, Change, EventKind, Held, Renewal, Slot
from headwater.streams.engine import Checkpoint, Commit, Committed, Fence, Rejected
from headwater.streams.memory import MemoryStreams
from headwater.testing.engine_rig import Make, Rig, change, walk

T = TypeVar("T")
IDS = ("a", "B", "ä", "a b", "日", "😀", "\uffff")
SLOTS = 4
LEASE = "sync:machine"


class Deed(msgspec.Struct, frozen=True):
    """One thing to do to a record; what comes of it hangs on what is held by then."""

    id: str
    delete: bool
    data: bytes


ids = st.sampled_from(IDS)
numbers = st.integers(0, SLOTS - 1)
deeds = st.builds(Deed, ids, st.booleans(), st.sampled_from([b"{}", '{"ü":1}'.encode(), b'{"n":[2]}']))


def drive(make: Make, *, walks: int = 25, explain: bool = True) -> None:
    """Walk an engine beside the reference. Raises AssertionError where they differ.

    `explain` looks for the shortest walk that shows it.
    """
    machine = type("Machine", (EngineMachine,), {"make": staticmethod(make)})
    phases = set(Phase) if explain else {Phase.generate}
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=walks,
            stateful_step_count=25,
            deadline=None,
            phases=phases,
            report_multiple_bugs=False,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )


class EngineMachine(RuleBasedStateMachine):
    """Do the same to both engines, and compare whatever can be read."""

    make: Make

    def __init__(self) -> None:
        """Give the engine an event loop of its own."""
        super().__init__()
        self.runner = asyncio.Runner()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end."""
        return self.runner.run(work)

    @initialize()
    def begin(self) -> None:
        """Open both, with the same slots and the same lease."""
        self.context = self.make()
        self.rig: Rig = self.run(self.context.__aenter__())
        self.memory = MemoryStreams(partitions=self.rig.engine.partitions, clock=self.rig.clock)
        self.slots: list[Slot] = [self.run(self.rig.slot(n // 2)) for n in range(SLOTS)]
        self.lease(1)

    def teardown(self) -> None:
        """Compare everything a last time and close."""
        try:
            if hasattr(self, "slots"):
                for number in range(SLOTS):
                    self.look_at_slot(number)
                for stream in Stream:
                    self.follow(stream, None, 100, 20_000)
        finally:
            if hasattr(self, "rig"):
                self.run(self.context.__aexit__(None, None, None))
            self.runner.close()

    # --- doing --------------------------------------------------------------------------------------------

    @rule(
        number=numbers,
        deeds=st.lists(deeds, min_size=1, max_size=6),
        stale=st.none() | st.integers(0, 9),
        epoch=st.sampled_from([None, None, 0, 1]),
    )
    def change_records(self, number: int, deeds: list[Deed], stale: int | None, epoch: int | None) -> None:
        """Commit changes of one slot with a checkpoint; `stale` makes the last expect some older version."""
        slot = self.slots[number]
        changes = self._decided(slot, deeds)
        if stale is not None and stale <= self.run(self.memory.heads())[slot.partition]:
            changes[-1] = msgspec.structs.replace(changes[-1], expects=stale or None)
        self._commit(
            Commit(
                partition=slot.partition,
                changes=changes,
                checkpoints=[Checkpoint(slot.number, "since", str(len(changes)).encode(), deeds[0].id)],
                fence=None if epoch is None else Fence(LEASE, self.epoch + epoch),
            )
        )

    @rule(number=numbers, id=ids, expects=st.integers(1, 9), remove=st.booleans())
    def change_no_record(self, number: int, id: str, expects: int, remove: bool) -> None:
        """Commit a renewal, a checkpoint and a rejected object, each true or late."""
        slot = self.slots[number]
        self._commit(
            Commit(
                partition=slot.partition,
                renewals=[Renewal(slot.number, id, expects, b"renewed".ljust(16))],
                checkpoints=[Checkpoint(slot.number, "since", None if remove else b"[]", id)],
                rejected=[Rejected(slot.number, id, f"No {expects}.")],
            )
        )

    @rule(epoch=st.integers(1, 3))
    def lease(self, epoch: int) -> None:
        """Let the lease change hands."""
        self.epoch = epoch
        self.memory.leases[LEASE] = epoch
        self.run(self.rig.lease(LEASE, epoch))

    @rule(number=numbers, ids=st.lists(ids, max_size=3))
    def forget(self, number: int, ids: list[str]) -> None:
        """Forget records."""
        slot = self.slots[number]
        assert self.run(self.rig.engine.forget(slot, ids)) == self.run(self.memory.forget(slot, ids))

    @rule(us=st.integers(-5, 20))
    def time_passes(self, us: int) -> None:
        """Move the clock, at times backwards."""
        self.rig.clock.us += us

    @rule(age_us=st.integers(-1, 30), limit=st.integers(1, 5))
    def trim(self, age_us: int, limit: int) -> None:
        """Trim both, in steps of any size."""
        before_us = self.rig.clock.us - age_us
        for engine in (self.rig.engine, self.memory):
            for _ in range(1_000):
                if not self.run(engine.trim(before_us, limit)):
                    break
            else:
                raise AssertionError("retention never ends")

    # --- looking ------------------------------------------------------------------------------------------

    @invariant()
    def they_stand_at_the_same_place(self) -> None:
        """Compare heads and trim lines."""
        if hasattr(self, "slots"):
            assert self.run(self.rig.engine.heads()) == self.run(self.memory.heads())
            assert self.run(self.rig.engine.trimmed()) == self.run(self.memory.trimmed())

    @rule(
        stream=st.sampled_from(Stream),
        wanted=st.none() | st.sets(numbers),
        limit=st.integers(1, 9),
        scan=st.sampled_from([1, 3, 20_000]),
    )
    def follow(self, stream: Stream, wanted: set[int] | None, limit: int, scan: int) -> None:
        """Read a stream to its end, from its start."""
        slots = None if wanted is None else {self.slots[number].number for number in wanted}
        found = self.run(walk(self.rig.engine, stream, slots=slots, limit=limit, scan=scan))
        assert found == self.run(walk(self.memory, stream, slots=slots))

    @rule(stream=st.sampled_from(Stream), back=st.integers(0, 9), limit=st.integers(1, 9))
    def read_on(self, stream: Stream, back: int, limit: int) -> None:
        """Read one page from somewhere before the heads."""
        line: Vector = (
            self.run(self.memory.trimmed()) if stream is Stream.EVENTS else (0,) * self.memory.partitions
        )
        heads = self.run(self.memory.heads())
        after = tuple(max(head - back, low) for head, low in zip(heads, line, strict=True))
        found = self.run(self.rig.engine.read(stream, after, limit=limit))
        expected = self.run(self.memory.read(stream, after, limit=limit))
        assert found.entries == expected.entries
        if not expected.has_more:
            assert (found.position, found.has_more) == (expected.position, False)

    @rule(number=numbers)
    def look_at_slot(self, number: int) -> None:
        """Compare all that is held of a slot."""
        slot, engine = self.slots[number], self.rig.engine
        keys = list(self.run(engine.keys(slot, "", 100)))
        assert keys == self.run(self.memory.keys(slot, "", 100))
        assert list(self.run(engine.keys(slot, "a", 2))) == self.run(self.memory.keys(slot, "a", 2))
        assert self.run(engine.held(slot, IDS)) == dict(keys)
        for id in IDS:
            assert self.run(engine.record(slot, id)) == self.run(self.memory.record(slot, id))
            assert self.run(engine.history(slot, id, 3)) == self.run(self.memory.history(slot, id, 3))
        positions = [held.position for _, held in keys]
        for stream in Stream:
            places = list(range(max(positions, default=0) + 2))
            assert self.run(engine.at(stream, slot.partition, places)) == self.run(
                self.memory.at(stream, slot.partition, places)
            )
        assert self.run(engine.data(slot, positions)) == self.run(self.memory.data(slot, positions))
        assert self.run(engine.count([slot])) == self.run(self.memory.count([slot]))
        checkpoints = sorted(self.run(engine.checkpoints(slot)), key=lambda one: one.scope)
        assert checkpoints == sorted(self.run(self.memory.checkpoints(slot)), key=lambda one: one.scope)
        bad = {id: why for (number, id), why in self.memory.rejected.items() if number == slot.number}
        assert self.run(self.rig.rejected(slot)) == bad

    @rule(age_us=st.integers(-1, 40))
    def look_back(self, age_us: int) -> None:
        """Compare positions by time."""
        instant_us = self.rig.clock.us - age_us
        assert self.run(self.rig.engine.position_at(instant_us)) == self.run(
            self.memory.position_at(instant_us)
        )

    # --- pieces -------------------------------------------------------------------------------------------

    def _decided(self, slot: Slot, deeds: list[Deed]) -> list[Change]:
        """Return the changes that deeds make of what is held, one after another."""
        now: dict[str, Held] = dict(self.run(self.memory.held(slot, IDS)))
        changes: list[Change] = []
        for deed in deeds:
            held = now.get(deed.id)
            kind = EventKind.DELETED if deed.delete else EventKind.UPDATED
            if held is None or held.deleted:
                kind = EventKind.CREATED
            one = change(
                kind,
                slot,
                deed.id,
                expects=None if held is None else held.position,
                data=deed.data,
                previous_data=b"{}" if kind is EventKind.UPDATED else None,
                asked_us=len(changes),
            )
            changes.append(one)
            now[deed.id] = Held(CHAINED, b"", None, 0, kind is EventKind.DELETED)
        return changes

    def _commit(self, commit: Commit) -> None:
        """Commit to both, and compare what comes of it."""
        results = [self.run(_outcome(engine.commit(commit))) for engine in (self.memory, self.rig.engine)]
        expected, found = results
        if commit.changes:
            assert found == expected
        else:
            assert isinstance(found, Committed) == isinstance(expected, Committed)


async def _outcome(work: Coroutine[Any, Any, Committed]) -> Committed | type[Exception]:
    """Return what a commit gave or how it failed."""
    try:
        return await work
    except (Conflict, LeaseLost) as error:
        return type(error)
