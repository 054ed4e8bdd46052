"""The fake Stripe as a program of a journey: started, told what should happen, asked for the truth."""

import json
import os
import subprocess
import sys
from typing import Any, Self

import httpx
from tests.journeys.processes import STOP_SECONDS

from headwater.testing.fake_stripe import Switches

COLLECTIONS = {
    "customer": "customer",
    "charge": "charge",
    "invoice": "invoice",
    "subscription": "subscription",
    "product": "product",
    "balance_transaction": "balance_transaction",
    "checkout.session": "checkout_session",
}
"""Class of objects to collection: those of this journey."""


class FakeStripe:
    """The fake Stripe as a process of its own."""

    def __init__(self, *, seed: int, key: str, **switches: Any) -> None:
        Switches().turned(switches)
        command = [sys.executable, "-m", "headwater.testing.fake_stripe", "--seed", str(seed), "--key", key]
        command += ["--switches", json.dumps(switches), "--parent", str(os.getpid())]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        self.url = f"http://127.0.0.1:{int(self._process.stdout.readline())}"
        self._client = httpx.Client(base_url=self.url, timeout=60)
        self.key = key

    def control(self, name: str, **params: Any) -> Any:
        """Tell it to do something."""
        return self._client.post(f"/_control/{name}", params=params).raise_for_status().json()

    def turn(self, **switches: Any) -> None:
        """Turn switches."""
        self._client.patch("/_control/switches", json=switches).raise_for_status()

    def truth(self) -> Any:
        """Return what it knows."""
        return self._client.get("/_control/truth").raise_for_status().json()

    def requests(self) -> Any:
        """Return how it was used."""
        return self._client.get("/_control/requests").raise_for_status().json()

    def push_to(self, url: str) -> str:
        """Have it push events to an address; return the secret."""
        form = {"url": url, "enabled_events[]": "*", "api_version": Switches().account_version}
        headers = {"Authorization": f"Bearer {self.key}"}
        made = self._client.post("/v1/webhook_endpoints", data=form, headers=headers).raise_for_status()
        return made.json()["secret"]

    def roll_key(self) -> str:
        """Return a new key; the old one ends at once."""
        self.key = self.control("roll_key", key=self.key, grace=0)["key"]
        return self.key

    def objects(self) -> dict[tuple[str, str], Any]:
        """Return every object by collection and id."""
        found = self.truth()["objects"]
        return {
            (COLLECTIONS[object], id): value
            for object, of in found.items()
            if object in COLLECTIONS
            for id, value in of.items()
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
