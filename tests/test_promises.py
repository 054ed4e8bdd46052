"""Every promise of docs/promises.md is upheld somewhere and tried somewhere; nothing else is called one."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PROMISE = re.compile(r"\bP([1-9][0-9]?)\b")
PROMISES = re.findall(r"^## (P\d+) ", (ROOT / "docs/promises.md").read_text(encoding="utf-8"), re.MULTILINE)


def comments_and_docstrings(source: str) -> Iterator[str]:
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.string
    for node in ast.walk(ast.parse(source)):
        if (
            isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
        ):
            yield node.value.value


def names_of_tests(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name.startswith("test_"):
            yield node.name


def files(*folders: str) -> Iterator[str]:
    for folder in folders:
        for file in (ROOT / folder).rglob("*.py"):
            yield file.read_text(encoding="utf-8")


CITED = {
    f"P{number}"
    for source in files("src")
    for text in comments_and_docstrings(source)
    for number in PROMISE.findall(text)
}
TRIED = {
    word
    for source in files("tests", "src/headwater/testing")
    for word in " ".join(names_of_tests(source)).replace("_", " ").split()
}


def test_the_promises_are_numbered_as_agreed() -> None:
    """A number is never used again for something else."""
    assert sorted(PROMISES, key=lambda name: int(name[1:])) == PROMISES
    assert len(PROMISES) == len(set(PROMISES))
    assert set(PROMISES) <= {f"P{number}" for number in range(1, 13)}


@pytest.mark.parametrize("promise", PROMISES)
def test_a_promise_is_cited_where_it_is_kept(promise: str) -> None:
    """In a comment or docstring of src/."""
    assert promise in CITED


@pytest.mark.parametrize("promise", PROMISES)
def test_a_promise_is_tried_by_name(promise: str) -> None:
    """By a test that has its number in its name: `pytest -k p3`."""
    assert promise.lower() in TRIED


def test_the_code_cites_no_promise_that_nobody_made() -> None:
    """A promise enters the file with the code that keeps it."""
    assert set(PROMISES) >= CITED
