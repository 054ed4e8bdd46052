"""The documentation agrees with the program."""

import re
from pathlib import Path

import pytest
from scripts.docs import DOCS, PAGES

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
