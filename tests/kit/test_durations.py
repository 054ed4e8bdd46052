from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.kit import durations


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30s", timedelta(seconds=30)),
        ("15m", timedelta(minutes=15)),
        ("4h", timedelta(hours=4)),
        ("7d", timedelta(days=7)),
        ("2w", timedelta(weeks=2)),
        ("250ms", timedelta(milliseconds=250)),
        ("1h30m", timedelta(minutes=90)),
        (" 1H 30M ", timedelta(minutes=90)),
        ("1.5h", timedelta(minutes=90)),
        ("0s", timedelta()),
        ("PT36H", timedelta(hours=36)),
        ("P7D", timedelta(days=7)),
        ("P1DT12H", timedelta(hours=36)),
        ("P2W", timedelta(weeks=2)),
        ("pt0.5s", timedelta(milliseconds=500)),
    ],
)
def test_it_reads_what_people_write(text: str, expected: timedelta) -> None:
    """Short forms, sums of them, and ISO 8601."""
    assert durations.parse(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", " ", "4", "h", "4 hours", "-4h", "4h!", "P", "PT", "P1Y", "P1M", "1e3s", "٣s", "9999999999d", "1mm"],
)
def test_it_refuses_everything_else(text: str) -> None:
    """With a sentence that shows how."""
    with pytest.raises(ValueError, match="15m"):
        durations.parse(text)


@given(st.timedeltas(min_value=timedelta(), max_value=timedelta(days=10_000)))
def test_what_is_shown_can_be_read(duration: timedelta) -> None:
    """Down to the millisecond."""
    whole = duration - duration % timedelta(milliseconds=1)
    assert durations.parse(durations.show(whole)) == whole


def test_it_shows_the_largest_units() -> None:
    """As a person would."""
    assert durations.show(timedelta(hours=36)) == "1d12h"
    assert durations.show(timedelta()) == "0s"
