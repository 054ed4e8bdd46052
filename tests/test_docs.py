"""The documentation agrees with the program."""

import re
import shlex
from pathlib import Path

import pytest
from scripts.docs import DOCS, PAGES
from typer.main import get_command

from headwater.cli import program
from headwater.providers import rest

ROOT = DOCS.parent
WRITTEN = sorted(DOCS.rglob("*.md"))


@pytest.mark.parametrize("name", PAGES)
def test_made_pages_are_as_the_declarations_say(name: str) -> None:
    """After a change of a declaration, `make docs` writes its page anew."""
    assert (DOCS / name).read_text(encoding="utf-8") == PAGES[name]()


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: str(page.relative_to(DOCS)))
def test_documents_in_the_docs_can_be_read(page: Path) -> None:
    """Each YAML block that is a whole document is one."""
    for block in re.findall(r"```yaml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        if re.search(r"^base_url:", block, re.MULTILINE):
            rest.provider(rest.parse(block))


@pytest.mark.parametrize("example", sorted(ROOT.glob("examples/**/*.yaml")), ids=lambda path: path.name)
def test_example_documents_can_be_read(example: Path) -> None:
    """The examples are documents, too."""
    assert rest.provider(rest.parse(example.read_text(encoding="utf-8"))).collections


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: str(page.relative_to(DOCS)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    """No link to a file that is not there."""
    for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def commands() -> list[str]:
    """Return every command line of ours in the docs and the README."""
    found: list[str] = []
    for page in (*WRITTEN, ROOT / "README.md"):
        blocks = re.findall(r"```(\w*)\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
        for shell in (block for language, block in blocks if language in {"", "sh", "console"}):
            joined = shell.replace("\\\n", " ")
            found += re.findall(r"^\s*(?:\$ )?(headwater .*)$", joined, re.MULTILINE)
    return sorted(set(found))


@pytest.mark.parametrize("line", commands())
def test_commands_in_the_docs_can_be_given(line: str) -> None:
    """Each is one of ours with arguments and options that it takes, and has what its document's API needs."""
    words = shlex.split(line, comments=True)[1:]
    command = get_command(program.commands)
    while (below := getattr(command, "commands", None)) and words and words[0] in below:
        command = below[words.pop(0)]
    assert not below, line
    given = command.make_context(line, words, resilient_parsing=False).params
    file = ROOT / str(given.get("file") or given.get("provider") or "no file")
    if file.is_file():
        provider = rest.provider(rest.parse(file.read_text(encoding="utf-8")))
        [kind] = provider.credential_kinds
        named = {pair.partition("=")[0] for pair in given["properties"] or ()}
        assert named == set(kind.schema.get("required", ())), line
