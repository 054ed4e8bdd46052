"""The target suite finds targets that break their word. A suite that passes everything proves nothing."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import pytest
from tests.targets.test_fake import FakeRig

from headwater.errors import Halt, Retry
from headwater.model.position import Stream
from headwater.targets.target import Item, Kind, Mark, Refusal, Written
from headwater.testing.fake_target import FakeServer, FakeSettings, FakeTarget, TransactionalFakeTarget
from headwater.testing.target_rig import Make, Rig
from headwater.testing.target_suite import TransactionalTargetSuite

SUITE = TransactionalTargetSuite()
Test = Callable[[Make, Stream], Awaitable[None]]


class Overwrites(FakeServer):
    def put(self, stream: Stream, item: Item) -> None:
        (self.events if stream is Stream.EVENTS else self.records)[item.message_id] = item


class OlderWins(FakeServer):
    def put(self, stream: Stream, item: Item) -> None:
        self.records[item.record_id] = item


class Doubles(FakeServer):
    def put(self, stream: Stream, item: Item) -> None:
        self.events[f"{len(self.events)}"] = item


class ForgetsTheDead(FakeServer):
    def put(self, stream: Stream, item: Item) -> None:
        if item.deleted:
            self.records.pop(item.record_id, None)
        else:
            super().put(stream, item)


class Reverses(FakeTarget):
    async def write(self, batch: Sequence[Item], mark: Mark) -> Written:
        return await super().write(batch[::-1], mark)


class LosesTheLast(FakeTarget):
    async def write(self, batch: Sequence[Item], mark: Mark) -> Written:
        return counted(await super().write(batch[:-1], mark), len(batch))


class NamesNobody(FakeTarget):
    async def write(self, batch: Sequence[Item], mark: Mark) -> Written:
        return Written((await super().write(batch, mark)).count)


class Talks(FakeTarget):
    async def write(self, batch: Sequence[Item], mark: Mark) -> Written:
        written = await super().write(batch, mark)
        data = batch[0].entry.data.decode() if batch else ""
        return Written(
            written.count,
            [Refusal(one.index, one.code, f"No: {data}") for one in written.rejected],
            written.held,
        )


class ShowsThePassword(FakeTarget):
    async def check(self) -> None:
        try:
            await super().check()
        except Halt as error:
            said = f"{self._settings.password.reveal()} is wrong."
            raise Halt(said, code=error.error_code, fix=error.fix) from error


class WritesToCheck(FakeTarget):
    async def check(self) -> None:
        await super().check()
        for stored in (self._server.records, self._server.events):
            for item in list(stored.values()):
                stored[f"check {item.message_id}"] = item


class GivesUp(FakeTarget):
    async def write(self, batch: Sequence[Item], mark: Mark) -> Written:
        try:
            return await super().write(batch, mark)
        except Retry as error:
            raise Halt("Broken.", code="target.broken", fix="Mend it.") from error


class Unfenced(TransactionalFakeTarget):
    async def write(self, batch: Sequence[Item], mark: Mark) -> Written:
        self._server.standings.pop(self._for().consumer_id, None)
        return await super().write(batch, mark)


class MovesFirst(TransactionalFakeTarget):
    async def write(self, batch: Sequence[Item], mark: Mark) -> Written:
        self._taken(self._for()).mark = mark
        return await super().write(batch, mark)


class StoresTheRest(TransactionalFakeTarget):
    async def write(self, batch: Sequence[Item], mark: Mark) -> Written:
        written = await super().write(batch, mark)
        bad = {one.index for one in written.rejected}
        for index, item in enumerate(batch):
            if written.rejected and index not in bad:
                self._server.put(self._for().stream, item)
        return written


class Forgets(TransactionalFakeTarget):
    async def position(self) -> Mark | None:
        await super().position()
        return None


def counted(written: Written, count: int) -> Written:
    return Written(count, written.rejected, written.held)


def make_of(target: type[FakeTarget] = FakeTarget, server: type[FakeServer] = FakeServer) -> Make:
    class BrokenRig(FakeRig):
        def __init__(self) -> None:
            super().__init__(transactional=target.transactional)
            broken = server(refuses=self.server.refuses, holds=self.server.holds)
            self.server = broken
            self.kind = Kind(
                name="broken",
                title="Broken",
                summary="Breaks its word.",
                settings=FakeSettings,
                open=lambda settings, delivery: target(broken, settings, delivery),
            )

    @asynccontextmanager
    async def make() -> AsyncIterator[Rig]:
        yield BrokenRig()

    return make


@pytest.mark.parametrize(
    ("make", "test", "stream"),
    [
        (make_of(server=Overwrites), SUITE.test_p4_the_same_batch_again_changes_nothing, Stream.RECORDS),
        (
            make_of(server=OlderWins),
            SUITE.test_p4_an_older_version_never_replaces_a_newer_one,
            Stream.RECORDS,
        ),
        (make_of(server=Doubles), SUITE.test_p4_the_same_batch_again_changes_nothing, Stream.EVENTS),
        (make_of(server=ForgetsTheDead), SUITE.test_p4_what_was_deleted_stays_deleted, Stream.RECORDS),
        (make_of(Reverses), SUITE.test_p5_changes_of_a_record_are_in_order, Stream.EVENTS),
        (make_of(LosesTheLast), SUITE.test_what_is_written_is_there, Stream.EVENTS),
        (make_of(LosesTheLast), SUITE.test_many_messages_in_one_batch, Stream.RECORDS),
        (
            make_of(NamesNobody),
            SUITE.test_what_can_never_be_stored_is_named_and_the_rest_goes_in,
            Stream.RECORDS,
        ),
        (make_of(NamesNobody), SUITE.test_what_is_held_holds_up_its_record_alone, Stream.RECORDS),
        (make_of(Talks), SUITE.test_what_can_never_be_stored_is_named_and_the_rest_goes_in, Stream.EVENTS),
        (make_of(WritesToCheck), SUITE.test_checking_changes_nothing, Stream.EVENTS),
        (make_of(Unfenced), SUITE.test_who_lost_the_lease_writes_nothing, Stream.RECORDS),
        (make_of(MovesFirst), SUITE.test_p7_what_is_rejected_leaves_the_position_alone, Stream.RECORDS),
        (make_of(StoresTheRest), SUITE.test_p7_what_is_rejected_leaves_the_position_alone, Stream.EVENTS),
        (make_of(Forgets), SUITE.test_a_position_is_what_was_last_written, Stream.RECORDS),
    ],
)
async def test_a_target_that_breaks_its_word_fails(make: Make, test: Test, stream: Stream) -> None:
    """Each in the test that is meant for it."""
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        await test(make, stream)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (make_of(ShowsThePassword), "test_p8_wrong_settings_are_told_with_what_to_do"),
        (make_of(GivesUp), "test_p4_a_server_that_dies_while_it_is_written_to_loses_nothing"),
    ],
)
async def test_what_a_target_says_is_looked_at(
    make: Make, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Of errors, and of the log."""
    with pytest.raises((AssertionError, pytest.fail.Exception, Halt)):
        await getattr(SUITE, name)(make, Stream.RECORDS, caplog)


@pytest.mark.parametrize("target", [FakeTarget, TransactionalFakeTarget])
async def test_the_same_rig_passes_unbroken(target: type[FakeTarget]) -> None:
    """So it is the broken part that fails above."""
    await SUITE.test_p4_the_same_batch_again_changes_nothing(make_of(target), Stream.RECORDS)
    await SUITE.test_what_can_never_be_stored_is_named_and_the_rest_goes_in(make_of(target), Stream.EVENTS)
