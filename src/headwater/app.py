"""The composition root: makes the parts of a process from its settings, runs them, and stops them cleanly.

The only file that names stream engines. No rule lives here.
"""

import asyncio
import os
import signal
import socket
from collections import Counter
from collections.abc import AsyncGenerator, Coroutine, Generator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from importlib import metadata
from pathlib import Path
from typing import Any

import structlog
import uvicorn
import uvloop

from headwater.api.app import create
from headwater.api.parts import Parts
from headwater.consumers.deliver import Tools
from headwater.consumers.ledger import Ledger as ConsumerLedger
from headwater.consumers.plan import Plans as ConsumerPlans
from headwater.consumers.progress import Progress
from headwater.consumers.run import Parts as ConsumerParts
from headwater.consumers.runner import Runner as ConsumerRunner
from headwater.errors import Halt, HeadwaterError
from headwater.kit.budget import Urgency
from headwater.kit.clock import Clock, SystemClock
from headwater.kit.http import Session, Told, open_session
from headwater.kit.tasks import ended
from headwater.management import keys
from headwater.management.doors import Doors, Opened
from headwater.management.providers import documents
from headwater.management.services import Services, services
from headwater.providers.catalogue import Catalogue
from headwater.providers.provider import Provider
from headwater.providers.tokens import TokenKeeper
from headwater.settings import Settings, unknown
from headwater.store import reseal
from headwater.store.database import Database
from headwater.store.keycheck import check_keys
from headwater.store.leases import Leases
from headwater.store.probe import WriteProbe
from headwater.store.vault import Vault
from headwater.store.worker import Worker
from headwater.streams import retention
from headwater.streams.cursor import Cursors
from headwater.streams.engine import StreamEngine
from headwater.streams.postgres import PostgresStreams
from headwater.streams.sqlite import SqliteStreams
from headwater.syncs.accounts import Accounts
from headwater.syncs.hooks import HookRows
from headwater.syncs.inbox import Inbox
from headwater.syncs.ingest import Ingested
from headwater.syncs.ledger import Ledger
from headwater.syncs.plan import Plans
from headwater.syncs.run import Parts as RunnerParts
from headwater.syncs.runner import Runner
from headwater.targets.table import KINDS
from headwater.telemetry import Metrics, configure_logging, metrics

_LOG = structlog.get_logger(__name__)
_DRAIN = 10
"""Seconds that requests under way have to end when the process stops."""


class Role(StrEnum):
    """What a process does: serve the API, run syncs, or both."""

    ALL = "all"
    API = "api"
    WORKER = "worker"


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """The parts of a running process."""

    settings: Settings
    clock: Clock
    database: Database
    engine: StreamEngine
    vault: Vault
    catalogue: Catalogue
    services: Services
    inbox: Inbox
    session: Session
    keeper: TokenKeeper
    metrics: Metrics
    stopping: asyncio.Event = field(default_factory=asyncio.Event)


def run(settings: Settings, *, role: Role = Role.ALL) -> None:
    """Run a process on the fast event loop until it is told to stop. Raises: as `serve`."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(settings, role=role))


async def serve(settings: Settings, *, role: Role = Role.ALL) -> None:
    """Run a process until it is told to stop (SIGTERM, SIGINT); then drain it (P9).

    Raises: Halt when it cannot start: the database is not there, is in use, or its keys are missing.
    """
    configure_logging(settings.log_level, settings.log_format)
    for sentence in unknown():
        _LOG.warning(sentence)
    address = settings.worker_address if role is Role.WORKER else (settings.host, settings.port)
    listening = None if address is None else _listen(*address)
    async with opened(settings, role=role) as process:
        await _greet(process)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, process.stopping.set)
        work: list[Coroutine[Any, Any, None]] = [
            retention.keep(process.engine, settings.event_retention, process.clock),
            reseal.keep(process.vault, process.database, process.clock),
        ]
        running: tuple[Runner, ConsumerRunner] | None = None
        if role is not Role.API:
            worker = _worker(process)
            running = syncing, consuming = _runner(process, worker), _consumers(process, worker)
            work += [worker.run(), syncing.run(), consuming.run()]
        if listening is not None:
            work.append(_http(process, listening, running, role))
        await _until_stopped(process.stopping, work)


@asynccontextmanager
async def opened(settings: Settings, *, role: Role = Role.ALL) -> AsyncGenerator[Process]:
    """Open everything that a process needs, and close it in the other order."""
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        url = settings.database.reveal()
        database = await Database.open(url, clock=clock, partitions=settings.partitions, exclusive=True)
        stack.push_async_callback(database.close)
        if role is not Role.ALL and database.dialect == "sqlite":
            raise Halt(
                f"One process serves a SQLite database; --role {role} needs PostgreSQL.",
                code="database.one_process",
                fix="Leave --role out, or set HEADWATER_DATABASE_URL=postgresql://…",
            )
        engine: StreamEngine
        if database.dialect == "sqlite":
            engine = await SqliteStreams.open(database, clock=clock)
        else:
            engine = await PostgresStreams.open(database, clock=clock)
        stack.push_async_callback(engine.close)
        vault = Vault.with_keys(settings.keys) if settings.keys else Vault.in_file(settings.secret_key_file)
        await check_keys(vault, database)
        catalogue = Catalogue()
        catalogue.reload(await documents(database))
        inbox = Inbox(database, clock)
        stack.push_async_callback(inbox.close)
        session = open_session()
        stack.push_async_callback(session.close)
        keeper = TokenKeeper(database, vault, clock)
        stack.push_async_callback(keeper.close)

        doors = Doors(session=session, keeper=keeper, clock=clock)

        async def check(provider: Provider, kind: str, properties: Mapping[str, Any]) -> str | None:
            return await doors.check(provider, Opened(kind=kind, properties=properties))

        async def check_linked(
            provider: Provider, credential_id: str, kind: str, properties: Mapping[str, Any]
        ) -> str | None:
            return await doors.check(provider, Opened(kind=kind, properties=properties, id=credential_id))

        yield Process(
            settings=settings,
            clock=clock,
            database=database,
            engine=engine,
            vault=vault,
            catalogue=catalogue,
            services=services(
                database=database,
                engine=engine,
                vault=vault,
                catalogue=catalogue,
                check=check,
                check_linked=check_linked,
                doors=doors,
                public_url=settings.public_url,
                clock=clock,
                pushed=inbox.told,
                event_retention=settings.event_retention,
                created_event_name=settings.created_event_name,
            ),
            inbox=inbox,
            session=session,
            keeper=keeper,
            metrics=metrics(_version()),
        )


async def _greet(process: Process) -> None:
    """Make the first API key, once, and say where it is."""
    text = await keys.first_key(process.database, process.clock)
    if text is None:
        return
    path = process.settings.api_key_file
    _keep_key(path, text)
    print(
        f"The first API key, shown only now (the command line reads it from {path}):\n\n    {text}\n",
        flush=True,
    )


def _keep_key(path: Path, text: str) -> None:
    """Write the first key where the command line finds it, for this user's eyes only."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text + "\n")


def _worker(process: Process) -> Worker:
    """Put the heartbeat together that all work of this process shares."""
    lease_time = process.settings.lease_time
    leases = Leases(process.database, clock=process.clock, lease_time=lease_time)
    return Worker(leases, clock=process.clock, lease_time=lease_time)


def _runner(process: Process, worker: Worker) -> Runner:
    """Put the runner of the syncs together."""

    async def reload() -> None:
        process.catalogue.reload(await documents(process.database))

    def told(provider: str) -> Told:
        def tell(urgency: Urgency, status: int, waited: float) -> None:
            purpose = urgency.name.lower()
            process.metrics.upstream_requests.labels(provider, str(status), purpose).inc()
            process.metrics.budget_waits.labels(provider, purpose).observe(waited)

        return tell

    def watch(collection_id: str, done: Ingested, seconds: float) -> None:
        provider, _, collection = collection_id.partition(":")
        if done.changes:
            process.metrics.commits.observe(seconds)
        for kind, count in Counter(change.event for change in done.changes).items():
            process.metrics.changes.labels(provider, collection, kind.name.lower()).inc(count)

    parts = RunnerParts(
        engine=process.engine,
        plans=Plans(process.database, process.vault),
        ledger=Ledger(process.database, process.clock),
        inbox=process.inbox,
        open=Accounts(process.session, process.clock, process.keeper, told).open,
        catalogue=process.catalogue,
        clock=process.clock,
        reload=reload,
        hooks=HookRows(database=process.database, vault=process.vault),
        webhook_url=process.services.hooks.public.webhook,
        watch=watch,
    )
    return Runner(parts, worker)


def _consumers(process: Process, worker: Worker) -> ConsumerRunner:
    """Put the runner of the managed consumers together."""
    ledger = ConsumerLedger(process.database, process.clock)
    services = process.services
    return ConsumerRunner(
        ConsumerParts(
            tools=Tools(
                ledger=ledger,
                progress=Progress(ledger),
                worker=worker,
                clock=process.clock,
                event_retention=process.settings.event_retention,
            ),
            streams=services.streams,
            kinds={kind.name: kind for kind in KINDS},
            metrics=process.metrics,
        ),
        ConsumerPlans(process.database, services.revisions, process.vault),
    )


def _tell_lag(process: Process, syncing: Runner, consuming: ConsumerRunner) -> None:
    """Set the metrics that say how late everything is."""
    shown, now_us = process.metrics, process.clock.now_us()
    for gauge in (shown.lag, shown.consumer_lag_messages, shown.consumer_lag_seconds):
        gauge.clear()
    for (sync_id, collection_id), complete_us in syncing.complete().items():
        shown.lag.labels(sync_id, collection_id).set(max(now_us - complete_us, 0) / 1e6)
    for consumer_id, late in consuming.lateness().items():
        shown.consumer_lag_messages.labels(consumer_id).set(late.messages)
        shown.consumer_lag_seconds.labels(consumer_id).set(late.seconds)


async def _http(
    process: Process,
    listening: socket.socket,
    running: tuple[Runner, ConsumerRunner] | None,
    role: Role,
) -> None:
    """Serve the API, or a worker's health and metrics, until cancelled; requests under way may end first."""
    probe = WriteProbe(process.database, process.clock)

    def answered(method: str, route: str, status: int, seconds: float) -> None:
        process.metrics.http_requests.labels(method, route, str(status)).observe(seconds)

    def rendered() -> bytes:
        if running is not None:
            _tell_lag(process, *running)
        return process.metrics.render()

    application = create(
        Parts(
            services=process.services,
            engine=process.engine,
            cursors=Cursors(process.vault),
            clock=process.clock,
            metrics=rendered,
            answered=answered,
            ready=lambda: _ready(process, probe),
            stopping=process.stopping,
            created_event_name=process.settings.created_event_name,
            largest_body=process.settings.max_body_bytes,
            metrics_open=process.settings.metrics_open,
            version=_version(),
        ),
        only_system=role is Role.WORKER,
    )
    config = uvicorn.Config(
        application,
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        timeout_graceful_shutdown=_DRAIN,
    )
    url = local_url(*listening.getsockname()[:2])
    server = _Server(
        config,
        f"Health and metrics of this worker: {url}/health/ready {url}/metrics"
        if role is Role.WORKER
        else f"Headwater is up. Both streams: {url}/",
    )
    serving = asyncio.create_task(server.serve([listening]))
    try:
        await asyncio.wait([serving])
    finally:
        server.should_exit = True
        await serving


class _Server(uvicorn.Server):
    """A server that says when it is up, and leaves signals to us: they stop everything else too."""

    def __init__(self, config: uvicorn.Config, greeting: str) -> None:
        super().__init__(config)
        self._greeting = greeting

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer."""
        await super().startup(sockets)
        print(self._greeting, flush=True)

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Catch none."""
        yield


def _listen(host: str, port: int) -> socket.socket:
    """Return a listening socket. Raises: Halt when the address cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise Halt(
            f"Cannot listen on {host}:{port}: {error.strerror}.",
            code="server.address",
            fix="Stop what uses the address, or choose another with --port (HEADWATER_PORT).",
        ) from error


def local_url(host: str, port: int) -> str:
    """Return the URL at which a server that listens on `host` is reached from this machine."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - read, not bound
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def _ready(process: Process, probe: WriteProbe) -> list[str]:
    """Say in sentences why this process cannot do its work; nothing when it can."""
    try:
        async with asyncio.timeout(5):
            await process.engine.heads()
            trouble = await probe.trouble()
    except HeadwaterError as error:
        return [error.message]
    except TimeoutError:
        return ["The database does not answer."]
    return [] if trouble is None else [trouble]


async def _until_stopped(stopping: asyncio.Event, work: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Run until the process is to stop, or a part of it fails; then end the parts, the last one first."""
    tasks = [asyncio.create_task(one) for one in work]
    stop = asyncio.create_task(_wait(stopping))
    try:
        await asyncio.wait([stop, *tasks], return_when=asyncio.FIRST_COMPLETED)
        failed = [task for task in tasks if task.done()]
    finally:
        stopping.set()
        for task in reversed(tasks):
            await ended(task)
        await ended(stop)
    for task in failed:
        task.result()


async def _wait(stopping: asyncio.Event) -> None:
    await stopping.wait()


def _version() -> str:
    return metadata.version("headwater")
