"""`headwater rest`: a document checked here, and tried on a real API, the made-up CRM."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.conftest import Headwater

from headwater.cli.failures import Exit

DOCUMENT = """\
name: people
base_url: "{config.base_url}"
config: {base_url: {title: Where}}
auth: {kind: bearer}
collections:
  contact:
    path: /v1/contacts
    items: items
    updated_at: updated_at
    since: {send: updated_since}
    paging: {kind: cursor, take: next_cursor, send: cursor}
"""


@pytest.fixture(scope="module")
def crm() -> Iterator[str]:
    command = [sys.executable, "-m", "headwater.demo", "--port", "0", "--changes", "0", "--faults", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())["url"]
        finally:
            process.terminate()


@pytest.fixture
def file(tmp_path: Path) -> str:
    (tmp_path / "people.yaml").write_text(DOCUMENT)
    return str(tmp_path / "people.yaml")


def test_a_probe_tells_what_the_api_does(headwater: Headwater, crm: str, file: str) -> None:
    """Facts as JSON for scripts; warnings do not count against it."""
    found = headwater(
        "rest", "probe", file, "--set", "token=demo-key", "--config", f"base_url={crm}", "--json"
    )
    assert found.code == Exit.OK
    [contact] = found.json["collections"]
    assert contact["collection"] == "contact"
    assert contact["page_sizes"] == [50, 50, 50]
    assert contact["inclusive"] is True
    assert contact["largest_tie"] > 1
    assert any("delete" in sentence for sentence in contact["warnings"])
    assert "demo-key" not in found.out + found.err


def test_a_probe_for_people(headwater: Headwater, crm: str, file: str, tmp_path: Path) -> None:
    """The credential may come from a file."""
    (tmp_path / "credential.yaml").write_text("token: demo-key\n")
    credential = str(tmp_path / "credential.yaml")
    found = headwater("rest", "probe", file, "--credential-file", credential, "--config", f"base_url={crm}")
    assert found.code == Exit.OK
    assert "inclusive\tyes\n" in found.out
    assert "sweep" in found.err


def test_a_probe_that_is_refused(headwater: Headwater, crm: str, file: str) -> None:
    """Exit code 1, and why."""
    found = headwater("rest", "probe", file, "--set", "token=wrong", "--config", f"base_url={crm}")
    assert found.code == Exit.FAILED
    assert "401" in found.err
    assert "wrong" not in found.out + found.err


def test_a_credential_that_does_not_fit(headwater: Headwater, file: str) -> None:
    """Said before the API is asked."""
    config = ("--config", "base_url=http://127.0.0.1:1")
    missing = headwater("rest", "probe", file, *config)
    assert missing.code == Exit.USAGE
    assert "--set token=@FILE" in missing.err
    strange = headwater("rest", "probe", file, *config, "--set", "token=x", "--set", "tokn=x")
    assert strange.code == Exit.USAGE
    assert "tokn" in strange.err


def test_a_documents_mistakes_have_their_places(headwater: Headwater, file: str) -> None:
    """All at once."""
    assert headwater("rest", "check", file).out == "people: 1 collection, no mistakes.\n"
    Path(file).write_text(DOCUMENT.replace("path:", "pth:").replace("kind: bearer", "kind: bear"))
    found = headwater("rest", "check", file)
    assert found.code == Exit.REFUSED
    assert "pth" in found.err
    assert "auth" in found.err
    assert "line" in found.err
