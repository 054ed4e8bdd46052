"""The PostgreSQL target: messages and position in one transaction, so every message is stored exactly once.

A batch goes into a temporary table by binary COPY, and from there into the tables in one statement each,
newer versions only. Not here: the SQL (`merging`), the tables (`tables`, `session`), what errors mean
(`failures`).
"""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager

import psycopg

from headwater.errors import LeaseLost, Retry
from headwater.model.position import Stream
from headwater.targets.postgres import failures, merging
from headwater.targets.postgres.connecting import Connection
from headwater.targets.postgres.rows import event_rows, record_rows
from headwater.targets.postgres.session import Session
from headwater.targets.postgres.settings import PostgresSettings
from headwater.targets.postgres.tables import Layout
from headwater.targets.postgres.text import held_text
from headwater.targets.target import Delivery, Item, Mark, Refusal, Written

MOST_REJECTED = 100
"""Items that are looked for in one go, when some cannot be stored. The next write finds the next ones."""


class PostgresTarget:
    """A consumer's place in a database."""

    transactional = True

    def __init__(self, settings: PostgresSettings, delivery: Delivery | None) -> None:
        """Connect nowhere yet."""
        self._settings, self._delivery = settings, delivery
        self._layout = Layout(settings)
        self._session: Session | None = None
        self._prepared = False

    async def check(self) -> None:
        """Look whether all is there and the rights are enough. Creates nothing."""
        async with self._working() as (session, _):
            stream = None if self._delivery is None else self._delivery.stream
            await session.check(stream)
            if stream is not Stream.EVENTS and not self._layout.single:
                await session.check_collections()

    async def position(self) -> Mark | None:
        """Take over, and return what the last write left."""
        delivery = self._for()
        async with self._working() as (session, _):
            await self._prepare(session)
            taken = await session.connection.execute(
                merging.take_over(self._layout).encode(),
                (*_texts(delivery.consumer_id, delivery.name), delivery.stream, delivery.epoch),
            )
            row = await taken.fetchone()
        if row is None:
            raise _lost(delivery)
        generation, position = row
        return None if generation is None else Mark(generation, tuple(position))

    async def write(self, batch: Sequence[Item], mark: Mark) -> Written:
        """Write all of it and the mark in one transaction, or find what can never be stored."""
        async with self._working() as (session, deadline):
            await self._prepare(session)
            await session.resume(self._for().stream, self._consumer, mark.generation)
            merge = await self._merge(session, batch)
            written = session.written | self._layout.touched(self._for().stream, _by_collection(batch))
            try:
                async with session.connection.transaction():
                    await self._move(session.connection, mark, written)  # P7
                    await self._store(session.connection, batch, merge)
                session.written = written
                return Written(len(batch))
            except psycopg.Error as error:
                if not failures.is_about_an_item(error) or session.connection.closed:
                    raise
                cause = error
            await session.check(self._for().stream)  # it may be the table that is wrong
            rejected = await self._find(session.connection, batch, merge, deadline)
            if not rejected:
                raise Retry(
                    f"PostgreSQL at {self._settings.where} refused a batch, but none of its messages.",
                    code="target.busy",
                    fix="Nothing, if it comes and goes. Else look at triggers and constraints of the tables.",
                ) from cause
            return Written(0, rejected)

    async def close(self) -> None:
        """Close the connection."""
        session, self._session, self._prepared = self._session, None, False
        if session is not None:
            await session.close()

    # --- the connection -------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _working(self) -> AsyncGenerator[tuple[Session, asyncio.Timeout]]:
        """Give the session, for as long as a batch may take. Whatever fails, the next one begins anew."""
        with failures.mapped_errors(self._settings.where):
            try:
                async with asyncio.timeout(self._settings.timeout_seconds) as deadline:
                    if self._session is None:
                        self._session = await Session.open(self._settings, self._layout)
                    try:
                        yield self._session, deadline
                    except psycopg.Error as error:
                        await self._look_closer(self._session, error)
                        raise
            except BaseException:
                await self.close()
                raise

    async def _look_closer(self, session: Session, error: psycopg.Error) -> None:
        """Raise Halt with what is wrong with the tables, if that is what an error is about."""
        if failures.is_about_the_schema(error) and not session.connection.closed:
            await session.check(None if self._delivery is None else self._delivery.stream)

    async def _prepare(self, session: Session) -> None:
        if not self._prepared:
            await session.prepare(self._for().stream, self._consumer)
            self._prepared = True

    # --- a batch --------------------------------------------------------------------------------------------

    async def _move(self, connection: Connection, mark: Mark, written: Iterable[str]) -> None:
        """Write where the consumer stands, and keep whoever takes over waiting until the transaction ends.

        Raises: LeaseLost.
        """
        delivery = self._for()
        moved = await connection.execute(
            merging.move(self._layout).encode(),
            (mark.generation, list(mark.position), sorted(written), self._consumer, delivery.epoch),
        )
        if moved.rowcount == 0:
            raise _lost(delivery)

    async def _merge(self, session: Session, batch: Sequence[Item]) -> Sequence[str]:
        """Return the statements that bring a batch in, and see to the columns that it needs."""
        if self._for().stream is Stream.EVENTS:
            return merging.events(self._layout)
        if self._layout.single:
            return merging.records(self._layout)
        statements: list[str] = []
        for collection_id, items in sorted(_by_collection(batch).items()):  # locks are taken in one order
            columns = await session.columns(collection_id, items)
            statements += merging.collection(self._layout, collection_id, columns)
        return statements

    async def _store(self, connection: Connection, items: Sequence[Item], merge: Sequence[str]) -> None:
        """Store items inside of the running transaction. Raises psycopg's errors."""
        if not items:
            return
        if self._for().stream is Stream.EVENTS:
            rows = event_rows(items)
        else:
            # Sorted, so that two consumers lock rows in one order.
            newest = {item.record_id: item for item in sorted(items, key=_version)}  # P5
            rows = record_rows([newest[id] for id in sorted(newest)])
        async with connection.cursor() as cursor, cursor.copy(merging.copying(self._batch).encode()) as copy:
            await copy.write(rows)
        for statement in merge:
            await connection.execute(statement.encode())

    async def _find(
        self, connection: Connection, batch: Sequence[Item], merge: Sequence[str], deadline: asyncio.Timeout
    ) -> Sequence[Refusal]:
        """Return the items that cannot be stored: by halves, in a transaction that is rolled back.

        What goes in stays in meanwhile, so that items which only cannot be there together are found too.
        """
        found: list[Refusal] = []
        async with connection.transaction(force_rollback=True):
            await connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
            left = [(0, len(batch))]
            while left and len(found) < MOST_REJECTED:
                begin, end = left.pop()
                deadline.reschedule(asyncio.get_running_loop().time() + self._settings.timeout_seconds)
                try:
                    async with connection.transaction():
                        await self._store(connection, batch[begin:end], merge)
                        await connection.execute(merging.emptying(self._batch).encode())
                except psycopg.Error as error:
                    if not failures.is_about_an_item(error):
                        raise
                    if end - begin == 1:
                        found.append(_refusal(begin, error))
                    else:
                        middle = (begin + end) // 2
                        left += [(middle, end), (begin, middle)]
        return found

    @property
    def _batch(self) -> str:
        """The name of the table of a batch."""
        return merging.EVENT_BATCH if self._for().stream is Stream.EVENTS else merging.RECORD_BATCH

    @property
    def _consumer(self) -> str:
        """The consumer's id as a column holds it."""
        return held_text(self._for().consumer_id).decode()

    def _for(self) -> Delivery:
        if self._delivery is None:
            raise ValueError("opened without a consumer, only to check")
        return self._delivery


def _texts(*texts: str) -> tuple[str, ...]:
    """Return texts as columns can hold them."""
    return tuple(held_text(text).decode() for text in texts)


def _version(item: Item) -> int:
    return item.entry.position


def _by_collection(batch: Sequence[Item]) -> Mapping[str, Sequence[Item]]:
    found: dict[str, list[Item]] = {}
    for item in batch:
        found.setdefault(item.slot.collection_id, []).append(item)
    return found


def _lost(delivery: Delivery) -> LeaseLost:
    return LeaseLost(context={"consumer": delivery.consumer_id})


def _refusal(index: int, error: psycopg.Error) -> Refusal:
    """Tell why, without the server's text, which may quote values (P8)."""
    table = error.diag.table_name
    constraint = error.diag.constraint_name
    said = f"PostgreSQL refuses it (SQLSTATE {error.sqlstate}"
    said += f", constraint {constraint} of {table})." if constraint and table else ")."
    return Refusal(index=index, code="target.item_refused", reason=said)
