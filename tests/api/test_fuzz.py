"""Inputs of every call, right and wrong, made from the OpenAPI document: no 500, and refusals with a fix.

The server runs in a thread of its own and is stopping all along, so that long polls and tails end at once.
"""

import asyncio
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tests.api.server import listening, serve
from tests.management.office import Hands, office

from headwater.store.database import Database
from headwater.streams.memory import MemoryStreams

DOCUMENT = json.loads((Path(__file__).parents[1] / "shapes" / "openapi.json").read_text())
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
OPERATIONS = {
    f"{operation.method.upper()} {operation.path}": operation
    for operation in (found.ok() for found in SCHEMA.get_all_operations())
    if operation.path.startswith("/v1/")
}
CONFORMS = (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
    not_a_server_error,
)


@dataclass(frozen=True)
class Target:
    """A server in another thread, and ids of things that are there."""

    address: str
    headers: dict[str, str]
    ids: dict[str, str]


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """A server for all examples: what they make stays."""
    folder = tmp_path_factory.mktemp("fuzz")
    ready, done, found = threading.Event(), asyncio.Event(), list[Target]()
    loop = asyncio.new_event_loop()

    async def run() -> None:
        clock = Hands()
        database = await Database.open(f"sqlite:///{folder}/headwater.db", clock=clock)
        here = office(database, MemoryStreams(partitions=2, clock=clock), clock)
        async with serve(here) as made, listening(made.app) as address:
            made.parts.stopping.set()
            view = await here.sync()
            await here.write(await here.slot(view.sync.id), "c1", {"n": 1})
            key = await made.call("POST", "/v1/api-keys", 201, json={"name": "a"})
            consumer = (await here.consumer()).consumer
            over_http = await made.call("POST", "/v1/http-consumers", 201, json={"stream": "events"})
            ids = {
                "sync_id": view.sync.id,
                "target_id": consumer.target_id,
                "consumer_id": consumer.id,
                "http-consumers": over_http["id"],
                "credential_id": view.sync.credential_id,
                "key_id": key["id"],
                "name": "crm",
                "collection_id": "crm:contact",
                "upstream_id": "c1",
            }
            found.append(Target(address, dict(made.client.headers), ids))
            ready.set()
            await done.wait()
        await database.close()

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),))
    thread.start()
    assert ready.wait(60)
    yield found[0]
    loop.call_soon_threadsafe(done.set)
    thread.join(60)
    loop.close()


@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode))
@pytest.mark.parametrize("name", OPERATIONS)
def test_inputs_of_every_call(target: Target, name: str, mode: schemathesis.GenerationMode) -> None:
    """Whatever comes in, the answer is one that the document knows, and a refusal has a code and a fix."""
    operation = OPERATIONS[name]

    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(st.data())
    def calls(data: st.DataObject) -> None:
        case = data.draw(operation.as_strategy(mode))
        if case.method != "DELETE" and data.draw(st.booleans()):
            known = {key: target.ids[key] for key in case.path_parameters if key in target.ids}
            if "/http-consumers/" in case.path:
                known["consumer_id"] = target.ids["http-consumers"]
            case.path_parameters = {**case.path_parameters, **known}
        if isinstance(case.body, dict) and data.draw(st.booleans()):
            known = {
                "provider": "crm",
                "credential_id": target.ids["credential_id"],
                "properties": {"token": "abc"},
                "kind": "depot" if "/targets" in case.path else "token",
                "settings": {"url": "depot://host"},
                "target_id": target.ids["target_id"],
                "start": "beginning",
            }
            case.body = case.body | {key: value for key, value in known.items() if key in case.body}
        answer = call(case, target)
        assume(answer.content != b"Invalid HTTP request received.")  # the server itself: 64 KiB of address
        case.validate_response(answer, checks=CONFORMS)
        if answer.status_code >= 400:
            problem = answer.json()
            assert answer.headers["content-type"] == ["application/problem+json"]
            assert problem["code"]
            assert problem["fix"]

    calls()


def call(case: Any, target: Target) -> Any:
    """Make a call with our key, unless the example brings one of its own."""
    with requests.Session() as session:
        headers = {"Authorization": target.headers["authorization"]}
        return case.call(base_url=target.address, session=session, headers=headers, timeout=20)
