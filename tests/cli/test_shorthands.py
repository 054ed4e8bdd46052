"""Options that a provider names for its config are taken by the command that makes a sync."""

from typing import Any

import pytest
from tests.cli.conftest import Headwater
from tests.cli.fake_server import World, uuid

from headwater.cli.failures import Exit

FIELDS = {
    "properties": {
        "repositories": {"type": "array", "items": {"type": "string"}, "option": "repo"},
        "site": {"type": "string", "option": "site"},
        "region": {"type": "string"},
    }
}


@pytest.fixture
def acme(world: World) -> World:
    """A server whose provider names two options."""
    world.families["providers"][0]["config_fields"] = FIELDS
    return world


def config(world: World) -> Any:
    """Return the config of the sync that was made."""
    [body] = [body for verb, path, body in world.requests if verb == "POST" and path == "/v1/syncs"]
    return body["config"]


def test_a_list_takes_an_option_several_times(headwater: Headwater, acme: World) -> None:
    """With or without `=`, beside the command's own options and `--config`."""
    given = ["--repo", "octo/hello", "--repo=octo/other", "--site", "a=b", "--config", "region=eu"]
    found = headwater("sync", "create", "acme", "--credential", uuid(100), *given, "--another")
    assert found.code == Exit.OK
    repositories = ["octo/hello", "octo/other"]
    assert config(acme) == {"repositories": repositories, "site": "a=b", "region": "eu"}


@pytest.mark.parametrize("given", [["--branch", "main"], ["--repo"], ["octo/hello"], ["--region", "eu"]])
def test_what_the_provider_does_not_name_is_refused(
    headwater: Headwater, acme: World, given: list[str]
) -> None:
    """Nothing is made."""
    found = headwater("sync", "create", "acme", "--credential", uuid(100), *given)
    assert found.code == Exit.USAGE
    assert not [verb for verb, _, _ in acme.requests if verb == "POST"]
