"""What the documentation says of commands and settings is what there is."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from headwater.cli.failures import Exit
from headwater.cli.program import commands
from headwater.cli.reference import commands_page, every_command
from headwater.providers.table import PROVIDERS
from headwater.settings import Settings

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
COMMANDS = dict(every_command(get_command(commands)))
SETTINGS = {f"HEADWATER_{name.upper()}" for name in Settings.model_fields}
OTHERS = {"HEADWATER_JOURNEYS", "HEADWATER_RECORDS", "HEADWATER_EVENTS"}
"""What else has such a name: a variable of the tests, and the streams that the NATS target makes."""
SHORTHANDS = {
    f"--{field['option']}"
    for provider in PROVIDERS
    for field in provider.config_schema.get("properties", {}).values()
    if "option" in field
}
"""Options of `sync create` that a provider names for its config."""


def command_lines(page: Path) -> list[str]:
    """Return the command lines that call headwater in the code blocks of a page."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    blocks = re.findall(r"```(?:sh|bash|console)?\n(.*?)```", text, re.DOTALL)
    lines = [line.strip().removeprefix("$ ") for block in blocks for line in block.splitlines()]
    return [line for line in lines if re.match(r"(\.venv/bin/)?headwater ", line)]


def options_of(command: Any) -> set[str]:
    return {name for one in command.params for name in (*one.opts, *one.secondary_opts)} | {"--help", "-h"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_in_the_docs_can_be_typed(page: Path) -> None:
    """Each is a command that there is, with options that it has."""
    for line in command_lines(page):
        words = shlex.split(line.split(" | ")[0].split(" > ")[0], comments=True)[1:]
        known = [name for name in COMMANDS if words[: name.count(" ")] == name.split()[1:]]
        assert known, line
        given = {word.partition("=")[0] for word in words if word.startswith("-") and word != "-"}
        more = SHORTHANDS if known[0].endswith("sync create") else set[str]()
        assert given <= options_of(COMMANDS[known[0]]) | more, line


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_settings_in_the_docs_exist(page: Path) -> None:
    """A variable that nothing reads would be followed in vain."""
    assert set(re.findall(r"HEADWATER_[A-Z_]+[A-Z]", page.read_text(encoding="utf-8"))) <= SETTINGS | OTHERS


def test_every_command_explains_itself() -> None:
    """With a sentence, and one for each option."""
    for name, command in COMMANDS.items():
        assert (command.help or "").strip().split("\n")[0].endswith((".", ":")), name
        for parameter in command.params:
            assert parameter.help, (name, parameter.name)


def test_every_listing_takes_json() -> None:
    """So that scripts need not read tables."""
    for name, command in COMMANDS.items():
        if name.endswith((" list", " show", "records", "events", "settings", "doctor", " probe", "demo")):
            assert "--json" in options_of(command), name


def test_the_exit_codes_are_told() -> None:
    """Each number, in the reference and in --help."""
    page = commands_page()
    for code in Exit:
        assert f"| {code.value} | " in page
