"""The made-up CRM puts itself into a running Headwater, by the HTTP API alone."""

from pathlib import Path

import pytest
from tests.cli.fake_server import KEY, FakeServer, World

from headwater.demo.register import DEFAULT_URL, DOCUMENT, RegisterError, register
from headwater.providers import rest


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    (tmp_path / "api.key").write_text(f"{KEY}\n")
    return tmp_path / "api.key"


def test_document_credential_and_sync_are_made_once(key_file: Path) -> None:
    """A second start finds the sync, and tells the document where the CRM is now."""
    world = World()
    with FakeServer(world) as server:
        register(server.url, key_file, "http://127.0.0.1:1111", "demo-key")
        register(server.url, key_file, "http://127.0.0.1:2222", "demo-key")
    assert [sync["provider"] for sync in world.families["syncs"]] == ["crm"]
    first, second = [body for verb, _, body in world.requests if verb == "PUT"]
    assert "default: http://127.0.0.1:1111\n" in first
    assert "default: http://127.0.0.1:2222\n" in second
    credentials = [body for verb, path, body in world.requests if (verb, path) == ("POST", "/v1/credentials")]
    assert [body["properties"] for body in credentials] == [{"token": "demo-key"}] * 2


def test_a_refusal_is_told(key_file: Path) -> None:
    """With what the server said."""
    key_file.write_text("hw_bad")
    with FakeServer(World()) as server, pytest.raises(RegisterError, match=r"PUT .*key\.invalid"):
        register(server.url, key_file, "http://127.0.0.1:1111", "demo-key")


def test_the_document_is_one() -> None:
    """And it names the address that the registration replaces."""
    text = DOCUMENT.read_text()
    assert text.count(DEFAULT_URL) == 1
    provider = rest.provider(rest.parse(text))
    assert provider.base_url == DEFAULT_URL
    assert [collection.sees_deletes for collection in provider.collections] == [True, True, False]
