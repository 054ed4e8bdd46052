"""`docs/errors.md` has every code that the program can give, and no other."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from headwater.api import problems

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "src" / "headwater"
ELSEWHERE = ("demo", "testing")
"""Programs of their own, with errors of their own."""
CODE = re.compile(r"[a-z_]+(\.[a-z_]+)?")


def given(tree: ast.AST) -> Iterator[str]:
    """Return the codes that a module names: `code="…"` in a call, `code = "…"` in a class."""
    for node in ast.walk(tree):
        match node:
            case (
                ast.keyword(arg="code", value=ast.Constant(value=str(code)))
                | ast.Assign(targets=[ast.Name(id="code")], value=ast.Constant(value=str(code)))
                | ast.AnnAssign(target=ast.Name(id="code"), value=ast.Constant(value=str(code)))
            ) if CODE.fullmatch(code):
                yield code
            case _:
                pass


def test_every_code_is_documented_and_no_other() -> None:
    """A code is a promise to programs, so the list is kept by a test."""
    found: set[str] = set(problems._CODES.values())
    for path in SOURCES.rglob("*.py"):
        if path.relative_to(SOURCES).parts[0] not in ELSEWHERE:
            found |= set(given(ast.parse(path.read_text())))
    documented = re.findall(r"^\| `([a-z_.]+)` \|", (ROOT / "docs" / "errors.md").read_text(), re.MULTILINE)
    assert len(documented) == len(set(documented))
    assert set(documented) == found


def test_the_documented_statuses_are_those_that_are_answered() -> None:
    """As far as errors have one of their own."""
    text = (ROOT / "docs" / "errors.md").read_text()
    documented = dict(re.findall(r"^\| `([a-z_.]+)` \| (\d{3}) \|", text, re.MULTILINE))
    for status, code in problems._CODES.items():
        assert documented[code] == str(status)
