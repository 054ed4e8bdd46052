import asyncio
import os
from pathlib import Path

import pytest
from sqlalchemy import insert, select

from headwater.errors import Halt
from headwater.store import reseal, schema
from headwater.store.database import Database
from headwater.store.keycheck import check_keys
from headwater.store.vault import Vault, new_key
from headwater.testing.clock import ManualClock

OLD, NEW = new_key(), new_key()


class Turns(ManualClock):
    """A clock on which whoever sleeps waits until the test lets them go on, once."""

    def __init__(self) -> None:
        super().__init__()
        self.asleep, self.awake = asyncio.Event(), asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        self.asleep.set()
        await self.awake.wait()
        self.awake.clear()

    async def turn(self) -> None:
        """Let the sleeper, once it sleeps, go on until it sleeps again."""
        await self.asleep.wait()
        self.asleep.clear()
        self.awake.set()
        await self.asleep.wait()


async def enter(database: Database, vault: Vault, *ids: str) -> None:
    """Store credentials, each with its id as its secret."""
    await check_keys(vault, database)
    rows = [
        {
            "id": id,
            "provider": "crm",
            "kind": "bearer",
            "name": id,
            "account": id,
            "properties": "{}",
            "secrets": vault.seal(id.encode()),
            "external_id": "",
            "metadata": "{}",
            "health": "{}",
            "created_us": 1,
            "updated_us": 1,
        }
        for id in ids
    ]
    async with database.write() as connection:
        await connection.execute(insert(schema.credentials), rows)


async def secrets(database: Database, vault: Vault) -> dict[str, bytes]:
    """Return all secrets, opened."""
    table = schema.credentials
    async with database.read() as connection:
        rows = (await connection.execute(select(table.c.id, table.c.secrets))).all()
    return {row.id: vault.open(row.secrets) for row in rows}


async def test_the_old_key_may_go_when_everything_is_sealed_anew(database: Database) -> None:
    """Also when there is more than one transaction's worth; what is new already is left alone."""
    ids = [f"c{number:04}" for number in range(reseal._ROWS + 5)]
    await enter(database, Vault.with_keys([OLD]), *ids)
    await enter(database, Vault.with_keys([NEW, OLD]), "new")
    assert await reseal.reseal(Vault.with_keys([NEW, OLD]), database) == len(ids)
    assert await reseal.reseal(Vault.with_keys([NEW, OLD]), database) == 0
    alone = Vault.with_keys([NEW])
    await check_keys(alone, database)
    assert await secrets(database, alone) == {id: id.encode() for id in [*ids, "new"]}


async def test_a_secret_of_a_lost_key_keeps_nothing_else_up(database: Database) -> None:
    """It stays as it is, since its key may come back."""
    lost = Vault.with_keys([new_key()])
    await enter(database, Vault.with_keys([OLD]), "a", "z")
    async with database.write() as connection:
        table = schema.credentials
        await connection.execute(table.update().where(table.c.id == "a").values(secrets=lost.seal(b"a")))
    assert await reseal.reseal(Vault.with_keys([NEW, OLD]), database) == 1
    with pytest.raises(Halt):
        await secrets(database, Vault.with_keys([NEW]))


async def test_a_changed_key_file_is_noticed_while_running(database: Database, tmp_path: Path) -> None:
    """At the next look, without a restart; a file that is half written is waited for."""
    path = tmp_path / "secret.key"
    vault = Vault.in_file(path)
    first = path.read_text().strip()
    await enter(database, vault, "a")
    clock = Turns()
    task = asyncio.create_task(reseal.keep(vault, database, clock))
    await clock.turn()
    for number, text in enumerate(("half", f"{NEW}\n{first}\n")):
        path.write_text(text)
        os.utime(path, ns=(number, number))
        await clock.turn()
    task.cancel()
    assert await secrets(database, Vault.with_keys([NEW])) == {"a": b"a"}
    await check_keys(Vault.with_keys([NEW]), database)
