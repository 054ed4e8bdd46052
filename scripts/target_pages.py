"""What the pages of docs/targets/ have from the declarations: the settings of each kind, and the index.

A page's prose is its author's; what stands between the two marks is written by `make docs`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from headwater.kit import durations
from headwater.targets.target import Kind

BEGIN = "<!-- Settings: written by `make docs` from the code. Change them there. -->"
END = "<!-- End of settings. -->"
_FORMATS = {"password": "secret", "duration": "duration", "path": "path"}
_TYPES = {"boolean": "`true` or `false`", "string": "text", "object": "object", "null": "`null`"}
INDEX = """\
# Targets

<!-- Written by `make docs` from the code. Change it there. -->

A target is where a managed consumer writes what it reads. [Forward to a
target](../how-to/forward-to-a-target.md) has the whole way; `headwater target kinds` shows what a server has.

| kind | what it is | promises | streams | by URL | needs |
|---|---|---|---|---|---|
"""


def page(kind: Kind, path: Path) -> str:
    """Return the page of a kind: what is written there, with its settings as they are declared."""
    text = path.read_text(encoding="utf-8") if path.exists() else f"# {kind.title}\n\n{kind.summary}\n"
    settings = "\n".join([BEGIN, "", *_facts(kind), "", *_table(kind), "", END])
    if BEGIN not in text:
        return f"{text}\n## Settings\n\n{settings}\n"
    before, _, rest = text.partition(BEGIN)
    return before + settings + rest.partition(END)[2]


def index(kinds: Sequence[Kind]) -> str:
    """Return the page that lists the kinds."""
    rows = (
        "| "
        + " | ".join(
            (
                f"[{kind.title}]({kind.name}.md)",
                kind.summary,
                kind.guarantee,
                _streams(kind),
                _schemes(kind),
                _needs(kind),
            )
        )
        + " |\n"
        for kind in sorted(kinds, key=lambda kind: kind.name)
    )
    return INDEX + "".join(rows)


def _facts(kind: Kind) -> list[str]:
    facts = {
        "Kind": f"`{kind.name}`",
        "Promises": kind.guarantee,
        "Streams": _streams(kind),
        "By URL": _schemes(kind),
        "Needs": _needs(kind),
    }
    return [f"- {name}: {fact}" for name, fact in facts.items() if fact]


def _streams(kind: Kind) -> str:
    return " and ".join(sorted(kind.streams, reverse=True))


def _schemes(kind: Kind) -> str:
    return ", ".join(f"`{scheme}://…`" for scheme in kind.schemes)


def _needs(kind: Kind) -> str:
    return f"`pip install 'headwater[{kind.name}]'`" if kind.driver else "nothing more"


def _table(kind: Kind) -> list[str]:
    schema = kind.settings.model_json_schema()
    rows = _rows(schema, schema, "")
    return ["| setting | what it takes | default | what it is |", "|---|---|---|---|", *rows]


def _rows(model: Mapping[str, Any], whole: Mapping[str, Any], prefix: str) -> Iterator[str]:
    """Give a row for each field of a model, and of those below it."""
    for name, declared in model.get("properties", {}).items():
        field = _resolved(declared, whole)
        below = _resolved(field.get("items", field), whole)
        row = (
            f"`{prefix}{name}`",
            " or ".join(_takes(declared, whole)),
            _default(declared) if name not in model.get("required", ()) else "*must be given*",
            _in_a_cell(declared.get("description", field.get("description", ""))),
        )
        yield "| " + " | ".join(row) + " |"
        if "properties" in below:
            yield from _rows(below, whole, f"{prefix}{name}{'[]' if below is not field else ''}.")


def _resolved(field: Mapping[str, Any], whole: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a reference stands for."""
    if "$ref" in field:
        return whole["$defs"][field["$ref"].rpartition("/")[2]]
    return field


def _takes(field: Mapping[str, Any], whole: Mapping[str, Any]) -> Iterator[str]:
    """Give the words for what a field takes; null only where that is not what it is without being given."""
    field = _resolved(field, whole)
    for one in field.get("anyOf", ()):
        if one.get("type") != "null" or field.get("default") is not None:
            yield from _takes(one, whole)
    if "anyOf" in field:
        return
    if "enum" in field:
        yield from (f"`{word}`" for word in field["enum"])
    elif field.get("format") in _FORMATS:
        yield _FORMATS[field["format"]]
    elif field.get("type") == "array":
        yield "list of " + " or ".join(f"{word}s" for word in _takes(field.get("items", {}), whole))
    elif isinstance(values := field.get("additionalProperties"), dict):
        yield "object of " + " or ".join(f"{word}s" for word in _takes(values, whole))
    elif field.get("type") in ("integer", "number"):
        yield "number" + _range(field)
    else:
        yield _TYPES[field.get("type", "string")]


def _range(field: Mapping[str, Any]) -> str:
    low, high = field.get("minimum"), field.get("maximum")
    if low is not None and high is not None:
        return f", {low} to {high}"
    return f", at least {low}" if low is not None else f", at most {high}" if high is not None else ""


def _default(field: Mapping[str, Any]) -> str:
    """Return a default as a user would write it."""
    default = field.get("default")
    if default in (None, [], {}, ""):
        return ""
    if isinstance(default, str) and re.fullmatch(r"P(?:\d|T).*", default):
        return f"`{durations.show(durations.parse(default))}`"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def _in_a_cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
