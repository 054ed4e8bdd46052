"""When to look again."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from headwater.syncs.schedule import Pace, next_wait

PACE = Pace(shortest=timedelta(seconds=1), longest=timedelta(seconds=30))
NONE = timedelta()


def test_changes_bring_the_next_look_nearer() -> None:
    """A look that found something halves the wait, one that did not lengthens it."""
    assert next_wait(timedelta(seconds=8), PACE, changed=True, took=NONE) == timedelta(seconds=4)
    assert next_wait(timedelta(seconds=8), PACE, changed=False, took=NONE) == timedelta(seconds=12)


def test_a_long_look_is_not_repeated_at_once() -> None:
    """At least a tenth of what it took goes by, even beyond the longest wait."""
    assert next_wait(timedelta(seconds=1), PACE, changed=True, took=timedelta(seconds=600)) == timedelta(
        seconds=60
    )


def test_a_users_own_frequency_is_kept() -> None:
    """The time that a look took is part of the interval."""
    pace = Pace(shortest=PACE.shortest, longest=PACE.longest, fixed=timedelta(hours=4))
    assert next_wait(NONE, pace, changed=True, took=timedelta(hours=1)) == timedelta(hours=3)
    assert next_wait(NONE, pace, changed=True, took=timedelta(hours=9)) == NONE


@given(st.lists(st.booleans(), max_size=40))
def test_the_wait_stays_within_its_bounds(looks: list[bool]) -> None:
    """Whatever is found, the wait is never shorter or longer than the collection says."""
    wait = PACE.shortest
    for changed in looks:
        wait = next_wait(wait, PACE, changed=changed, took=NONE)
        assert PACE.shortest <= wait <= PACE.longest
