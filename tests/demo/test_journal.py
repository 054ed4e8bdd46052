"""The file in which the made-up CRM outlives its process."""

from pathlib import Path

from headwater.demo.journal import Journal
from headwater.demo.life import begin
from headwater.demo.tables import Row


def test_the_last_line_of_an_object_counts(tmp_path: Path) -> None:
    """Also when it says that the object is gone."""
    journal = Journal(tmp_path / "crm.jsonl")
    one = Row(kind="deal", id="dea_000001", updated_ms=1, fields={"id": "dea_000001", "name": "Ł"})
    gone = Row(kind="deal", id="dea_000002", updated_ms=2, fields={}, deleted=True)
    journal.append([one, Row(kind="deal", id="dea_000002", updated_ms=1, fields={"id": "x"})])
    journal.append([gone])
    assert journal.rows() == [one, gone]


def test_a_line_that_was_cut_off_does_not_count(tmp_path: Path) -> None:
    """A kill in the middle of a line loses that line only."""
    journal = Journal(tmp_path / "crm.jsonl")
    one = Row(kind="deal", id="dea_000001", updated_ms=1, fields={"id": "dea_000001"})
    journal.append([one])
    with (tmp_path / "crm.jsonl").open("ab") as file:
        file.write(b'{"kind":"deal","id":"dea_0000')
    assert journal.rows() == [one]


def test_a_second_life_goes_on_with_the_first_ones_objects(tmp_path: Path) -> None:
    """New objects get new ids; deleted ones stay deleted."""
    journal = Journal(tmp_path / "folder" / "crm.jsonl")
    first = begin(seed=1, objects=100, pace=1, journal=journal)
    for step in range(300):
        first.world.step(step * 1000)
        journal.append(first.world.settle(step * 1000))
    second = begin(seed=1, objects=100, pace=1, journal=journal)
    for kind, table in first.world.tables.items():
        assert {r.id: r for r in table.everything()} == {
            r.id: r for r in second.world.tables[kind].everything()
        }
    before = {r.id for table in second.world.tables.values() for r in table.everything()}
    counts = dict(second.world.counts)
    for step in range(300):
        second.world.step(10**9 + step * 1000)
        second.world.settle(10**9 + step * 1000)
    after = {r.id for table in second.world.tables.values() for r in table.everything()}
    assert len(after - before) == second.world.counts["created"] - counts["created"] > 0
