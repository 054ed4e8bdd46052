"""A real NATS server for tests of the target: with users, and one stream for each rig."""

import asyncio
import contextlib
import secrets
import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nats
from nats.aio.client import Client
from nats.js.api import StreamConfig
from nats.js.errors import NotFoundError
from tests.plugins.nats import greets
from tests.plugins.servers import Server, steady_port

from headwater.errors import Halt, HeadwaterError, Retry
from headwater.model.position import Stream
from headwater.model.secret import Secret
from headwater.targets.nats import NATS, NatsSettings
from headwater.targets.target import TargetSettings

MAX_PAYLOAD = 1_500_000
USER, PASSWORD = "headwater", f"right-{secrets.token_hex(6)}"
CONFIG = """
listen: "127.0.0.1:{port}"
jetstream {{ store_dir: "{store}", sync_interval: always }}
max_payload: {max_payload}
accounts {{
  APP {{
    jetstream: enabled
    users: [
      {{ user: {user}, password: "{password}" }}
      {{ user: reader, password: "{password}", permissions: {{ publish: {{ deny: ">" }} }} }}
      {{ user: deaf, password: "{password}", permissions: {{ subscribe: {{ deny: "_INBOX.>" }} }} }}
      {{ user: least, password: "{password}",
         permissions: {{ publish: ["least.records.>", "least.events.>"], subscribe: "_INBOX.>" }} }}
    ]
  }}
  NONE {{ users: [ {{ user: elsewhere, password: "{password}" }} ] }}
}}
"""


def nats_in(folder: Path, config: str = CONFIG, **more: Any) -> Server:
    """A server with users and JetStream, its files in this folder, not started yet."""
    port, file = steady_port(), folder / "nats.conf"
    known = {"user": USER, "password": PASSWORD, "max_payload": MAX_PAYLOAD}
    file.write_text(config.format(port=port, store=folder / "store", **known, **more))
    command = [Path(sys.executable).parent / "nats-server", "-c", file]
    return Server(
        name="NATS", url=f"nats://127.0.0.1:{port}", command=command, log=folder / "log", ready=greets
    )


@dataclass
class NatsRig:
    """A stream of its own on a server that can be killed."""

    server: Server
    name: str = field(default_factory=lambda: f"t{secrets.token_hex(6)}")
    running: bool = True
    kind = NATS
    faithful: bool = True
    deduplicates: bool = True
    compares: bool = False
    keeps_deleted: bool = True
    secrets: Sequence[str] = (PASSWORD, "wrong-password")
    refused: bytes | None = b'"' + b"x" * MAX_PAYLOAD + b'"'
    held: bytes | None = None

    def settings(self, **other: Any) -> NatsSettings:
        return NatsSettings(
            **{
                "servers": self.server.url,
                "subject_prefix": self.name,
                "username": USER,
                "password": Secret(PASSWORD),
                "timeout_ms": 3_000,
                **other,
            }
        )

    def wrong(self) -> Mapping[str, tuple[TargetSettings, type[HeadwaterError]]]:
        return {
            "nobody listens": (self.settings(servers=f"nats://127.0.0.1:{steady_port()}"), Retry),
            "password": (self.settings(password=Secret("wrong-password")), Halt),
            "user": (self.settings(username="nobody"), Halt),
            "no password": (self.settings(username=None, password=None), Halt),
            "may not publish": (self.settings(username="reader"), Halt),
            "may not have an inbox": (self.settings(username="deaf"), Halt),
            "no JetStream": (self.settings(username="elsewhere"), Halt),
            "no stream": (self.settings(subject_prefix=f"{self.name}x"), Halt),
            "no TLS there": (self.settings(tls=True), Halt),
            "no seed": (self.settings(username=None, password=None, nkey=Secret("wrong-password")), Halt),
        }

    def kept(self, value: bytes) -> bytes:
        return value

    async def read_back(self, stream: Stream) -> Sequence[bytes]:
        found = await self.messages(f"{self.name}.{stream.value}.")
        return [payload for _, payload in found]

    async def messages(self, begin: str) -> list[tuple[str, bytes]]:
        """Subject and payload of all messages whose subjects begin so, in the order of the stream."""
        async with self.client() as client:
            js = client.jetstream()
            state = (await js.stream_info(self.name)).state
            found = [
                await js.get_msg(self.name, seq) for seq in range(max(state.first_seq, 1), state.last_seq + 1)
            ]
        return [
            (one.subject or "", one.data or b"") for one in found if (one.subject or "").startswith(begin)
        ]

    @asynccontextmanager
    async def client(self) -> AsyncGenerator[Client]:
        """The driver, as a reader uses it."""
        client = await nats.connect(self.server.url, user=USER, password=PASSWORD, allow_reconnect=False)
        try:
            yield client
        finally:
            await client.close()

    async def make(self, **config: Any) -> None:
        """Make the stream; `config` are options of it."""
        async with self.client() as client:
            await client.jetstream().add_stream(
                StreamConfig(name=self.name, subjects=[f"{self.name}.>"], duplicate_window=600, **config)
            )

    async def remove(self) -> None:
        """Remove the stream."""
        async with self.client() as client:
            with contextlib.suppress(NotFoundError):
                await client.jetstream().delete_stream(self.name)

    async def stop(self) -> None:
        await asyncio.to_thread(self.server.kill)
        self.running = False

    async def start(self) -> None:
        if not self.running:
            await asyncio.to_thread(self.server.start)
            self.running = True

    async def release(self) -> None:
        """It holds nothing."""


@asynccontextmanager
async def nats_rig(server: Server, **config: Any) -> AsyncGenerator[NatsRig]:
    """A rig with its stream, removed afterwards."""
    rig = NatsRig(server)
    await rig.make(**config)
    try:
        yield rig
    finally:
        await rig.start()
        await rig.remove()
