"""Health, metrics, and the one page."""

import asyncio
import re

import httpx
import pytest
from tests.api.server import Server, listening, serve

from headwater.api.app import create


async def test_live_and_ready_need_no_key(server: Server) -> None:
    """Ready says why it is not."""
    nobody = {"Authorization": ""}
    assert await server.get("/health/live", headers=nobody) == {"status": "ok"}
    assert await server.get("/health/ready", headers=nobody) == {"status": "ok"}
    server.not_ready.append("The database does not answer.")
    problem = await server.refused("GET", "/health/ready", 503, "not_ready", headers=nobody)
    assert problem["detail"] == "The database does not answer."
    server.not_ready.clear()
    server.parts.stopping.set()
    await server.refused("GET", "/health/ready", 503, "not_ready", headers=nobody)
    await server.get("/health/live", headers=nobody)


async def test_p12_metrics_need_a_reading_key_of_nobodys_unless_opened(server: Server) -> None:
    """A setting opens them to whoever scrapes."""
    nobody = {"Authorization": ""}
    await server.refused("GET", "/metrics", 401, "key.missing", headers=nobody)
    await server.refused("GET", "/metrics", 403, "key.scope", headers=await server.key("write"))
    tenant = await server.key("admin", external_id="a")  # P12: the numbers are those of all
    await server.refused("GET", "/metrics", 403, "key.tenant", headers=tenant)
    answer = await server.client.get("/metrics")
    assert (answer.text, answer.headers["content-type"]) == (
        "up 1\n",
        "text/plain; version=0.0.4; charset=utf-8",
    )
    async with serve(server.office, metrics_open=True) as opened:
        assert (await opened.client.get("/metrics", headers=nobody)).status_code == 200


async def test_a_worker_answers_health_and_metrics_only(server: Server) -> None:
    """Metrics need a key there, too."""
    app = create(server.parts, only_system=True)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://worker") as client:
        assert (await client.get("/health/live")).status_code == 200
        assert (await client.get("/health/ready")).status_code == 200
        assert (await client.get("/metrics")).status_code == 401
        assert (await client.get("/metrics", headers=server.client.headers)).text == "up 1\n"
        for path in ("/", "/v1/records", "/v1/syncs", "/static/page.js"):
            assert (await client.get(path, headers=server.client.headers)).status_code == 404
        assert (await client.get("/health/ready?x=1")).status_code == 422


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/", 200),
        ("/health/ready", 200),
        ("/v1/syncs", 200),
        ("/v1/events", 200),
        ("/v1/syncs/x", 404),
        ("/v1/records?limit=0", 422),
        ("/nothing", 404),
    ],
)
async def test_head_is_get_without_a_body(server: Server, path: str, status: int) -> None:
    """Same status and headers, where there is GET; errors, too."""
    get, head = [await server.client.request(method, path) for method in ("GET", "HEAD")]
    assert get.status_code == head.status_code == status
    assert head.headers == get.headers
    assert (bool(get.content), head.content) == (True, b"")


async def test_head_where_there_is_no_get(server: Server) -> None:
    """Says which methods there are, without a body."""
    answer = await server.client.head("/v1/syncs/x/check")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


async def test_head_of_a_tail_ends(server: Server) -> None:
    """The head of a stream without end comes at once, and its connection is free for the next request."""
    async with asyncio.timeout(10):
        answer = await server.client.head("/v1/events/tail")
    assert answer.headers["content-type"].startswith("text/event-stream")
    async with listening(server.app) as url, httpx.AsyncClient(headers=server.client.headers) as client:
        for _ in range(2):  # on one connection
            assert (await client.head(f"{url}/v1/records/tail", timeout=10)).status_code == 200
            assert (await client.get(f"{url}/health/live", timeout=10)).json() == {"status": "ok"}


async def test_the_page_loads_nothing_from_elsewhere(server: Server) -> None:
    """Its policy forbids it, and its files name no other host; nothing is inline."""
    page = await server.client.get("/", headers={"Authorization": ""})
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    names = set(re.findall(r'(?:src|href)="(/[^"]*)"', page.text))
    assert names == {"/static/page.js", "/static/page.css"}
    texts = [page.text]
    for name in names:
        answer = await server.client.get(name)
        assert answer.headers["content-security-policy"] == policy
        texts.append(answer.text)
    assert not re.search(r"https?://|//[a-z]+\.[a-z]", "\n".join(texts))
    assert not re.search(r"<style|<script>|style=|onclick=|innerHTML", "\n".join(texts))
    await server.refused("GET", "/static/other.js", 404, "not_found")
    await server.refused("GET", "/static/..%2fapp.py", 404, "not_found")
