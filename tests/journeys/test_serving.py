"""What a person and a machine see of a running process: where it is, whether it is well, and why not.

Leaves out: what the API answers (`tests/api`).
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, sync_playwright
from tests.journeys.processes import Server

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture
def page() -> Iterator[Page]:
    """A page of the system's Chromium."""
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    assert program, "the test of the page needs Chromium"
    with sync_playwright() as browsers:
        browser = browsers.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser.new_page()
        browser.close()


def test_a_process_says_where_it_is_and_its_page_why_a_key_is_refused(tmp_path: Path, page: Page) -> None:
    """Its address once it answers; the problem's detail and fix, whichever of the page's calls is first."""
    with Server(home=tmp_path) as server:
        server.start()
        server.wait_until_ready()
        assert f"Headwater is up. Both streams: {server.url}/" in server.tail()
        page.goto(server.url)
        for _ in range(5):  # three calls are refused at once, and the first ends the others
            page.fill("#key", "hw_wrong")
            page.click("button[type=submit]")
            page.wait_for_selector("#refused:not(:empty)")
            page.wait_for_timeout(200)
            problem = httpx.get(f"{server.url}/v1/syncs", headers={"Authorization": "Bearer hw_wrong"}).json()
            assert page.inner_text("#refused") == f"{problem['detail']} {problem['fix']}"
        page.fill("#key", server.key)
        page.click("button[type=submit]")
        page.get_by_text("Connected: both streams").wait_for()
        assert server.stop() == 0


@pytest.mark.server
def test_a_worker_can_be_watched(tmp_path: Path, postgres_database: str) -> None:
    """On a port of its own, if it is given one; it serves nothing but health and metrics."""
    home, settings = tmp_path / "worker", {"metrics_open": "true"}
    with Server(home=home, database_url=postgres_database, role="worker", settings=settings) as worker:
        worker.start()
        worker.wait_until_ready()
        assert f"{worker.url}/health/ready {worker.url}/metrics" in worker.tail()
        assert httpx.get(f"{worker.url}/health/live").json() == {"status": "ok"}
        assert "headwater_info" in httpx.get(f"{worker.url}/metrics").text
        assert httpx.get(f"{worker.url}/v1/syncs").status_code == 404
        assert worker.stop() == 0
