"""The made-up CRM's objects and changes."""

from collections import Counter

import pytest

from headwater.demo.tables import Row, Table, iso
from headwater.demo.world import LATE_MS, World

NOW = 1_800_000_000_000


def lived(seed: int, steps: int, objects: int = 200) -> World:
    world = World(seed, objects)
    world.found(NOW)
    for step in range(steps):
        world.step(NOW + step * 100)
        world.settle(NOW + step * 100)
    world.settle(NOW + steps * 100 + LATE_MS[1])
    return world


def everything(world: World) -> dict[str, list[Row]]:
    return {kind: sorted(table.everything(), key=lambda row: row.id) for kind, table in world.tables.items()}


def test_same_seed_same_life() -> None:
    """Demonstrations can be repeated."""
    assert everything(lived(7, 300)) == everything(lived(7, 300))
    assert everything(lived(7, 300)) != everything(lived(8, 300))


def test_it_creates_updates_and_deletes_all_kinds_and_keeps_its_size() -> None:
    """A long life neither grows without end nor dies out."""
    world = lived(3, 5000)
    assert all(count > 100 for count in world.counts.values())
    assert 100 < sum(map(len, world.tables.values())) < 400
    for table in world.tables.values():
        assert any(row.deleted for row in table.everything())
        assert len(table) == len(list(table.live()))


def test_many_objects_share_an_update_time() -> None:
    """Imports and reassigned owners make ties, as in real lists."""
    world = lived(1, 2000)
    times = Counter(row.updated_ms for row in world.tables["contact"].everything())
    assert max(times.values()) >= 5


def test_some_writes_are_seen_late_with_their_early_time() -> None:
    """A row may show up behind rows that are younger than it."""
    world = World(1, 200)
    world.found(NOW)
    late = 0
    for step in range(400):
        now = NOW + step * 100
        world.step(now)
        late += sum(row.updated_ms < now for row in world.settle(now))
    assert late > 10


def test_an_objects_time_always_moves_on() -> None:
    """Two writes of one object in one millisecond still have two times."""
    world = World(5, 50)
    world.found(NOW)
    last: dict[str, int] = {}
    for _ in range(2000):
        world.step(NOW)
        for row in world.settle(NOW + LATE_MS[1]):
            assert row.updated_ms > last.get(row.id, 0)
            last[row.id] = row.updated_ms


def test_deals_show_no_update_time() -> None:
    """Their changes must be found by comparing."""
    world = lived(2, 100)
    assert all("updated_at" not in row.fields for row in world.tables["deal"].live())
    assert all(row.fields["updated_at"] == iso(row.updated_ms) for row in world.tables["company"].live())


def test_contacts_and_deals_belong_to_companies() -> None:
    """A company takes its people and deals with it, except those that came while it left."""
    world = lived(4, 3000)
    companies = {row.id for row in world.tables["company"].everything()}
    for kind in ("contact", "deal"):
        assert {row.fields["company_id"] for row in world.tables[kind].live()} <= companies


def row(row_id: str, updated_ms: int, *, deleted: bool = False) -> Row:
    return Row(kind="company", id=row_id, updated_ms=updated_ms, fields={"id": row_id}, deleted=deleted)


def ids(rows: object) -> list[str]:
    return [found.id for found in rows]  # type: ignore[attr-defined]


@pytest.fixture
def table() -> Table:
    table = Table(timed=True)
    for one in (row("b", 10), row("a", 10), row("c", 5), row("d", 20)):
        table.put(one)
    return table


def test_a_table_is_in_order_of_time_then_id(table: Table) -> None:
    """Ties are in order of ids, so that a page can end within one."""
    assert ids(table.after(None)) == ["c", "a", "b", "d"]
    assert ids(table.after((10, "a"))) == ["b", "d"]
    assert ids(table.after(None, since_ms=10)) == ["a", "b", "d"]
    assert ids(table.after((10, "b"), since_ms=10)) == ["d"]


def test_a_changed_row_moves_to_the_end_and_a_deleted_one_leaves(table: Table) -> None:
    """Tombstones show only where they are asked for."""
    table.put(row("c", 30))
    table.put(row("a", 40, deleted=True))
    assert ids(table.after(None)) == ["b", "d", "c"]
    assert ids(table.after(None, gone=True)) == ["b", "d", "c", "a"]
    assert ids(table.removed_after(None)) == ["a"]
    assert len(table) == 3
