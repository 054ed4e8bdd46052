"""Put the made-up CRM into a running Headwater: document, credential and sync, by HTTP as anybody would.

Safe to repeat: what is there already stays, and a sync only learns the CRM's new address.
"""

import time
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import orjson
import yaml

DOCUMENT = Path(__file__).with_name("crm.yaml")
NAME = "Demo CRM"
PATIENCE = 60.0
"""Seconds to wait until Headwater is ready."""


class RegisterError(Exception):
    """Headwater did not take the demo."""


def register(headwater: str, key_file: Path, url: str, key: str) -> None:
    """Make, or find, the document, the credential and the sync of the CRM at `url`.

    Raises: RegisterError.
    """
    wait_until_ready(headwater)
    call = Caller(headwater, key_file.read_text().strip())
    document: dict[str, Any] = yaml.safe_load(DOCUMENT.read_text())
    provider = document["name"]
    call("PUT", f"/v1/providers/{provider}", document)
    credential = call(
        "POST",
        "/v1/credentials",
        {"provider": provider, "kind": "bearer", "name": NAME, "properties": {"token": key}},
    )
    known = call("GET", f"/v1/syncs?provider={provider}")["syncs"]
    config = {"base_url": url}
    if not known:
        sync = {"provider": provider, "name": NAME, "credential_id": credential["id"], "config": config}
        call("POST", "/v1/syncs", sync)
    elif known[0]["config"] != config:
        call("PATCH", f"/v1/syncs/{known[0]['id']}", {"config": config})


def wait_until_ready(headwater: str) -> None:
    """Return once Headwater says that it is ready."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            urlopen(f"{headwater}/health/ready", timeout=5).close()  # noqa: S310  the caller's own http URL
        except OSError as error:
            if time.monotonic() > deadline:
                raise RegisterError(
                    f"{headwater} was not ready within {PATIENCE:.0f} s ({error})."
                ) from error
            time.sleep(0.1)
        else:
            return


class Caller:
    """Headwater's HTTP API with a key."""

    def __init__(self, url: str, key: str) -> None:
        self._url, self._key = url, key

    def __call__(self, method: str, path: str, body: Any = None) -> Any:
        """Call, and return the answer's JSON."""
        request = Request(  # noqa: S310  the caller's own http URL
            self._url + path,
            data=orjson.dumps(body) if body is not None else None,
            headers={"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"},
            method=method,
        )
        try:
            with urlopen(request, timeout=30) as answer:  # noqa: S310  the caller's own http URL
                return orjson.loads(answer.read())
        except HTTPError as error:
            with error:
                raise RegisterError(f"{method} {path}: {error.read().decode(errors='replace')}") from error
        except URLError as error:
            raise RegisterError(f"{method} {path}: {error.reason}") from error
