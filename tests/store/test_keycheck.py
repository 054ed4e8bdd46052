import pytest

from headwater.errors import Halt
from headwater.store.database import Database
from headwater.store.keycheck import check_keys
from headwater.store.vault import Vault, new_key

OLD, NEW = new_key(), new_key()


async def test_the_first_keys_are_right_and_stay_right(database: Database) -> None:
    """Any process with the same keys may start, as often as it likes."""
    for _ in range(3):
        await check_keys(Vault.with_keys([OLD]), database)


async def test_other_keys_are_refused_at_the_start(database: Database) -> None:
    """Not when the first credential is needed."""
    await check_keys(Vault.with_keys([OLD]), database)
    with pytest.raises(Halt) as caught:
        await check_keys(Vault.with_keys([NEW]), database)
    assert caught.value.error_code == "vault.other_keys"
    assert "secret.key" in str(caught.value.fix)
    await check_keys(Vault.with_keys([OLD]), database)


async def test_rotation_takes_three_starts(database: Database) -> None:
    """The old key alone, both, the new one alone; then the old one is of the past."""
    for keys in ([OLD], [NEW, OLD], [NEW]):
        await check_keys(Vault.with_keys(keys), database)
    with pytest.raises(Halt):
        await check_keys(Vault.with_keys([OLD]), database)
