"""Errors: every one is problem+json with a code and a fix, and nothing of a request is silently ignored."""

from typing import Any

import httpx
import pytest
from tests.api.server import Server
from tests.api.test_management import CREDENTIAL

from headwater.errors import Conflict, Halt, Retry

JSON = {"content-type": "application/json"}


async def test_without_a_key_nothing_is_told(server: Server) -> None:
    """401 with the scheme; for a nonsense key too."""
    for headers, code in (
        ({"Authorization": ""}, "key.missing"),
        ({"Authorization": "Basic eDp5"}, "key.missing"),
        ({"Authorization": "Bearer nonsense"}, "key.invalid"),
        ({"Authorization": b"Bearer \xff"}, "key.invalid"),
    ):
        answer = await server.client.get("/v1/syncs", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, code)
        assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "not_found"),
        ("GET", "/v1/syncs/", 404, "not_found"),
        ("PUT", "/v1/syncs", 405, "request.method"),
        ("DELETE", "/v1/records", 405, "request.method"),
        ("GET", "/v1/records?limit=0", 422, "request.invalid"),
        ("GET", "/v1/records?limit=ten", 422, "request.invalid"),
        ("GET", "/v1/records?wait_for=60001", 422, "request.invalid"),
        ("GET", "/v1/records?deleted=perhaps", 422, "request.invalid"),
        ("GET", "/v1/events?event=changed", 422, "request.invalid"),
        ("GET", "/v1/records?event=created", 422, "request.invalid"),
        ("GET", "/v1/syncs/%00", 400, "request.malformed"),
        ("GET", "/v1/syncs?external_id=%00", 400, "request.malformed"),
        ("DELETE", "/v1/syncs/x?records=some", 422, "request.invalid"),
    ],
)
async def test_wrong_addresses(server: Server, method: str, path: str, status: int, code: str) -> None:
    """Each has its status and code."""
    await server.refused(method, path, status, code)


async def test_unknown_and_repeated_parameters_are_refused(server: Server) -> None:
    """With the nearest name that there is; repeatable ones may be repeated."""
    problem = await server.refused("GET", "/v1/records?provdier=crm", 422, "request.invalid")
    assert problem["errors"] == [
        {"field": "provdier", "detail": "There is no such parameter; did you mean `provider`?"}
    ]
    problem = await server.refused("GET", "/v1/records?limit=1&limit=2", 422, "request.invalid")
    assert problem["errors"] == [{"field": "limit", "detail": "Is given more than once."}]
    await server.get("/v1/records?provider=crm&provider=billing")
    for path in ("/health/live", "/", "/v1/api-keys"):
        await server.refused("GET", path + "?x=1", 422, "request.invalid")


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({}, [("provider", "Is missing.")]),
        (
            CREDENTIAL | {"propertiess": {}},
            [("propertiess", "There is no such field; did you mean `properties`?")],
        ),
        (
            CREDENTIAL | {"rate_limit": {"allowed_requests": 1, "intervals": 1}},
            [
                ("rate_limit.interval", "Is missing."),
                ("rate_limit.intervals", "There is no such field; did you mean `interval`?"),
            ],
        ),
        (CREDENTIAL | {"name": 5}, [("name", "Input should be a valid string.")]),
        (CREDENTIAL | {"name": "a\0b"}, [("name", "Must not contain a NUL character.")]),
        (CREDENTIAL | {"metadata": {"a": "\0"}}, [("metadata", "Must not contain a NUL character.")]),
        (CREDENTIAL | {"metadata": {"a": "x" * 70_000}}, [("metadata", "Must be at most 64 KiB.")]),
    ],
)
async def test_wrong_fields_are_named(
    server: Server, body: dict[str, Any], errors: list[tuple[str, str]]
) -> None:
    """With their path, and what is wrong; the nearest name where there is no such field."""
    problem = await server.refused("POST", "/v1/credentials", 422, "request.invalid", json=body)
    assert [(one["field"], one["detail"]) for one in problem["errors"]] == errors


@pytest.mark.parametrize("media_type", ["application/octet-stream", "text/plain", "application/json", None])
async def test_an_empty_body_is_no_body_whatever_its_type(server: Server, media_type: str | None) -> None:
    """Some clients name a type above nothing: where the body may be left out, it is."""
    view = await server.office.sync()
    headers = {} if media_type is None else {"content-type": media_type}
    path = f"/v1/syncs/{view.sync.id}"
    await server.call("POST", f"{path}/check", 202, headers=headers, content=b"")
    started = await server.call("POST", f"{path}/backfills", 202, headers=headers, content=b"")
    assert len(started["data"]) == 3
    await server.refused("POST", "/v1/syncs", 422, "request.invalid", headers=headers, content=b"")


@pytest.mark.parametrize(
    ("content", "headers", "status", "code"),
    [
        (b"{", JSON, 400, "request.malformed"),
        (b"\xff\xfe", JSON, 400, "request.malformed"),
        (b"[" * 100_000, JSON, 400, "request.malformed"),
        (b"5", JSON, 422, "request.invalid"),
        (b'{"provider": "crm", "metadata": {"a": NaN}}', JSON, 422, "request.invalid"),
        (b'{"provider": "crm", "name": "\\ud800"}', JSON, 422, "request.invalid"),
        (b"{}", {"content-type": "text/plain"}, 415, "request.media_type"),
        (b"{}", {"content-type": "application/x-www-form-urlencoded"}, 415, "request.media_type"),
        (b"{}", {}, 415, "request.media_type"),
        (b"", JSON, 422, "request.invalid"),
        (b'{"name": "' + b"x" * 10_100_000 + b'"}', JSON, 413, "request.too_large"),
    ],
)
async def test_wrong_bodies(
    server: Server, content: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    """None is a 500, and none is taken for something else."""
    await server.refused("POST", "/v1/credentials", status, code, content=content, headers=headers)


async def test_a_body_without_a_length_is_measured_too(server: Server) -> None:
    """Chunks are counted."""

    async def chunks() -> Any:
        for _ in range(110):
            yield b" " * 100_000

    await server.refused("POST", "/v1/credentials", 413, "request.too_large", content=chunks(), headers=JSON)


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Retry("Busy.", code="database.busy"), 503, "database.busy"),
        (Halt("Full.", code="database.full", fix="Free some."), 503, "database.full"),
        (Halt("Revoked.", code="vault.key_missing", fix="Put it back."), 503, "vault.key_missing"),
        (Conflict(), 409, "stream.conflict"),
        (ZeroDivisionError("s3cr3t"), 500, "internal"),
    ],
)
async def test_errors_from_below(
    server: Server, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int, code: str
) -> None:
    """Each is answered by what the caller should do; a mistake of ours tells nothing of itself."""

    async def failing(*_given: Any, **_more: Any) -> Any:
        raise error

    monkeypatch.setattr(server.office.services.syncs, "page", failing)
    answer = await server.client.get("/v1/syncs")
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert "s3cr3t" not in answer.text
    assert ("retry-after" in answer.headers) == isinstance(error, Retry)


async def test_p8_a_problem_repeats_nothing_that_was_sent(server: Server) -> None:
    """Wherever a secret is put, the answer that refuses it does not have it."""
    secret = "s3cr3t-value"
    bodies: list[Any] = [
        {"provider": secret},
        {"provider": "crm", "properties": {"tokn": secret}},
        {"provider": "crm", "properties": {"token": {"a": secret}}},
        {"provider": "crm", "properties": secret},
        {"provider": "crm", "kind": secret},
        [secret],
    ]
    answers: list[httpx.Response] = [
        await server.client.post("/v1/credentials", json=body) for body in bodies
    ]
    answers.append(await server.client.get("/v1/syncs", headers={"Authorization": f"Bearer {secret}"}))
    answers.append(await server.client.get(f"/v1/records?after_cursor={secret}"))
    answers.append(await server.client.post("/v1/credentials", content=f'{{"{secret}', headers=JSON))
    for answer in answers:
        assert answer.status_code >= 400
        assert secret not in answer.text
