"""The pure parts of the door: what headers say, where a request may go, how far a clock is off."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.errors import Halt
from headwater.kit.http.said import Said, read, with_body
from headwater.kit.http.skew import Skew
from headwater.kit.http.target import redirected, resolve, with_query

NOW_US = 1_795_507_200_000_000  # 2026-11-24T08:00:00Z
DATE = "Tue, 24 Nov 2026 08:00:00 GMT"


@pytest.mark.parametrize(
    ("headers", "remaining", "reset_after"),
    [
        ({"x-ratelimit-remaining": "5", "x-ratelimit-reset": "60"}, 5, 60),
        ({"ratelimit-remaining": "5", "ratelimit-reset": "60.5"}, 5, 60.5),
        ({"x-rate-limit-remaining": "5"}, 5, None),
        ({"x-ratelimit-remaining": "5", "x-ratelimit-reset": "1795507260"}, 5, 60),
        ({"x-ratelimit-remaining": "5", "x-ratelimit-reset": "1795507260000"}, 5, 60),
        ({"x-ratelimit-remaining": "5", "x-ratelimit-reset": "2026-11-24T08:01:00Z"}, 5, 60),
        ({"x-ratelimit-remaining": "5", "x-ratelimit-reset": "1795507200"}, 5, 0),
        ({"x-ratelimit-remaining": "5", "x-ratelimit-reset": "1795507100"}, 5, 0),
        ({"x-ratelimit-remaining": "5, 100"}, 5, None),
        ({"x-ratelimit-remaining": "-1", "x-ratelimit-reset": "60"}, None, 60),
        ({"ratelimit-reset": "60"}, None, 60),
        ({"x-ratelimit-remaining": "many", "x-ratelimit-reset": "soon"}, None, None),
        ({"x-ratelimit-remaining": "5", "x-ratelimit-reset": "nan"}, 5, None),
        ({"x-ratelimit-remaining": "5", "x-ratelimit-reset": "99999999"}, 5, None),
        ({"ratelimit": '"default";r=50;t=30'}, 50, 30),
        ({"ratelimit": "limit=100, remaining=0, reset=5"}, 0, 5),
        ({"ratelimit": '"default";r=0;t=30'}, 0, 30),
        ({}, None, None),
    ],
)
def test_what_headers_say_of_the_quota(
    headers: dict[str, str], remaining: int | None, reset_after: float | None
) -> None:
    """Of all the ways in which APIs say it."""
    said = read(headers, NOW_US)
    assert (said.remaining, said.reset_after) == (remaining, reset_after)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("7", 7), ("0", 0), ("1.5", 1.5), ("-3", 0), ("Tue, 24 Nov 2026 08:00:30 GMT", 30), (DATE, 0),
     ("Mon, 23 Nov 2026 08:00:30 GMT", 0), ("", None), ("soon", None), ("inf", None), ("nan", None),
     ("Tue, 99 Nov", None)],
)  # fmt: skip
def test_how_long_to_wait(text: str, seconds: float | None) -> None:
    """In seconds, or until a date, by the API's own clock."""
    hour_us = 3_600_000_000
    assert read({"retry-after": text}, NOW_US).retry_after == seconds
    assert read({"retry-after": text, "date": DATE}, NOW_US + hour_us).retry_after == seconds


@given(
    st.dictionaries(
        st.sampled_from(
            ["date", "age", "retry-after", "ratelimit", "x-ratelimit-remaining", "x-ratelimit-reset"]
        ),
        st.text(max_size=30),
    )
)
def test_an_unreadable_header_says_nothing(headers: dict[str, str]) -> None:
    """Whatever stands in it, it does no harm."""
    said = read(headers, NOW_US)
    for wait in (said.reset_after, said.retry_after):
        assert wait is None or 0 <= wait <= 31 * 86_400
    assert said.remaining is None or said.remaining >= 0


def test_a_cached_answer_does_not_tell_the_time() -> None:
    """Its date is that of another answer."""
    assert read({"date": DATE}, 0).date_us == NOW_US
    assert read({"date": DATE, "age": "0"}, 0).date_us == NOW_US
    assert read({"date": DATE, "age": "12"}, 0).date_us is None


def test_a_limit_that_only_the_body_tells() -> None:
    """It is waited for a minute; a header that says how long, or a refusal for another reason, is obeyed."""
    body = b'{"message":"You have exceeded a secondary rate limit. Please wait a few minutes."}'
    assert with_body(Said(remaining=4_000), 403, body).retry_after == 60
    assert with_body(Said(retry_after=7), 403, body).retry_after == 7
    assert with_body(Said(remaining=4_000), 403, b'{"message":"Forbidden"}').retry_after is None
    assert with_body(Said(), 200, body).retry_after is None


def test_how_long_until_a_request_has_a_chance() -> None:
    """The wait that was asked for, or the reset where nothing is left or nobody said how much."""
    assert Said(retry_after=3, reset_after=9, remaining=0).wait == 3
    assert Said(reset_after=9, remaining=0).wait == 9
    assert Said(reset_after=9).wait == 9
    assert Said(reset_after=9, remaining=4).wait is None


BASE = "https://api.test/v2"


@pytest.mark.parametrize(
    ("base", "url", "full"),
    [
        (BASE, "/items", "https://api.test/v2/items"),
        (f"{BASE}/", "items", "https://api.test/v2/items"),
        (BASE, "", BASE),
        (BASE, "?page=2", f"{BASE}?page=2"),
        (BASE, "/a b/ü", f"{BASE}/a%20b/%C3%BC"),
        (BASE, "/a%2Fb", f"{BASE}/a%2Fb"),
        (BASE, "//evil.test/x", f"{BASE}/evil.test/x"),
        (BASE, "https://api.test/other?x=1#part", "https://api.test/other?x=1"),
        (BASE, "https://API.test:443/x", "https://API.test:443/x"),
        (BASE, "http://api.test/x", "https://api.test/x"),
        ("http://api.test", "https://api.test/x", "https://api.test/x"),
        ("http://api.test", "http://api.test/x", "http://api.test/x"),
        ("http://127.0.0.1:8888/v1", "http://127.0.0.1:8888/v1/x", "http://127.0.0.1:8888/v1/x"),
    ],
)
def test_where_a_request_goes(base: str, url: str, full: str) -> None:
    """Below the base URL, or where a full URL says; never from https back to http."""
    assert resolve(base, url) == full


@pytest.mark.parametrize(
    "url",
    ["https://evil.test/x", "https://api.test.evil.test", "https://api.test:8443/x", "https://api.test@evil.test/",
     "https://evil.test@api.test/", "http://api.test:8080/", "https://api.test:99999/", "https://api.test:x/",
     "https://sub.api.test/"],
)  # fmt: skip
def test_where_no_request_goes(url: str) -> None:
    """Another host, another port, or a URL that only looks like ours."""
    with pytest.raises(Halt) as raised:
        resolve(BASE, url)
    assert raised.value.error_code == "provider.foreign_url"
    with pytest.raises(Halt):
        redirected(BASE, url)


def test_where_a_redirect_leads() -> None:
    """Relative to what was asked."""
    assert redirected(f"{BASE}/items?x=1", "../v3/items?y=2") == "https://api.test/v3/items?y=2"
    assert redirected("http://api.test/x", "https://api.test/x") == "https://api.test/x"
    with pytest.raises(Halt):
        redirected(BASE, "//evil.test/x")


def test_parameters_replace_those_of_their_name() -> None:
    """The others keep their spelling."""
    assert (
        with_query("https://a.test/x?a=%7E&b=2&b=3&c", {"b": "ä&"}) == "https://a.test/x?a=%7E&c&b=%C3%A4%26"
    )
    assert with_query("https://a.test/x?a=%7E", {}) == "https://a.test/x?a=%7E"
    assert with_query("https://a.test/x", {"a": "1"}) == "https://a.test/x?a=1"


SECOND = 1_000_000


def hear(skew: Skew, asked: float, ahead: float, takes: float = 0.2) -> None:
    """Tell about an answer of an API whose clock is so many seconds ahead."""
    date = int(asked + takes / 2 + ahead)
    skew.hear(date * SECOND, int(asked * SECOND), int((asked + takes) * SECOND))


@given(st.lists(st.tuples(st.floats(1, 1e6), st.floats(0, 60)), max_size=30), st.floats(-0.1, 0.1))
def test_a_clock_that_is_right_is_left_alone(answers: list[tuple[float, float]], ahead: float) -> None:
    """Whole seconds and slow answers do not look like skew."""
    skew = Skew()
    for asked, takes in answers:
        hear(skew, asked, ahead, takes)
        assert skew.offset_us == 0


@given(st.floats(2.6, 1e5), st.sampled_from([-1, 1]), st.lists(st.floats(2e5, 1e6), min_size=1, max_size=30))
def test_a_clock_that_is_off_is_followed(ahead: float, sign: int, asked: list[float]) -> None:
    """Within a second and a half, at once and without wavering: the offset moves at most once more."""
    skew, seen = Skew(), set[int]()
    for at in asked:
        hear(skew, at, sign * ahead)
        seen.add(skew.offset_us)
        assert abs(skew.offset_us - sign * ahead * SECOND) < 2.1 * SECOND
    assert len(seen) == 1


def test_one_answer_that_lies_changes_nothing() -> None:
    """Out of a cache that does not say so."""
    skew = Skew()
    for at in range(10):
        hear(skew, 1000 + at, 0)
    hear(skew, 1010, -500)
    assert skew.offset_us == 0


def test_a_clock_that_is_set_is_followed() -> None:
    """After a few answers."""
    skew = Skew()
    for at in range(20):
        hear(skew, 1000 + at, 0 if at < 10 else 60)
    assert abs(skew.offset_us - 60 * SECOND) < SECOND


def test_a_slow_answer_is_no_skew() -> None:
    """Whether its date was written at its beginning or at its end."""
    skew = Skew()
    for at in range(20):
        skew.hear((1000 + at) * SECOND, (1000 + at) * SECOND, (1030 + at) * SECOND)
        skew.hear((1030 + at) * SECOND, (1000 + at) * SECOND, (1030 + at) * SECOND)
    assert skew.offset_us == 0
