"""A receiver of webhooks as the target suite wants it: a process that writes down what it takes."""

import json
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
from tests.plugins.servers import NotReadyError, Server, steady_port

from headwater.errors import Halt, HeadwaterError, Retry
from headwater.kit import jsonbytes
from headwater.model.position import Stream
from headwater.targets.target import TargetSettings
from headwater.targets.webhook import WEBHOOK, WebhookSettings
from headwater.testing.webhook_receiver import Request, taken

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER_SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
TOKEN = "Bearer right-token"


class Receiver:
    """The process, what it has taken, and its switches."""

    def __init__(self, server: Server, file: Path) -> None:
        self.server, self.file = server, file

    @property
    def url(self) -> str:
        return f"{self.server.url}/hooks"

    async def turn(self, **switches: Any) -> None:
        async with httpx.AsyncClient() as client:
            answer = await client.patch(f"{self.server.url}/_control", content=json.dumps(switches))
            assert answer.status_code == 200

    async def told(self) -> Mapping[str, int]:
        async with httpx.AsyncClient() as client:
            return (await client.get(f"{self.server.url}/_control")).json()

    def requests(self) -> list[Request]:
        return taken(self.file)

    def messages(self) -> list[bytes]:
        """The Records and Events of all requests, in order."""
        return [message for request in self.requests() for message in messages_in(request)]


def messages_in(request: Request) -> list[bytes]:
    """The Records or Events of one request."""
    names = set(jsonbytes.members(request.body))
    return jsonbytes.cut(request.body, [*names]) if names in ({"records"}, {"events"}) else [request.body]


def ready(url: str) -> None:
    try:
        # The certificate is not looked at here: this only asks whether the server is up.
        httpx.get(f"{url}/_control", timeout=5, verify=False)  # noqa: S501 - nothing is sent
    except httpx.TransportError as error:
        raise NotReadyError from error


@contextmanager
def receiver_in(
    folder: Path, *options: str, scheme: str = "http", keep: bool = True, **switches: Any
) -> Iterator[Receiver]:
    """A running receiver with its files in this folder; without `keep` it only counts."""
    port, file = steady_port(), folder / "taken"
    command = [sys.executable, "-m", "headwater.testing.webhook_receiver", "--port", str(port)]
    command += [*(["--file", str(file)] if keep else []), "--switches", json.dumps(switches), *options]
    url = f"{scheme}://127.0.0.1:{port}"
    server = Server(name="The receiver", url=url, command=command, log=folder / "log", ready=ready)
    with server.running():
        yield Receiver(server, file)


HELD = "not-taken-yet"


class WebhookRig:
    kind = WEBHOOK
    faithful = keeps_deleted = True
    deduplicates = compares = False
    refused: bytes | None = None
    held: bytes | None = f'"{HELD}"'.encode()
    secrets: Sequence[str] = (SECRET.removeprefix("whsec_"), "right-token", "wrong-token")

    def __init__(self, receiver: Receiver, more: Mapping[str, Any]) -> None:
        self.receiver, self.more = receiver, more

    def settings(self, **more: Any) -> TargetSettings:
        given = {"url": self.receiver.url, "secrets": [SECRET], "headers": {"Authorization": TOKEN}}
        return WebhookSettings.model_validate(given | {"allow_private": True} | self.more | more)

    def wrong(self) -> Mapping[str, tuple[TargetSettings, type[HeadwaterError]]]:
        nobody = f"http://127.0.0.1:{steady_port()}/"
        return {
            "token": (self.settings(headers={"Authorization": "Bearer wrong-token"}), Halt),
            "private": (self.settings(allow_private=False), Halt),
            "private by name": (self.settings(url="http://localhost:1/", allow_private=False), Halt),
            "nobody listens": (self.settings(url=nobody), Retry),
            "no such host": (self.settings(url="http://nowhere.invalid/"), Retry),
            "no TLS there": (self.settings(url=self.receiver.url.replace("http:", "https:")), Retry),
        }

    def kept(self, value: bytes) -> bytes:
        return value

    async def read_back(self, stream: Stream) -> Sequence[bytes]:
        return self.receiver.messages()

    async def stop(self) -> None:
        self.receiver.server.kill()

    async def start(self) -> None:
        self.receiver.server.start()

    async def release(self) -> None:
        await self.receiver.turn(status=200, only="")


@asynccontextmanager
async def webhook_rig(folder: Path, **settings: Any) -> AsyncIterator[WebhookRig]:
    with receiver_in(folder, status=422, only=HELD, authorization=TOKEN) as receiver:
        yield WebhookRig(receiver, settings)
