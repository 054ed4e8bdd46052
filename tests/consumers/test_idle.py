"""What consumers cost that have nothing to do, and how they write down where they stand."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import cast

import pytest
from sqlalchemy import event
from tests.consumers.mill import Mill, milling
from tests.consumers.mortal import Fuse, MortalDatabase
from tests.consumers.river import until

from headwater.consumers.ledger import Held, Ledger
from headwater.consumers.progress import Progress
from headwater.model.consumer import Selection
from headwater.model.lease import Fence
from headwater.model.position import Vector
from headwater.store.database import Database

IDLE = 100


@pytest.fixture
async def mill(database: Database) -> AsyncGenerator[Mill]:
    """Return a mill."""
    async with milling(database) as mill:
        yield mill


async def test_idle_consumers_ask_the_database_nothing(mill: Mill) -> None:
    """Whoever has read to the end waits for the heads; only the process itself looks around now and then."""
    statements: list[str] = []
    parts = mill.parts()
    target = await mill.target()
    consumers = [await mill.consumer(target=target) for _ in range(IDLE)]
    async with mill.running(parts) as runner:
        await until(lambda: len(runner.running) == IDLE)
        await until(lambda: all(run.lag is not None for run in runner._runs.values()))
        await mill.river.clock.sleep(0.5)
        engine = mill.river.database._engines.reading.sync_engine

        def count(_c: object, _cursor: object, statement: str, *_rest: object) -> None:
            statements.append(statement)

        event.listen(engine, "before_cursor_execute", count)
        await mill.river.clock.sleep(2)
        event.remove(engine, "before_cursor_execute", count)
        assert len(statements) < 20, "ten a second, whatever there are of consumers"
        [slot, *_] = [await mill.river.slot()]
        await mill.river.put(slot, "a")
        await until(lambda: len(mill.server.writes) == len(consumers))


async def test_what_nobody_wants_is_passed_at_leisure(mill: Mill) -> None:
    """Many consumers that look on move together, in one transaction."""
    other = await mill.river.slot()
    fuse = Fuse(None)
    parts = mill.parts()
    ledger = Ledger(cast("Database", MortalDatabase(mill.river.database, fuse)), mill.river.clock)
    progress = Progress(ledger, every=0.01, leisure=0.3)
    parts = replace(parts, tools=replace(parts.tools, ledger=ledger, progress=progress))
    wanted = Selection(sync_id=("nobody",))
    consumers = [await mill.consumer(filters=wanted) for _ in range(20)]
    async with mill.running(parts) as runner:
        await until(lambda: len(runner.running) == 20)
        await mill.river.clock.sleep(0.7)
        before = fuse.taken
        for number in range(10):
            await mill.river.put(other, f"x{number}")
        heads = await mill.river.engine.heads()

        async def there() -> bool:
            return all([await mill.position(one) == heads for one in consumers])

        await until(there)
        assert fuse.taken - before <= 12, "three steps for each transaction"


class Notebook:
    """A ledger that writes into a list, and refuses whom it is told to."""

    def __init__(self) -> None:
        self.moves: list[dict[str, Vector]] = []
        self.refuses: set[str] = set()

    async def move(self, moves: object) -> set[str]:
        """Write positions down."""
        taken = {held.consumer_id: place for held, place in cast("list[tuple[Held, Vector]]", moves)}
        self.moves.append(taken)
        return taken.keys() - self.refuses


async def test_positions_that_come_while_one_is_written_are_written_together() -> None:
    """The newest of each consumer; a refusal reaches its consumer alone."""
    notebook = Notebook()
    progress = Progress(cast("Ledger", notebook), every=0.0)
    a, b = (Held(id, Fence(f"consumer:{id}", 1), 1) for id in "ab")
    refused: list[str] = []
    progress.begin(a, lambda: refused.append("a"))
    progress.begin(b, lambda: refused.append("b"))
    progress.moved(a, (1,), pressing=True)
    progress.moved(a, (2,), pressing=True)
    progress.moved(b, (7,), pressing=False)
    await progress.keep()
    assert notebook.moves == [{"a": (2,), "b": (7,)}]
    notebook.refuses.add("b")
    progress.moved(b, (8,), pressing=True)
    progress.moved(a, (3,), pressing=True)
    await progress.forget(a)
    await progress.flush()
    assert notebook.moves[1:] == [{"b": (8,)}]
    assert refused == ["b"]
    await progress.flush()
    assert len(notebook.moves) == 2
