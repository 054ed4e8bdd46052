import io
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from headwater import telemetry
from headwater.model.secret import Secret

SECRET = "s3cr3t-4711"


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """Other tests keep their log handlers."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    levels = {name: logging.getLogger(name).level for name in telemetry.QUIET}
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)
    structlog.reset_defaults()


def test_a_line_is_json_with_its_fields() -> None:
    """For machines: one object a line."""
    stream = io.StringIO()
    telemetry.configure_logging("info", "json", stream)
    structlog.get_logger("headwater.syncs").info("page read", sync_id="s1", records=100)
    line = json.loads(stream.getvalue())
    assert line.items() >= {"event": "page read", "level": "info", "sync_id": "s1", "records": 100}.items()
    assert line["logger"] == "headwater.syncs"
    assert line["timestamp"].endswith("Z")


@pytest.mark.parametrize("form", ["json", "console"])
def test_neither_secrets_nor_payloads_are_written(form: telemetry.LogFormat) -> None:
    """Whatever was passed, and by whichever library, tracebacks too (P8)."""
    stream = io.StringIO()
    telemetry.configure_logging("debug", form, stream)
    log = structlog.get_logger("x")
    log.info(
        "asked",
        url=f"https://user:{SECRET}@host/?api_key={SECRET}",
        headers={"Authorization": f"Bearer {SECRET}"},
        credential=Secret(SECRET),
        data={"name": SECRET},
        body=SECRET.encode(),
    )
    logging.getLogger("some.library").warning("connecting to %s", f"postgresql://u:{SECRET}@host/db")
    try:
        raise ValueError(f"no answer from https://u:{SECRET}@host")
    except ValueError:
        log.exception("crashed")
        logging.getLogger("some.library").exception("crashed")
    written = stream.getvalue()
    assert SECRET not in written
    assert written.count("ValueError") >= 2


def test_levels_count_and_noise_is_left_out() -> None:
    """Below the level nothing is written, and of some libraries only warnings."""
    stream = io.StringIO()
    telemetry.configure_logging("info", "json", stream)
    structlog.get_logger("x").debug("hidden")
    logging.getLogger("alembic.runtime.migration").info("hidden")
    logging.getLogger("alembic.runtime.migration").warning("shown")
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["shown"]


def test_configuring_again_replaces() -> None:
    """No line is written twice."""
    first, second = io.StringIO(), io.StringIO()
    telemetry.configure_logging("info", "json", first)
    telemetry.configure_logging("info", "json", second)
    structlog.get_logger("x").info("once")
    assert first.getvalue() == ""
    assert second.getvalue().count("once") == 1


def test_metrics_of_two_processes_do_not_meet() -> None:
    """There is no global registry."""
    one, other = telemetry.metrics("1"), telemetry.metrics("2")
    one.changes.labels("acme", "acme:deal", "created").inc(3)
    one.upstream_requests.labels("acme", "429", "poll").inc()
    one.budget_waits.labels("acme", "poll").observe(0.2)
    one.lag.labels("s1", "acme:deal").set(1.5)
    one.commits.observe(0.004)
    one.http_requests.labels("GET", "/v1/records", "200").observe(0.001)
    text = one.render().decode()
    for line in (
        'headwater_changes_total{collection="acme:deal",event="created",provider="acme"} 3.0',
        'headwater_upstream_requests_total{provider="acme",purpose="poll",status="429"} 1.0',
        'headwater_lag_seconds{collection="acme:deal",sync_id="s1"} 1.5',
        "headwater_commit_seconds_count 1.0",
        'headwater_info{version="1"} 1.0',
        "process_resident_memory_bytes",
    ):
        assert line in text
    assert "acme" not in other.render().decode()


def test_every_metric_is_documented_and_no_other() -> None:
    """docs/reference/metrics.md lists them all, by the names under which they are scraped."""
    page = (Path(__file__).parent.parent / "docs/reference/metrics.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| `(headwater_\w+)`", page, re.MULTILINE))
    families = telemetry.metrics().registry.collect()
    made = {
        {"counter": f"{one.name}_total", "info": f"{one.name}_info"}.get(one.type, one.name)
        for one in families
        if one.name.startswith("headwater")
    }
    assert listed == made
