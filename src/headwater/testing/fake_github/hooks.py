"""Webhooks: who is told, and the deliveries with what became of them.

A delivery that fails is not sent again by itself; its attempts can be asked for. Some are lost, come twice or
late, by switches. Everything that is sent is signed over the bytes of its body.
"""

import asyncio
import contextlib
import hashlib
import hmac
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import Any

import aiohttp
import orjson

from headwater.testing.fake_github import shapes
from headwater.testing.fake_github.repo import Facts, Repo
from headwater.testing.fake_github.world import World

_PATIENCE = aiohttp.ClientTimeout(total=10)
"""GitHub waits for ten seconds."""


@dataclass(slots=True, eq=False)
class Delivery:
    """One attempt to deliver an event."""

    id: int
    guid: str
    hook: "Hook"
    event: str
    action: str | None
    repo_id: int
    body: bytes
    at: float = 0.0
    redelivery: bool = False
    status: str = "pending"
    code: int = 0

    def shape(self) -> dict[str, Any]:
        """Return it as the log shows it."""
        return {
            "id": self.id,
            "guid": self.guid,
            "delivered_at": shapes.instant(self.at),
            "redelivery": self.redelivery,
            "duration": 0.1,
            "status": self.status,
            "status_code": self.code,
            "event": self.event,
            "action": self.action,
            "installation_id": None,
            "repository_id": self.repo_id,
            "throttled_at": None,
        }


@dataclass(slots=True, eq=False)
class Hook:
    """A webhook of a repository or an organization."""

    id: int
    owner: str
    """Its path: `/repos/octo/hello` by the repository's id, or `/orgs/octo`."""
    config: dict[str, Any]
    events: list[str]
    active: bool = True
    made_at: float = field(default_factory=time.time)
    deliveries: list[Delivery] = field(default_factory=list[Delivery])

    def shape(self, base: str, path: str) -> dict[str, Any]:
        """Return it as GitHub shows it: the secret is hidden."""
        url = f"{base}{path}/hooks/{self.id}"
        config = {"insecure_ssl": "0", **self.config} | (
            {"secret": "********"} if self.config.get("secret") else {}
        )
        return {
            "type": "Organization" if path.startswith("/orgs/") else "Repository",
            "id": self.id,
            "name": "web",
            "active": self.active,
            "events": self.events,
            "config": config,
            "updated_at": shapes.instant(self.made_at),
            "created_at": shapes.instant(self.made_at),
            "url": url,
            "test_url": f"{url}/test",
            "ping_url": f"{url}/pings",
            "deliveries_url": f"{url}/deliveries",
            "last_response": {"code": None, "status": "unused", "message": None},
        }


def signature(secret: str, body: bytes) -> str:
    """Return what stands in `X-Hub-Signature-256`."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


class Hooks:
    """All webhooks. Deliveries are sent by tasks of their own; `idle` waits for them."""

    def __init__(self, world: World) -> None:
        self.hooks: dict[int, Hook] = {}
        self.counts: Counter[str] = Counter()
        """`delivered`, `failed`, `lost`, `duplicate`, `late`, `redelivered`."""
        self._world, self._dice = world, Random(world.seed + 1)
        self._ids = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._session: aiohttp.ClientSession | None = None
        world.told.append(self._told)

    def make(self, owner: str, config: dict[str, Any], events: list[str]) -> Hook:
        """Make a webhook; it is greeted with a `ping`."""
        hook = Hook(self._next(), owner, config, events)
        self.hooks[hook.id] = hook
        self._send(hook, "ping", None, 0, {"zen": "Keep it logically awesome.", "hook_id": hook.id})
        return hook

    def again(self, delivery: Delivery) -> None:
        """Deliver something once more."""
        self.counts["redelivered"] += 1
        once_more = Delivery(
            self._next(), delivery.guid, delivery.hook, delivery.event, delivery.action, delivery.repo_id,
            delivery.body, redelivery=True,
        )  # fmt: skip
        self._start(self._deliver(once_more))

    async def idle(self) -> None:
        """Wait until nothing is on its way."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    async def close(self) -> None:
        """End: what is on its way does not arrive."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    def _told(self, event: str, action: str | None, repo: Repo, members: Facts) -> None:
        owners = (f"/repositories/{repo.id}", f"/orgs/{repo.owner['login']}")
        told = [
            hook
            for hook in self.hooks.values()
            if hook.active and hook.owner in owners and ("*" in hook.events or event in hook.events)
        ]
        if not told:
            return
        at = self._world.at(repo)
        payload = {
            "repository": shapes.minimal_repository(at),
            "sender": shapes.user(at.base, self._world.me),
            **({} if action is None else {"action": action}),
            **members,
        }
        for hook in told:
            self._send(hook, event, action, repo.id, payload)

    def _send(self, hook: Hook, event: str, action: str | None, repo_id: int, payload: Facts) -> None:
        switches = self._world.switches
        body = orjson.dumps(payload)
        guid = str(uuid.UUID(int=self._dice.getrandbits(128), version=4))
        delivery = Delivery(self._next(), guid, hook, event, action, repo_id, body)
        if event != "ping" and self._dice.random() < switches.lose:
            self.counts["lost"] += 1
            delivery.at, delivery.status, delivery.code = time.time(), "timed out", 0
            hook.deliveries.append(delivery)
            return
        wait = 0.0
        if self._dice.random() < switches.late:
            self.counts["late"] += 1
            wait = switches.late_ms / 1000
        self._start(self._deliver(delivery, wait))
        if self._dice.random() < switches.duplicate:
            self.counts["duplicate"] += 1
            self._start(self._deliver(delivery, wait))

    def _start(self, delivering: Any) -> None:
        with contextlib.suppress(RuntimeError):  # nobody listens where no loop runs
            task: asyncio.Task[None] = asyncio.get_running_loop().create_task(delivering)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            return
        delivering.close()

    async def _deliver(self, delivery: Delivery, wait: float = 0.0) -> None:
        await asyncio.sleep(wait)
        hook = delivery.hook
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "GitHub-Hookshot/fake",
            "X-GitHub-Delivery": delivery.guid,
            "X-GitHub-Event": delivery.event,
            "X-GitHub-Hook-ID": str(hook.id),
            "X-GitHub-Hook-Installation-Target-ID": str(delivery.repo_id),
            "X-GitHub-Hook-Installation-Target-Type": "repository",
        }
        if secret := hook.config.get("secret"):
            headers["X-Hub-Signature-256"] = signature(secret, delivery.body)
        delivery.at = time.time()
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=_PATIENCE)
        try:
            async with self._session.post(hook.config["url"], data=delivery.body, headers=headers) as answer:
                delivery.code = answer.status
        except (aiohttp.ClientError, TimeoutError):
            delivery.code = 0
        good = 200 <= delivery.code < 300
        delivery.status = "OK" if good else "failed to connect to host" if not delivery.code else "Invalid"
        self.counts["delivered" if good else "failed"] += 1
        if delivery not in hook.deliveries:
            hook.deliveries.append(delivery)

    def _next(self) -> int:
        self._ids += 1
        return self._ids
