import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.errors import Halt
from headwater.store.vault import Vault, new_key


def write(path: Path, *keys: str) -> None:
    """Write a key file whose time differs from the one before."""
    before = path.stat().st_mtime_ns if path.exists() else 0
    path.write_text("\n".join(keys) + "\n")
    os.utime(path, ns=(before + 1_000_000, before + 1_000_000))


@given(st.binary(max_size=200))
def test_what_was_sealed_opens_again(content: bytes) -> None:
    """And is not to be read in between."""
    vault = Vault.with_keys([new_key()])
    sealed = vault.seal(content)
    assert vault.open(sealed) == content
    assert len(content) < 4 or content not in sealed


def test_the_first_start_makes_a_key_that_only_we_may_read(tmp_path: Path) -> None:
    """The second one uses it."""
    path = tmp_path / "home" / "secret.key"
    sealed = Vault.in_file(path).seal(b"token")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [file.name for file in path.parent.iterdir()] == ["secret.key"]
    assert Vault.in_file(path).open(sealed) == b"token"


def test_keys_are_rotated_while_running(tmp_path: Path) -> None:
    """A new key on top is used at once; when everything is sealed anew, the old one may go."""
    path = tmp_path / "secret.key"
    vault = Vault.in_file(path)
    old, new = path.read_text().strip(), new_key()
    sealed = vault.seal(b"token")

    write(path, new, old)
    assert vault.open(sealed) == b"token"
    resealed = vault.rotate(sealed)
    write(path, new)
    assert vault.open(resealed) == b"token"
    with pytest.raises(Halt) as caught:
        vault.open(sealed)
    assert caught.value.error_code == "vault.key_missing"
    assert "secret.key" in str(caught.value.fix)
    with pytest.raises(Halt):
        vault.rotate(sealed)


def test_a_file_that_is_gone_changes_nothing_while_running(tmp_path: Path) -> None:
    """The keys that are known go on."""
    path = tmp_path / "secret.key"
    vault = Vault.in_file(path)
    sealed = vault.seal(b"token")
    path.unlink()
    assert vault.open(sealed) == b"token"


def test_derived_keys_follow_the_keys(tmp_path: Path) -> None:
    """One for each key, the newest first; another name gives another key."""
    path = tmp_path / "secret.key"
    vault = Vault.in_file(path)
    (first,) = vault.derived(b"cursor")
    assert len(first) == 64
    assert vault.derived(b"other") != (first,)
    assert vault.derived(b"cursor") is vault.derived(b"cursor"), "computed once"
    write(path, new_key(), path.read_text().strip())
    newest, second = vault.derived(b"cursor")
    assert second == first
    assert newest != first


@pytest.mark.parametrize("keys", [[], [""], ["not a key"], [new_key(), "4711"]])
def test_what_is_no_key_is_told_without_repeating_it(keys: list[str]) -> None:
    """The fix says what a key looks like (P8)."""
    with pytest.raises(Halt) as caught:
        Vault.with_keys(keys)
    assert caught.value.error_code == "vault.key_invalid"
    assert "4711" not in str(caught.value) + str(caught.value.fix)
    assert caught.value.__suppress_context__


def test_an_unreadable_file(tmp_path: Path) -> None:
    """A folder of that name, say."""
    (tmp_path / "secret.key").mkdir()
    with pytest.raises(Halt) as caught:
        Vault.in_file(tmp_path / "secret.key")
    assert caught.value.error_code == "vault.key_missing"


def test_no_key_is_shown() -> None:
    """Neither by repr nor by str (P8)."""
    key = new_key()
    assert key not in repr(Vault.with_keys([key])) + str(Vault.with_keys([key]))
