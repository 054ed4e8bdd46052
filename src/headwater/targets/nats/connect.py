"""One connection to a NATS server: opened with the settings, and over when anything happens to it.

The driver's own reconnecting is off: what it would send again by itself could overtake what we send again. A
connection that was lost is replaced by a new one, and the batch is written again.
"""

import asyncio
import contextlib
import ssl
import tempfile
from collections.abc import Callable
from math import ceil
from pathlib import Path
from typing import Any, cast

from nats import errors as nats
from nats.aio.client import Client
from nats.aio.msg import Msg

from headwater.errors import Halt, HeadwaterError
from headwater.kit.ids import new_id
from headwater.targets.nats.errors import Answer, mapped
from headwater.targets.nats.layout import Message
from headwater.targets.nats.nkeys import UserKey, credentials
from headwater.targets.nats.settings import NatsSettings

_CLOSING_SECONDS = 1.0

Answered = Callable[[Answer], None]


class SafeClient(Client):
    """The driver's client, with a key of ours (its own support needs another package), and with TLS meant
    seriously: by itself it sends the password in clear to whoever says that no TLS is needed."""

    encrypted: bool = False
    """Whether nothing may be sent without TLS."""

    def sign_with(self, key: UserKey) -> None:
        """Show this key to the server."""
        self._public_nkey = key.public

    async def _process_info(self, info: dict[str, Any], initial_connection: bool = False) -> None:
        """Take what a server says of itself, before it is told anything."""
        if self.encrypted and initial_connection:
            if not (info.get("tls_required") or info.get("tls_available")):
                raise nats.SecureConnWantedError
            info["tls_required"] = True
        await super()._process_info(info, initial_connection)


class Connection:
    """A connection, with an inbox for acknowledgements."""

    def __init__(self, client: Client) -> None:
        """Use `connected`."""
        self.client = client
        self.fault: HeadwaterError | None = None
        """Why it is of no more use."""
        self._waiting: dict[str, Answered] = {}
        self._inbox = f"_INBOX.{new_id()}"
        self._sent = 0
        self._failed: Callable[[], None] | None = None

    async def listen(self) -> None:
        """Subscribe to the inbox."""
        await cast("Any", self.client).subscribe(f"{self._inbox}.*", cb=self._answer)

    async def publish(self, message: Message, answered: Answered) -> None:
        """Send a message; `answered` is called with what comes back."""
        self._sent += 1
        token = str(self._sent)
        self._waiting[token] = answered
        await self.client.publish(
            message.subject, message.payload, reply=f"{self._inbox}.{token}", headers=message.headers
        )

    async def ask(self, message: Message, seconds: float) -> Answer:
        """Send a message and return the answer. Raises: Halt, Retry."""
        come: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

        def failed() -> None:
            if not come.done() and self.fault is not None:
                come.set_exception(self.fault)

        def answered(answer: Answer) -> None:
            if not come.done():
                come.set_result(answer)

        self.watch(failed)
        await self.publish(message, answered)
        async with asyncio.timeout(seconds):
            return await come

    def watch(self, failed: Callable[[], None]) -> None:
        """Have this called when something happens to the connection, now if it already has."""
        self._failed = failed
        if self.fault is not None:
            failed()

    def forget(self) -> None:
        """Wait for no answer any more."""
        self._waiting.clear()
        self._failed = None

    async def _answer(self, come: Msg) -> None:
        answered = self._waiting.pop(come.subject.rpartition(".")[2], None)
        if answered is not None:
            answered(Answer.read(come))

    async def wrong(self, error: Exception) -> None:
        """Take note of what the driver tells on the side."""
        self._end(mapped(error))

    async def lost(self) -> None:
        """Take note that the connection is over."""
        self._end(mapped(nats.ConnectionClosedError()))

    def _end(self, fault: HeadwaterError) -> None:
        if self.fault is None or (isinstance(fault, Halt) and not isinstance(self.fault, Halt)):
            self.fault = fault
        if self._failed is not None:
            self._failed()

    async def close(self) -> None:
        """End it."""
        self.forget()
        await _end(self.client)


async def connected(settings: NatsSettings) -> Connection:
    """Connect to the first server that lets us in. Raises: Halt, Retry, of the last one."""
    options = _options(settings)  # before anything is tried: it can be wrong by itself
    error: HeadwaterError | None = None
    for address in settings.addresses:
        try:
            return await _connected(address, settings, options)
        except HeadwaterError as failed:
            error = failed
    raise error or AssertionError("settings without a server")


async def _connected(address: str, settings: NatsSettings, options: dict[str, Any]) -> Connection:
    client = SafeClient()
    client.encrypted = "tls" in options
    connection = Connection(client)
    key = options.get("key")
    if key is not None:
        client.sign_with(key)
        options = {name: value for name, value in options.items() if name != "key"}
    try:
        async with asyncio.timeout(settings.timeout_ms / 1_000):
            await client.connect(
                [address],
                name="headwater",
                allow_reconnect=False,
                max_reconnect_attempts=1,
                reconnect_time_wait=0,
                connect_timeout=ceil(settings.timeout_ms / 1_000),
                max_outstanding_pings=2,
                ping_interval=10,
                error_cb=connection.wrong,
                closed_cb=connection.lost,
                **options,
            )
            await connection.listen()
    except (nats.Error, OSError, TimeoutError) as error:
        await _end(client)
        fault = connection.fault
        raise (fault if isinstance(fault, Halt) else mapped(error)) from error
    except BaseException:
        await _end(client)
        raise
    return connection


async def _end(client: Client) -> None:
    """Close a client; after a refused certificate it would wait without end for a connection that is none."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_CLOSING_SECONDS):
            await client.close()


def _options(settings: NatsSettings) -> dict[str, Any]:
    """Return what the driver is told of us."""
    options: dict[str, Any] = {}
    if settings.encrypted or settings.certificate:
        options["tls"] = _tls(settings)
    if settings.username and settings.password:
        options |= {"user": settings.username, "password": settings.password.reveal()}
    elif settings.token:
        options["token"] = settings.token.reveal()
    elif settings.nkey:
        key = UserKey(settings.nkey)
        options |= {"key": key, "signature_cb": key.sign}
    elif settings.credentials:
        jwt, seed = credentials(settings.credentials)
        options |= {"user_jwt_cb": jwt.encode, "signature_cb": UserKey(seed).sign}
    return options


def _tls(settings: NatsSettings) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cadata=settings.ca)
        if settings.certificate and settings.key:
            with tempfile.TemporaryDirectory() as folder:  # Python reads both from a file, and only from one
                file = Path(folder) / "client.pem"
                file.touch(mode=0o600)
                file.write_text(f"{settings.certificate}\n{settings.key.reveal()}")
                context.load_cert_chain(file)
    except (ssl.SSLError, ValueError) as error:
        raise Halt(
            "A certificate or key of the target cannot be read.",
            code="target.certificate",
            fix="Give `ca`, `certificate` and `key` as PEM text, the key without a passphrase.",
        ) from error
    return context
