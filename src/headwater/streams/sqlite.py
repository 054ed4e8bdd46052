"""The stream engine on SQLite: the embedded default. One file, one writer, many readers. See `engine` for
promises.

One partition: a second one would gain nothing where there is one writer. Commits that wait while another is
made durable go to disk together. Reads run in threads of their own, each on one snapshot. Not here: the
schema (`store.migrations`).
"""

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Generator, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from heapq import merge
from itertools import islice
from pathlib import Path
from typing import Any, Self, TypeVar

from headwater.errors import Gone, Halt, HeadwaterError, Retry
from headwater.kit.clock import Clock
from headwater.model.position import Stream, Vector
from headwater.model.record import Entry, Held, Slot
from headwater.store.database import Database
from headwater.streams import sqlite_write
from headwater.streams.engine import Checkpoint, Commit, Committed, Count, Read

_READERS = 3
_CACHE_KIB = 16 * 1024
"""Page cache of the writer. More helps little (the system caches the file as well) and is memory for good."""
_WAL_PAGES = 16_000
"""Pages (64 MB) after which the log of writes is moved into the file: long, so that a page written often
moves once."""
_GROUP = 8_000
"""Changes that one transaction takes at most."""
_FEW_SLOTS = 32
"""Up to so many slots are read through the index; more by scanning."""
_WINDOWS = 16
_IN = (1, 16, 128, 1_024)
"""Sizes of IN lists: few, so that their statements stay prepared."""

T = TypeVar("T")
_COLUMNS = (
    "0, position, slot, upstream_id, event, origin, inserted_us, created_us, updated_us, mutation_id, data,"
    " previous_data, replaces"
)


@contextmanager
def mapped_errors() -> Generator[None]:
    """Raise SQLite's errors as ours."""
    try:
        yield
    except sqlite3.OperationalError as error:
        code = getattr(error, "sqlite_errorcode", None)
        if code == sqlite3.SQLITE_FULL:
            raise Halt(
                "The disk that holds the database is full; nothing was lost.",
                code="database.full",
                fix="Free some space on it; Headwater goes on by itself.",
            ) from error
        if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_INTERRUPT}:
            raise Retry("The database is busy.", code="database.busy") from error
        raise Halt(
            "The database cannot be read or written.",
            code="database.unusable",
            fix="Run `headwater doctor`, and look at the disk and the permissions of HEADWATER_HOME.",
        ) from error
    except sqlite3.DatabaseError as error:
        raise Halt(
            "The database file is damaged or is no database.",
            code="database.damaged",
            fix="Restore it from a backup.",
        ) from error


class SqliteStreams:
    """The record stream and the event stream in one SQLite file."""

    partitions = 1

    def __init__(self, path: Path, write_lock: asyncio.Lock, clock: Clock) -> None:
        """Use `open`."""
        self._path = path
        self._write_lock = write_lock
        self._clock = clock
        self._threads = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._reading = ThreadPoolExecutor(_READERS, "streams-read")
        self._writing = ThreadPoolExecutor(1, "streams-write")
        self._queue: list[tuple[Commit, asyncio.Future[Committed]]] = []
        self._writer: asyncio.Task[None] | None = None
        self._heads: Vector = (0,)
        self._moved = asyncio.Event()

    @classmethod
    async def open(cls, database: Database, *, clock: Clock) -> Self:
        """Open the streams of a migrated database."""
        if database.path is None:
            raise ValueError("not a SQLite database")
        engine = cls(database.path, database.write_lock, clock)
        engine._heads = await engine.heads()
        return engine

    # --- reading
    # ------------------------------------------------------------------------------------------------

    async def held(self, slot: Slot, ids: Sequence[str]) -> Mapping[str, Held]:
        """Return what is held of these records."""
        if not ids:
            return {}

        def work(connection: sqlite3.Connection) -> dict[str, Held]:
            found: dict[str, Held] = {}
            for chunk, marks in _in_lists(ids):
                rows = connection.execute(
                    "SELECT upstream_id, position, fingerprint, version, asked_us, deleted FROM state"
                    f" WHERE slot = ? AND upstream_id IN ({marks})",
                    (slot.number, *chunk),
                )
                for id, position, fingerprint, version, asked_us, deleted in rows:
                    found[id] = Held(position, fingerprint, version, asked_us, deleted == 1)
            return found

        return await self._read(work)

    async def data(self, slot: Slot, positions: Sequence[int]) -> Mapping[int, bytes]:
        """Return the data of these versions by position."""

        def work(connection: sqlite3.Connection) -> dict[int, bytes]:
            found: dict[int, bytes] = {}
            for chunk, marks in _in_lists(positions):
                found.update(
                    connection.execute(
                        f"SELECT position, data FROM log WHERE position IN ({marks})", chunk
                    ).fetchall()
                )
            return found

        return await self._read(work) if positions else {}

    async def keys(self, slot: Slot, after: str, limit: int) -> Sequence[tuple[str, Held]]:
        """Return records of a slot by upstream id."""

        def work(connection: sqlite3.Connection) -> list[tuple[str, Held]]:
            rows = connection.execute(
                "SELECT upstream_id, position, fingerprint, version, asked_us, deleted FROM state"
                " WHERE slot = ? AND upstream_id > ? ORDER BY upstream_id LIMIT ?",
                (slot.number, after, limit),
            )
            return [
                (id, Held(at, mark, version, asked, gone == 1)) for id, at, mark, version, asked, gone in rows
            ]

        return await self._read(work)

    async def read(
        self,
        stream: Stream,
        after: Vector,
        *,
        slots: Set[int] | None = None,
        limit: int = 100,
        scan: int = 20_000,
    ) -> Read:
        """Return the next entries after a position."""

        def work(connection: sqlite3.Connection) -> Read:
            head, trimmed = connection.execute("SELECT head, trimmed FROM partitions").fetchone()
            if stream is Stream.EVENTS and after[0] < trimmed:
                raise Gone(fix="Start again from the earliest cursor, which this answer carries.")
            if slots is None:
                rows, position = _scan(connection, stream, after[0], head, limit, scan, None)
            elif len(slots) <= _FEW_SLOTS:
                rows, position = _by_slot(connection, stream, after[0], head, limit, slots)
            else:
                listed = "[" + ",".join(map(str, sorted(slots))) + "]"
                rows, position = _scan(connection, stream, after[0], head, limit, scan, listed)
            return Read([Entry(*row) for row in rows], (position,), position < head)

        return await self._read(work)

    async def at(self, stream: Stream, partition: int, positions: Sequence[int]) -> Mapping[int, Entry]:
        """Return entries of a stream by position."""
        still = "latest" if stream is Stream.RECORDS else "position > (SELECT trimmed FROM partitions)"

        def work(connection: sqlite3.Connection) -> dict[int, Entry]:
            found: dict[int, Entry] = {}
            for chunk, marks in _in_lists(positions):
                rows = connection.execute(
                    f"SELECT {_COLUMNS} FROM log WHERE position IN ({marks}) AND {still}", chunk
                )
                found.update((row[1], Entry(*row)) for row in rows)
            return found

        return await self._read(work) if positions else {}

    async def heads(self) -> Vector:
        """Return the last position."""
        return await self._read(lambda c: tuple(c.execute("SELECT head FROM partitions").fetchone()))

    async def trimmed(self) -> Vector:
        """Return the trim line."""
        return await self._read(lambda c: tuple(c.execute("SELECT trimmed FROM partitions").fetchone()))

    async def position_at(self, instant_us: int) -> Vector:
        """Return the last position committed before an instant, by halving: times never go back in the
        log."""

        def work(connection: sqlite3.Connection) -> Vector:
            low = 0
            (high,) = connection.execute("SELECT head FROM partitions").fetchone()
            while low < high:
                middle = (low + high) // 2 + 1
                row = connection.execute(
                    "SELECT position, inserted_us FROM log WHERE position >= ? ORDER BY position LIMIT 1",
                    (middle,),
                ).fetchone()
                if row is not None and row[1] < instant_us:
                    low = max(row[0], middle)
                else:
                    high = middle - 1
            return (low,)

        return await self._read(work)

    async def record(self, slot: Slot, upstream_id: str) -> Entry | None:
        """Return the record's latest version."""
        found = await self._chain(slot, upstream_id, 1)
        return found[0] if found else None

    async def history(self, slot: Slot, upstream_id: str, limit: int) -> Sequence[Entry]:
        """Return the record's events that are still in the log, newest first."""
        (trimmed,) = await self.trimmed()
        return [entry for entry in await self._chain(slot, upstream_id, limit) if entry.position > trimmed]

    async def _chain(self, slot: Slot, upstream_id: str, limit: int) -> list[Entry]:
        """Follow a record's versions backwards from its latest."""

        def work(connection: sqlite3.Connection) -> list[Entry]:
            row = connection.execute(
                "SELECT position FROM state WHERE slot = ? AND upstream_id = ?", (slot.number, upstream_id)
            ).fetchone()
            position: int | None = row[0] if row else None
            chain: list[Entry] = []
            while position is not None and len(chain) < limit:
                row = connection.execute(
                    f"SELECT {_COLUMNS} FROM log WHERE position = ?", (position,)
                ).fetchone()
                if row is None:
                    break
                chain.append(Entry(*row))
                position = chain[-1].replaces
            return chain

        return await self._read(work)

    async def count(self, slots: Sequence[Slot]) -> Mapping[int, Count]:
        """Return the record counts of these slots."""

        def work(connection: sqlite3.Connection) -> dict[int, Count]:
            found: dict[int, Count] = {}
            for chunk, marks in _in_lists([slot.number for slot in slots]):
                rows = connection.execute(
                    f"SELECT slot, records, deleted FROM slots WHERE slot IN ({marks})", chunk
                )
                found.update({number: Count(records, deleted) for number, records, deleted in rows})
            return found

        return await self._read(work) if slots else {}

    async def checkpoints(self, slot: Slot) -> Sequence[Checkpoint]:
        """Return all checkpoints of a slot."""

        def work(connection: sqlite3.Connection) -> list[Checkpoint]:
            rows = connection.execute(
                "SELECT detector, value, scope FROM checkpoints WHERE slot = ?", (slot.number,)
            )
            return [
                Checkpoint(slot.number, detector, value.encode(), scope) for detector, value, scope in rows
            ]

        return await self._read(work)

    async def changed(self, heads: Vector, timeout: float) -> Vector:
        """Wait until the heads differ from `heads`."""
        try:
            async with asyncio.timeout(timeout):
                while self._heads == heads:
                    await self._moved.wait()
        except TimeoutError:
            pass
        return self._heads

    # --- writing
    # ------------------------------------------------------------------------------------------------

    async def commit(self, commit: Commit) -> Committed:
        """Write one commit, together with others that wait."""
        done: asyncio.Future[Committed] = asyncio.get_running_loop().create_future()
        self._queue.append((commit, done))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write_queued(), name="streams-writer")
        return await done

    async def forget(self, slot: Slot, ids: Sequence[str]) -> int:
        """Take records out of the record stream quietly."""
        return await self._write(lambda c: sqlite_write.forget(c, slot, ids))

    async def trim(self, before_us: int, limit: int) -> bool:
        """Take one small step of retention."""
        return await self._write(lambda c: sqlite_write.trim(c, before_us, limit))

    async def close(self) -> None:
        """Finish running calls and close."""
        if self._writer is not None:
            await asyncio.wait([self._writer])
        for executor in (self._writing, self._reading):
            await asyncio.to_thread(executor.shutdown)
        for connection in self._connections:
            connection.close()
        self._connections.clear()

    async def _write_queued(self) -> None:
        """Write what is queued, as much at a time as came in while the last group was made durable."""
        while self._queue:
            group = self._take_group()
            try:
                results = await self._write(
                    lambda c, commits=[commit for commit, _ in group]: sqlite_write.commit_group(
                        c, commits, self._clock.now_us()
                    )
                )
            except HeadwaterError as error:
                results = [error] * len(group)
            except BaseException as error:
                for _, done in group:
                    if not done.done():
                        done.set_exception(error)
                raise
            for (commit, done), result in zip(group, results, strict=True):
                if isinstance(result, Committed) and commit.changes:
                    self._heads = (result.first + len(commit.changes) - 1,)
                if done.done():
                    continue
                if isinstance(result, Exception):
                    done.set_exception(result)
                else:
                    done.set_result(result)
            moved, self._moved = self._moved, asyncio.Event()
            moved.set()

    def _take_group(self) -> list[tuple[Commit, "asyncio.Future[Committed]"]]:
        """Take commits off the queue until there are enough changes for one transaction."""
        taken, changes = 0, 0
        for commit, _ in self._queue:
            changes += len(commit.changes)
            if taken and changes > _GROUP:
                break
            taken += 1
        group, self._queue = self._queue[:taken], self._queue[taken:]
        return group

    # --- threads and connections
    # --------------------------------------------------------------------------------

    async def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` on a snapshot, in a reader's thread."""

        def run() -> T:
            with mapped_errors():
                connection = self._connection(_read_only)
                connection.execute("BEGIN")
                try:
                    return work(connection)
                finally:
                    connection.execute("COMMIT")

        return await asyncio.get_running_loop().run_in_executor(self._reading, run)

    async def _write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` on the writing connection, as the only writer."""

        def run() -> T:
            with mapped_errors():
                return work(self._connection(_writable))

        async with self._write_lock:
            return await asyncio.get_running_loop().run_in_executor(self._writing, run)

    def _connection(self, prepare: Callable[[sqlite3.Connection], None]) -> sqlite3.Connection:
        """Return this thread's connection."""
        connection: sqlite3.Connection | None = getattr(self._threads, "connection", None)
        if connection is None:
            connection = sqlite3.connect(
                self._path, isolation_level=None, check_same_thread=False, cached_statements=64, timeout=10
            )
            prepare(connection)
            self._threads.connection = connection
            self._connections.append(connection)
        return connection


def _writable(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")  # P9: what was committed survives a power cut
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    connection.execute(f"PRAGMA wal_autocheckpoint = {_WAL_PAGES}")


def _read_only(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA query_only = ON")
    connection.execute("PRAGMA cache_size = -4096")


def _in_lists(values: Sequence[T]) -> list[tuple[Sequence[T], str]]:
    """Cut values into lists of the sizes in `_IN`, the last one padded with its last value, each with its
    marks."""
    lists: list[tuple[Sequence[T], str]] = []
    for start in range(0, len(values), _IN[-1]):
        chunk = values[start : start + _IN[-1]]
        size = next(size for size in _IN if size >= len(chunk))
        lists.append(([*chunk, *[chunk[-1]] * (size - len(chunk))], ",".join("?" * size)))
    return lists


def _scan(
    connection: sqlite3.Connection,
    stream: Stream,
    after: int,
    head: int,
    limit: int,
    scan: int,
    listed: str | None,
) -> tuple[list[Any], int]:
    """Read rows in order of position, window by window, until there are `limit` or enough was looked at."""
    where = "position > ? AND position <= ?"
    if stream is Stream.RECORDS:
        where += " AND latest = 1"
    slots: tuple[str, ...] = ()
    if listed is not None:
        where += " AND slot IN (SELECT value FROM json_each(?))"
        slots = (listed,)
    statement = f"SELECT {_COLUMNS} FROM log WHERE {where} ORDER BY position LIMIT ?"
    rows: list[Any] = []
    for _ in range(_WINDOWS):
        end = min(after + scan, head)
        rows += connection.execute(statement, (after, end, *slots, limit - len(rows))).fetchall()
        if len(rows) == limit:
            return rows, rows[-1][1]
        after = end
        if after >= head:
            return rows, head
        (following,) = connection.execute(
            "SELECT min(position) FROM log WHERE position > ?", (after,)
        ).fetchone()
        after = head if following is None else following - 1
        if listed is not None:
            break
    return rows, after


def _by_slot(
    connection: sqlite3.Connection, stream: Stream, after: int, head: int, limit: int, slots: Set[int]
) -> tuple[list[Any], int]:
    """Read rows of a few slots through their index."""
    statement = "SELECT position FROM log WHERE slot = ? AND position > ? ORDER BY position LIMIT ?"
    rows: list[Any] = []
    for _ in range(_WINDOWS):
        wanted = limit - len(rows)
        found = [connection.execute(statement, (slot, after, wanted)).fetchall() for slot in sorted(slots)]
        positions = [position for (position,) in islice(merge(*found), wanted)]
        latest = " AND latest = 1" if stream is Stream.RECORDS else ""
        for chunk, marks in _in_lists(positions):
            rows += connection.execute(
                f"SELECT {_COLUMNS} FROM log WHERE position IN ({marks}){latest} ORDER BY position", chunk
            ).fetchall()
        if len(positions) < wanted:
            return rows, head
        after = positions[-1]
        if len(rows) == limit:
            break
    return rows, after
