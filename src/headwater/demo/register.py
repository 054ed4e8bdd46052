"""Put the made-up CRM into a running Headwater: document, credential and sync, by HTTP as anybody would.

Safe to repeat: what is there already stays, and the document only learns the CRM's new address.
"""

import time
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import orjson

DOCUMENT = Path(__file__).with_name("crm.yaml")
PROVIDER = "crm"
NAME = "Demo CRM"
DEFAULT_URL = "http://127.0.0.1:8090"
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
    # The CRM's address is the document's default: so a credential can be tried before there is a sync.
    call("PUT", f"/v1/providers/{PROVIDER}", DOCUMENT.read_text().replace(DEFAULT_URL, url))
    credential = call(
        "POST",
        "/v1/credentials",
        {"provider": PROVIDER, "name": NAME, "properties": {"token": key}},
    )
    if not call("GET", f"/v1/syncs?provider={PROVIDER}")["data"]:
        call("POST", "/v1/syncs", {"provider": PROVIDER, "name": NAME, "credential_id": credential["id"]})


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
        """Call, and return the answer's JSON. A body that is text goes as YAML."""
        content = body.encode() if isinstance(body, str) else None if body is None else orjson.dumps(body)
        kind = "application/yaml" if isinstance(body, str) else "application/json"
        request = Request(  # noqa: S310  the caller's own http URL
            self._url + path,
            data=content,
            headers={"Authorization": f"Bearer {self._key}", "Content-Type": kind},
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
