"""Part of the target suite: what a target says when something is wrong, and that nothing is lost then."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable
from contextlib import asynccontextmanager

import pytest

from headwater.errors import Halt, HeadwaterError, Retry
from headwater.model.position import Stream
from headwater.targets.target import Item, Target
from headwater.testing.target_rig import (
    PAYLOAD,
    SLOTS,
    Author,
    Make,
    Rig,
    Writer,
    assert_holds,
    delivery,
    opened,
    transactional,
)

PATIENCE_SECONDS = 60
"""How long a server that was started again may take until it can be written to."""


class FailureTests:
    """What `Target.check` and `Target.write` raise and return, and P8."""

    async def test_p8_wrong_settings_are_told_with_what_to_do(
        self, make: Make, stream: Stream, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Halt where a person must act, Retry where waiting may help; no secret in any text."""
        caplog.set_level(logging.DEBUG)
        async with make() as rig:
            cases = rig.wrong()
            assert cases, "say what can be wrong with the settings"
            author = Author(stream)
            for name, (settings, expected) in cases.items():
                target = rig.kind.make(settings, delivery(stream))
                for error in (await _raised(target.check()), await _raised(_first_write(target, author))):
                    assert type(error) is expected, name
                    assert error.fix, name
                    assert error.error_code not in (Halt.code, Retry.code), name
                    assert_hidden(rig, _texts(error), name)
                assert_hidden(rig, [repr(target), str(target), repr(settings), str(settings)], name)
                await target.close()
            assert list(await rig.read_back(stream)) == [], "and nothing was written"
            assert_hidden(rig, [caplog.text], "the log")

    async def test_what_can_never_be_stored_is_named_and_the_rest_goes_in(
        self, make: Make, stream: Stream
    ) -> None:
        """One such item, several, and the neighbours of the same record."""
        async with make() as rig:
            if rig.refused is None:
                return
            author = Author(stream)
            items = [author.created(f"{number}", owned=SLOTS[number % 3]) for number in range(30)]
            bad = [author.updated("7", rig.refused), author.created("bad", rig.refused)]
            items[10:10], items[20:20] = bad[:1], bad[1:]
            items += [author.created("last")]
            async with opened(rig, delivery(stream)) as writer:
                written = await writer.write(*items)
                assert {items[refusal.index].message_id for refusal in written.rejected} <= {
                    item.message_id for item in bad
                }
                for refusal in written.rejected:
                    assert refusal.code.startswith("target.")
                    assert_hidden(rig, [refusal.reason], refusal.code)
                rejected = await writer.deliver(*items)
                assert rejected == bad
                assert await writer.deliver(bad[0]) == bad[:1], "also when it is alone"
            await assert_holds(rig, stream, [item for item in items if item not in bad])

    async def test_what_is_held_holds_up_its_record_alone(self, make: Make, stream: Stream) -> None:
        """Later messages of that record are held too, or not looked at; the others go in."""
        async with make() as rig:
            if rig.held is None:
                return
            author = Author(stream)
            held = [author.created("waits", rig.held), author.updated("waits")]
            items = [author.created("a"), held[0], author.created("b"), held[1], author.created("c")]
            async with opened(rig, delivery(stream)) as writer:
                written = await writer.write(*items)
                waiting = {refusal.index for refusal in written.held}
                assert 1 in waiting
                assert waiting <= {1, 3}
                assert 3 in waiting or written.count <= 3
                assert not written.rejected
                for refusal in written.held:
                    assert refusal.code.startswith("target.")
                    assert_hidden(rig, [refusal.reason], refusal.code)
                stored = [item for at, item in enumerate(items[: written.count]) if at not in waiting]
                await assert_holds(rig, stream, stored)
                await rig.release()
                await writer.deliver(*held, items[4])
            await assert_holds(rig, stream, items)

    async def test_p4_a_server_that_dies_while_it_is_written_to_loses_nothing(
        self, make: Make, stream: Stream, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Retry; the same batch goes in when the server is back, through the same target."""
        caplog.set_level(logging.INFO)
        async with make() as rig:
            author = Author(stream)
            batches = [
                [author.created(f"{batch} {number}", owned=SLOTS[number % 3]) for number in range(100)]
                + [
                    author.updated(f"{batch} {number}", owned=SLOTS[number % 3])
                    for number in range(0, 100, 7)
                ]
                for batch in range(8)
            ]
            async with opened(rig, delivery(stream)) as writer:
                await writer.deliver(*batches[0])
                async with _stopping(rig):
                    broken = await _break(writer, batches[1:])
                error = await _raised(writer.write(*batches[broken]))
                assert isinstance(error, Retry)
                assert isinstance(await _raised(writer.target.check()), Retry)
                assert_hidden(rig, _texts(error), "the error")
                await rig.start()
                for batch in batches[broken:]:
                    await _deliver_patiently(writer, batch)
            await assert_holds(rig, stream, [item for batch in batches for item in batch])
            assert_hidden(rig, [caplog.text], "the log")

    async def test_a_server_that_is_down_is_waited_for(self, make: Make, stream: Stream) -> None:
        """A target can be opened and asked while there is no server; it is there for it once it comes."""
        async with make() as rig:
            author = Author(stream)
            items = [author.created("a"), author.updated("a")]
            await rig.stop()
            target = rig.kind.make(rig.settings(), delivery(stream))
            try:
                for error in (await _raised(target.check()), await _raised(_first_write(target, author))):
                    assert isinstance(error, Retry)
                    assert error.fix
                await rig.start()
            finally:
                await target.close()
            async with _opened_patiently(rig, stream) as writer:
                await _deliver_patiently(writer, items)
            await assert_holds(rig, stream, items)


def assert_hidden(rig: Rig, texts: list[str], where: str) -> None:
    """Assert that neither a secret nor a payload is in any of these texts (P8)."""
    for text in texts:
        for secret in (*rig.secrets, PAYLOAD):
            assert secret not in text, f"a secret or payload is in {where}"


def _texts(error: HeadwaterError) -> list[str]:
    return [str(error), repr(error), error.message, error.fix or "", str(error.context)]


async def _raised(doing: Awaitable[object]) -> HeadwaterError:
    """Return the error that it raises."""
    with pytest.raises(HeadwaterError) as caught:
        await doing
    return caught.value


async def _first_write(target: Target, author: Author) -> None:
    """Do what a consumer does first."""
    if target.transactional:
        await transactional(target).position()
    item = author.created("never")
    await Writer(target, delivery(author.stream)).write(item)


@asynccontextmanager
async def _stopping(rig: Rig) -> AsyncGenerator[None]:
    """Stop the server while what is inside runs."""
    stopping = asyncio.create_task(rig.stop())
    yield
    await stopping


async def _break(writer: Writer, batches: list[list[Item]]) -> int:
    """Write until it breaks, or until everything is in; return the number of the batch, from 1."""
    for number, batch in enumerate(batches, start=1):
        try:
            await writer.deliver(*batch)
        except Retry:
            return number
    return len(batches)


async def _deliver_patiently(writer: Writer, items: list[Item]) -> None:
    """Write as a consumer does that is told to wait."""
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            assert await writer.deliver(*items) == []
        except Retry:
            assert time.monotonic() < until, "the server is there, and still it says that it is not"
            await asyncio.sleep(0.1)
        else:
            return


@asynccontextmanager
async def _opened_patiently(rig: Rig, stream: Stream) -> AsyncGenerator[Writer]:
    """Open a target once the server can be asked."""
    until = time.monotonic() + PATIENCE_SECONDS
    probe = rig.kind.make(rig.settings())
    try:
        while True:
            try:
                await probe.check()
            except Retry:
                assert time.monotonic() < until
                await asyncio.sleep(0.1)
            else:
                break
    finally:
        await probe.close()
    async with opened(rig, delivery(stream)) as writer:
        yield writer
