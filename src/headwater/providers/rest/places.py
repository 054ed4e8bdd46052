"""YAML or JSON into plain values, with the place of each of them: line and column.

Only what JSON can say is read: mappings, lists, text, numbers, true, false, null. Dates, octal numbers, `yes`
and `no` are text; anchors, tags and repeated names are mistakes. So a document means what it looks like.
"""

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, cast

import orjson
import yaml
from yaml.nodes import Node, ScalarNode, SequenceNode

from headwater.errors import Invalid

LONGEST = 250_000
"""Characters."""
_DEEPEST = 50

Place = Sequence[str | int]
"""The way to a value: names of members and numbers of elements."""


class _Loader(yaml.SafeLoader):
    """Knows only JSON's scalars, and no anchors."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 as PyYAML does

    def compose_node(self, parent: Node | None, index: Any) -> Node | None:
        """Compose a node, unless it has an anchor or is an alias: a few of them can blow up without end."""
        event = cast("Any", self).peek_event()
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            mark = cast("yaml.Mark | None", event.start_mark)
            raise _malformed(mark, "anchors and aliases are not read: write it out, or use defaults")
        return super().compose_node(parent, index)


_add_resolver = cast("Callable[[str, re.Pattern[str], list[str]], None]", _Loader.add_implicit_resolver)
for _tag, _pattern, _first in (
    ("null", r"null|~|", ["n", "~", ""]),
    ("bool", r"true|false", ["t", "f"]),
    ("int", r"-?(?:0|[1-9][0-9]*)", list("-0123456789")),
    ("float", r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?", list("-0123456789")),
):
    _add_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_pattern})\Z"), _first)


class Source:
    """A text that was read: its values, and where they stand."""

    def __init__(self, text: str) -> None:
        """Read a text. Raises: Invalid for what is neither YAML nor JSON, with the place."""
        self._marks: dict[tuple[str | int, ...], yaml.Mark] = {}
        self.mistakes: list[tuple[str, str]] = []
        """What is no value of JSON: place and what is wrong. The other values are there all the same."""
        root = _compose(text)
        self.data: Any = None if root is None else self._value(root, ())
        """The values; None for an empty text."""
        if text.lstrip().startswith("{"):
            with suppress(orjson.JSONDecodeError):  # then it is YAML in braces
                self.data = orjson.loads(text)  # reads escapes as JSON does: two surrogates are one character

    def place(self, loc: Place) -> str:
        """Return a place as people read it: `collections.article.path (line 4, column 11)`.

        Of what is missing, line and column are those of the part that lacks it. Steps that are not in the
        text, since the validator put them there (which kind of paging was chosen), are left out.
        """
        names: list[str] = []
        found: tuple[str | int, ...] = ()
        value: Any = self.data
        for step in loc:
            if (*found, step) in self._marks:
                found = (*found, step)
                value = cast("Data | list[Any]", value)[cast("Any", step)]
            elif step == "[key]" or (isinstance(value, dict) and cast("Data", value).get("kind") == step):
                continue
            else:
                value = None
            names.append(str(step))
        mark = self._marks.get(found)
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "line 1, column 1"
        return f"{'.'.join(names) or 'document'} ({where})"

    def _value(self, node: Node, at: tuple[str | int, ...]) -> Any:
        if len(at) > _DEEPEST:
            self._mistake(node, at, "is nested too deeply")
            return None
        if isinstance(node, ScalarNode):
            return self._scalar(node, at)
        if isinstance(node, SequenceNode):
            return [self._element(inner, (*at, number)) for number, inner in enumerate(_elements(node))]
        members: Data = {}
        for key, inner in _members(node):
            name = str(key.value)
            self._marks.setdefault((*at, name), key.start_mark)
            if name in members:
                self._mistake(key, (*at, name), "stands here twice")
            members[name] = self._value(inner, (*at, name))
        return members

    def _element(self, node: Node, at: tuple[str | int, ...]) -> Any:
        self._marks[at] = node.start_mark
        return self._value(node, at)

    def _scalar(self, node: ScalarNode, at: tuple[str | int, ...]) -> Any:
        text = str(node.value)
        match node.tag.removeprefix("tag:yaml.org,2002:"):
            case "str":
                return text
            case "null":
                return None
            case "bool":
                return text == "true"
            case "int":
                return int(text)
            case "float":
                return float(text)
            case _:
                self._mistake(node, at, "has a tag, and tags are not read")
                return None

    def _mistake(self, node: Node, at: tuple[str | int, ...], what: str) -> None:
        mark = node.start_mark
        name = ".".join(map(str, at)) or "document"
        self.mistakes.append((f"{name} (line {mark.line + 1}, column {mark.column + 1})", what))


def refused(mistakes: list[tuple[str, str]]) -> Invalid:
    """Return the error for a document with these mistakes."""
    many = "a mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes"
    return Invalid(
        f"The document has {many}.",
        code="provider.document_invalid",
        errors=mistakes,
        fix="Correct them; docs/reference/rest-document.md describes every field.",
    )


Data = dict[str, Any]


def _compose(text: str) -> Node | None:
    if len(text) > LONGEST:
        raise refused([("document (line 1, column 1)", f"is longer than {LONGEST:,} characters")])
    if text.lstrip().startswith("{"):
        text = text.replace("\t", " ")  # JSON allows tabs between tokens, and nowhere else
    try:
        return _Loader(text).get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise _malformed(mark, f"is neither YAML nor JSON: {error.problem or 'it cannot be read'}") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise _malformed(None, "has characters that are not allowed, or is nested too deeply") from error


def _malformed(mark: yaml.Mark | None, what: str) -> Invalid:
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    return refused([(f"document (line {line}, column {column})", what)])


def _elements(node: SequenceNode) -> list[Node]:
    return cast("list[Node]", node.value)


def _members(node: Node) -> list[tuple[Node, Node]]:
    return cast("list[tuple[Node, Node]]", node.value)
