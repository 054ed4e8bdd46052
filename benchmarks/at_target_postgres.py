"""What a PostgreSQL target costs: batches that it writes, beside a bare COPY and merge of the same rows.

`python -m benchmarks.at_target_postgres [--records N] [--rounds N]`

The floor does what any program must: rows that were made before the clock starts go by binary COPY into a
temporary table, and from there into a table with the same columns and key, one transaction for each batch, as
durable. It packs no row, keeps no position, checks no epoch. Loads: `new`, the tables are empty; `newer`,
each record is there in an older version; `events`.
"""

import time
from collections.abc import Iterator, Sequence
from itertools import count

import psycopg
from tests.plugins.postgres import MISSING, fresh_database, needed_binaries, running_server, server_binaries

from benchmarks.objects import World
from benchmarks.results import Result, Run, alone, median
from headwater.model.ids import RecordIds, event_id
from headwater.model.position import Stream
from headwater.model.record import Entry, EventKind, Origin, Slot
from headwater.model.secret import Secret
from headwater.streams.render import Renderer
from headwater.streams.slots import Owned, Slots
from headwater.targets.postgres import POSTGRES, PostgresSettings
from headwater.targets.postgres.rows import event_rows, record_rows
from headwater.targets.postgres.tables import Layout
from headwater.targets.target import Delivery, Item, Mark

BATCH = 1_000
RECORDS = 50_000
SLOT = Slot(number=1, partition=0, sync_id="0190f0c0-0000-7000-8000-000000000001", collection_id="fast:thing")
SLOTS = Slots(revision=1, by_number={1: Owned(slot=SLOT, external_id=None)}, by_key={})

Batches = Sequence[Sequence[Item]]


def batches(stream: Stream, records: int, first: int, *, changed: bool = False) -> Batches:
    """Return messages about objects of 1 KB, with positions from `first` on."""
    world = World(objects=records, page_size=BATCH, ids="random")
    ids, renderer, positions = RecordIds(SLOT.sync_id, SLOT.collection_id), Renderer(), count(first)
    return [
        list(_items(stream, world, page, ids, renderer, positions, changed=changed))
        for page in range(world.pages)
    ]


def _items(
    stream: Stream,
    world: World,
    page: int,
    ids: RecordIds,
    renderer: Renderer,
    positions: Iterator[int],
    *,
    changed: bool,
) -> Iterator[Item]:
    body = world.body(page, changed=changed)
    objects = body[body.index(b"[") + 1 : body.rindex(b"]")].split(b',{"id":')
    for upstream_id, data in zip(world.page_ids(page), objects, strict=True):
        position = next(positions)
        entry = Entry(
            partition=0,
            position=position,
            slot=1,
            upstream_id=upstream_id,
            event=EventKind.CREATED,
            origin=Origin.BACKFILL,
            inserted_us=1_760_000_000_000_000 + position,
            created_us=1_750_000_000_000_000,
            updated_us=1_755_000_000_000_000,
            mutation_id=None,
            data=data if data.startswith(b'{"id"') else b'{"id":' + data,
            previous_data=None,
        )
        record = ids.record(upstream_id)
        message = event_id(record, position) if stream is Stream.EVENTS else f"{record}:{position}"
        [json] = renderer.each(stream, [entry], SLOTS)
        yield Item(entry, SLOT, None, record, message, json)


def floor(url: str, stream: Stream, loads: Sequence[Batches]) -> list[float]:
    """Return rows a second of each load, one after the other into the same table."""
    layout = Layout(PostgresSettings(url=Secret(url), prefix="floor_"))
    table = layout.events if stream is Stream.EVENTS else layout.records
    pack = event_rows if stream is Stream.EVENTS else record_rows
    ready = [
        [(len(batch), pack(sorted(batch, key=lambda item: item.record_id))) for batch in load]
        for load in loads
    ]
    then = "DO NOTHING"
    if stream is Stream.RECORDS:
        names = [column.name for column in table.columns[1:]]
        moved = ", ".join(f"{name} = excluded.{name}" for name in names)
        then = f"DO UPDATE SET {moved} WHERE r.updated_idx < excluded.updated_idx"
    merge = f"INSERT INTO {table.quoted} AS r SELECT * FROM batch ON CONFLICT ({table.key}) {then}"
    rates: list[float] = []
    with (
        psycopg.connect(url, autocommit=True, prepare_threshold=0) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(table.ddl.encode())
        cursor.execute(f"CREATE TEMP TABLE batch (LIKE {table.quoted}) ON COMMIT DELETE ROWS".encode())
        for load in ready:
            began = time.perf_counter()
            for _, rows in load:
                with connection.transaction():
                    with cursor.copy("COPY batch FROM STDIN (FORMAT BINARY)") as copy:
                        copy.write(rows)
                    cursor.execute(merge.encode())
            rates.append(sum(number for number, _ in load) / (time.perf_counter() - began))
    return rates


async def target(
    settings: PostgresSettings, stream: Stream, loads: Sequence[Batches]
) -> list[tuple[float, float]]:
    """Return rows a second of each load, and the CPU seconds that this process took for it."""
    opened = POSTGRES.open(settings, Delivery(consumer_id="c", name="bench", stream=stream, epoch=1))
    await opened.position()  # type: ignore[attr-defined] # it is transactional
    rates: list[tuple[float, float]] = []
    for load in loads:
        cpu, began = time.process_time(), time.perf_counter()
        for batch in load:
            await opened.write(batch, Mark(1, (batch[-1].updated_idx,)))
        seconds = time.perf_counter() - began
        rates.append((sum(map(len, load)) / seconds, time.process_time() - cpu))
    await opened.close()
    return rates


async def measure(server: str, records: int, rounds: int) -> list[Result]:
    """Measure every layout, each round beside its floor, in databases of their own."""
    versions = [
        batches(Stream.RECORDS, records, 1),
        batches(Stream.RECORDS, records, records + 1, changed=True),
    ]
    events = [batches(Stream.EVENTS, records, 1)]
    runs: dict[str, list[Run]] = {}
    for _ in range(rounds):
        for stream, loads, names in (
            (Stream.RECORDS, versions, ("new", "newer")),
            (Stream.EVENTS, events, ("events",)),
        ):
            with fresh_database(server) as url:
                bare = floor(url, stream, loads)
            for name, rate in zip(names, bare, strict=True):
                runs.setdefault(f"{name}, floor: COPY and merge", []).append(Run(records=records, rate=rate))
            for style in ("single", "per_collection"):
                if stream is Stream.EVENTS and style != "single":
                    continue
                with fresh_database(server) as url:
                    measured = await target(PostgresSettings(url=Secret(url), style=style), stream, loads)
                for name, (rate, cpu), bottom in zip(names, measured, bare, strict=True):
                    run = Run(records=records, rate=rate, floor=bottom, cpu_seconds=cpu)
                    runs.setdefault(f"{name}, {style}", []).append(run)
    return [median("postgres", f"target: {name}", those) for name, those in sorted(runs.items())]


def absent() -> str | None:
    """Say what is missing on this machine."""
    return None if server_binaries() else MISSING


async def run(records: int, rounds: int) -> list[Result]:
    """Start a server and measure."""
    with running_server(needed_binaries()) as server:
        return await measure(server, records, rounds)


if __name__ == "__main__":
    alone("at_target_postgres", __doc__, run, RECORDS)
