import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.errors import InUse, Refused
from headwater.model.position import Stream, Vector
from headwater.store.vault import Vault, new_key
from headwater.streams.cursor import Cursors, check_not_ahead

OLD, NEW = new_key(), new_key()
CURSORS = Cursors(Vault.with_keys([OLD]))
VECTORS = st.lists(st.integers(0, 2**63 - 1), max_size=16).map(tuple)
FILTERS = '{"provider": ["stripe"]}'


@given(VECTORS, st.sampled_from(Stream), st.text(max_size=20))
def test_a_position_comes_back(position: Vector, stream: Stream, filters: str) -> None:
    """And the text is fit for a URL."""
    cursor = CURSORS.encode(stream, filters, position)
    assert CURSORS.decode(cursor, stream, filters) == position
    assert cursor.replace("-", "").replace("_", "").isalnum()


def test_the_same_position_is_the_same_text() -> None:
    """A reader at the end sees that it is."""
    again = Cursors(Vault.with_keys([OLD]))
    assert CURSORS.encode(Stream.EVENTS, "", (7, 9)) == again.encode(Stream.EVENTS, "", (7, 9))


@given(VECTORS, VECTORS)
def test_different_positions_are_different_texts(one: Vector, other: Vector) -> None:
    """Nothing is lost."""
    same = CURSORS.encode(Stream.RECORDS, "", one) == CURSORS.encode(Stream.RECORDS, "", other)
    assert same == (one == other)


@pytest.mark.parametrize(("stream", "filters"), [(Stream.EVENTS, FILTERS), (Stream.RECORDS, "{}")])
def test_another_stream_or_other_filters(stream: Stream, filters: str) -> None:
    """A cursor is bound to what it was made for."""
    cursor = CURSORS.encode(Stream.RECORDS, FILTERS, (1,))
    with pytest.raises(Refused) as caught:
        CURSORS.decode(cursor, stream, filters)
    assert (caught.value.error_code, caught.value.status) == ("cursor.filter_changed", 400)


@pytest.mark.parametrize(
    "text", ["", "a", "aa", "not ours", "ä", "AAAA" * 20, "=", "a\n", "A" * 100_000, "\ud800"]
)
def test_what_is_no_cursor(text: str) -> None:
    """Whatever it is, the answer is the same."""
    with pytest.raises(Refused) as caught:
        CURSORS.decode(text, Stream.RECORDS, "")
    assert (caught.value.error_code, caught.value.status) == ("cursor.invalid", 400)


@given(VECTORS, st.data())
def test_a_changed_cursor_is_none(position: Vector, data: st.DataObject) -> None:
    """One bit is enough."""
    sealed = bytearray(_bytes(CURSORS.encode(Stream.RECORDS, "", position)))
    bit = data.draw(st.integers(0, len(sealed) * 8 - 1))
    sealed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(Refused):
        CURSORS.decode(base64.urlsafe_b64encode(sealed).decode(), Stream.RECORDS, "")


def test_a_cursor_survives_the_rotation_of_keys() -> None:
    """While its key is still among them; after that it is of another installation."""
    cursor = CURSORS.encode(Stream.RECORDS, "", (5, 6))
    assert Cursors(Vault.with_keys([NEW, OLD])).decode(cursor, Stream.RECORDS, "") == (5, 6)
    with pytest.raises(Refused):
        Cursors(Vault.with_keys([NEW])).decode(cursor, Stream.RECORDS, "")


def test_a_cursor_shows_no_numbers() -> None:
    """Neighbouring positions share nothing that could be counted."""
    one, other = (_bytes(CURSORS.encode(Stream.RECORDS, "", (n,))) for n in (1000, 1001))
    assert sum(a == b for a, b in zip(one, other, strict=True)) < len(one) / 2


def test_a_cursor_ahead_of_the_stream() -> None:
    """A restored backup: told apart from one of another shape."""
    check_not_ahead((3, 4), (3, 9))
    with pytest.raises(InUse) as caught:
        check_not_ahead((3, 10), (3, 9))
    assert (caught.value.error_code, caught.value.status) == ("cursor.ahead", 409)
    with pytest.raises(Refused) as other:
        check_not_ahead((3,), (3, 9))
    assert other.value.error_code == "cursor.invalid"


def _bytes(cursor: str) -> bytes:
    return base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
