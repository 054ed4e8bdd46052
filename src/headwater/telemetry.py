"""What the process tells of itself: log lines as fields, and numbers for Prometheus. Decides nothing.

The only global state is structlog's. Secrets and payloads are taken out of every line before it is written
(P8).
"""

import logging
import sys
from dataclasses import dataclass
from typing import Literal, TextIO

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, generate_latest
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from structlog.typing import EventDict, Processor, WrappedLogger

from headwater.kit import redact

LogFormat = Literal["console", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]

PAYLOADS = frozenset({"data", "previous_data", "raw", "body", "payload", "record", "value", "properties"})
"""Names under which customers' objects travel. Their content is in no log (P8)."""

QUIET = ("alembic", "aiosqlite", "asyncio", "uvicorn.access", "psycopg", "psycopg.pool")
"""Libraries whose lines below a warning help nobody."""

_OWN = frozenset({"event", "level", "logger", "timestamp"})


def configure_logging(
    level: LogLevel = "info", form: LogFormat = "console", stream: TextIO = sys.stderr
) -> None:
    """Write the log lines of this process, ours and the libraries', to `stream`. The last call counts."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        redacted,
    ]
    render: Processor = structlog.processors.JSONRenderer(ensure_ascii=False)
    if form == "console":
        plain = structlog.dev.plain_traceback
        render = structlog.dev.ConsoleRenderer(colors=stream.isatty(), exception_formatter=plain)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def redacted(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
    """Take secrets and payloads out of a line (P8)."""
    return {name: _shown(name, value) for name, value in line.items()}


def _shown(name: str, value: object) -> object:
    if name.startswith("_"):  # structlog's own, taken out before the line is written
        return value
    if name in _OWN and isinstance(value, str):
        return redact.text(value)
    return redact.field(name, value, PAYLOADS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """The numbers of one process. Labels are names that users chose few of, never ids of records."""

    registry: CollectorRegistry
    changes: Counter
    """Changes committed: `provider`, `collection`, `event`."""
    upstream_requests: Counter
    """Requests to APIs: `provider`, `status` (0 where there was no answer), `purpose`."""
    budget_waits: Histogram
    """Seconds that requests waited for the rate budget: `provider`, `purpose`."""
    lag: Gauge
    """Seconds since everything that an API showed was known: `sync_id`, `collection`."""
    commits: Histogram
    """Seconds that pages with changes took from their decision to their commit."""
    http_requests: Histogram
    """Seconds that our own API took to answer: `method`, `route`, `status`."""
    consumer_messages: Counter
    """Messages that targets have stored: `consumer_id`, as of all that follow."""
    consumer_batches: Histogram
    """Seconds that targets took for a batch."""
    consumer_retries: Counter
    """Times that a consumer had to begin anew after trouble with its target or the database."""
    consumer_dead_letters: Counter
    """Messages that were given up."""
    consumer_lag_messages: Gauge
    """Entries of the stream that a consumer has yet to look at."""
    consumer_lag_seconds: Gauge
    """Seconds since the oldest of them that is at hand was committed."""

    def render(self) -> bytes:
        """Return all of them as Prometheus text."""
        return generate_latest(self.registry)


def metrics(version: str = "") -> Metrics:
    """Make the metrics of a process, with those of the process itself."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    Info("headwater", "The running release.", registry=registry).info({"version": version})
    return Metrics(
        registry=registry,
        changes=Counter(
            "headwater_changes",
            "Changes committed to the streams.",
            ("provider", "collection", "event"),
            registry=registry,
        ),
        upstream_requests=Counter(
            "headwater_upstream_requests",
            "Requests sent to APIs; status 0: no answer.",
            ("provider", "status", "purpose"),
            registry=registry,
        ),
        budget_waits=Histogram(
            "headwater_budget_wait_seconds",
            "Time that requests waited for the rate budget.",
            ("provider", "purpose"),
            buckets=(0.01, 0.1, 0.5, 1, 5, 15, 60, 300),
            registry=registry,
        ),
        lag=Gauge(
            "headwater_lag_seconds",
            "Time since everything that an API showed was known.",
            ("sync_id", "collection"),
            registry=registry,
        ),
        commits=Histogram(
            "headwater_commit_seconds",
            "Time from the decision on a page to the end of its commit.",
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
            registry=registry,
        ),
        http_requests=Histogram(
            "headwater_http_request_seconds",
            "Duration of requests to this API.",
            ("method", "route", "status"),
            registry=registry,
        ),
        consumer_messages=Counter(
            "headwater_consumer_messages",
            "Messages that the target of a consumer has stored.",
            ("consumer_id",),
            registry=registry,
        ),
        consumer_batches=Histogram(
            "headwater_consumer_batch_seconds",
            "Time that the target of a consumer took for a batch.",
            ("consumer_id",),
            buckets=(0.01, 0.1, 1, 10, 60),
            registry=registry,
        ),
        consumer_retries=Counter(
            "headwater_consumer_retries",
            "Times that a consumer began anew after trouble with its target or the database.",
            ("consumer_id",),
            registry=registry,
        ),
        consumer_dead_letters=Counter(
            "headwater_consumer_dead_letters",
            "Messages of a consumer that were given up.",
            ("consumer_id",),
            registry=registry,
        ),
        consumer_lag_messages=Gauge(
            "headwater_consumer_lag_messages",
            "Entries of its stream that a consumer has yet to look at.",
            ("consumer_id",),
            registry=registry,
        ),
        consumer_lag_seconds=Gauge(
            "headwater_consumer_lag_seconds",
            "Time since the oldest message that waits for a consumer was committed.",
            ("consumer_id",),
            registry=registry,
        ),
    )
