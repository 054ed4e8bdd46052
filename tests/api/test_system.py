"""Health, metrics, and the one page."""

import re

from tests.api.server import Server, serve


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
