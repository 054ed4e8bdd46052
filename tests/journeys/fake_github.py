"""The fake GitHub as a program of a journey: started, told what should happen, asked for the truth."""

import json
import os
import subprocess
import sys
from typing import Any, Self

import httpx
from tests.journeys.processes import STOP_SECONDS

from headwater.providers.github import GITHUB
from headwater.testing.fake_github import Switches
from headwater.testing.fake_github.visitors import TOKEN

VOLATILE = {collection.name: collection.volatile for collection in GITHUB.collections}
"""Members that change by themselves, by collection: they are not compared."""


class FakeGithub:
    """The fake GitHub as a process of its own."""

    def __init__(self, *, seed: int, repos: list[str], objects: int, **switches: Any) -> None:
        Switches().turned(switches)
        command = [sys.executable, "-m", "headwater.testing.fake_github", "--seed", str(seed)]
        command += [part for repo in repos for part in ("--repo", repo)] + ["--objects", str(objects)]
        command += ["--switches", json.dumps(switches), "--parent", str(os.getpid())]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        self.url = f"http://127.0.0.1:{int(self._process.stdout.readline())}"
        self._client = httpx.Client(base_url=self.url, timeout=120)

    def control(self, name: str, **given: Any) -> Any:
        """Tell it to do something."""
        return self._client.post(f"/_control/{name}", json=given).raise_for_status().json()

    def turn(self, **switches: Any) -> None:
        """Turn switches."""
        self._client.patch("/_control/switches", json=switches).raise_for_status()

    def app(self) -> dict[str, str]:
        """Return what lets the App in."""
        return self._client.get("/_control/app").raise_for_status().json()

    def counts(self) -> Any:
        """Return how it was used."""
        return self._client.get("/_control/counts").raise_for_status().json()

    def push_to(self, repo: str, url: str, secret: str) -> None:
        """Have it push all events of a repository to an address."""
        config = {"url": url, "content_type": "json", "secret": secret}
        body = {"name": "web", "events": ["*"], "config": config}
        headers = {"Authorization": f"Bearer {TOKEN}"}
        self._client.post(f"/repos/{repo}/hooks", json=body, headers=headers).raise_for_status()

    def objects(self) -> dict[tuple[str, str], Any]:
        """Return every object by collection and id, without what changes by itself."""
        found = self._client.get("/_control/dump").raise_for_status().json()
        return {
            (name, id): lasting(name, value)
            for name, objects in found.items()
            for id, value in objects.items()
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


def lasting(collection: str, value: dict[str, Any]) -> dict[str, Any]:
    """Return an object without the members that change by themselves."""
    return {name: one for name, one in value.items() if name not in VOLATILE[collection]}
