"""What commands are given: documents in files, and `name=value` pairs with values from wherever they are."""

import json
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

import yaml

from headwater.cli.failures import Exit, Failure

SUFFIXES = {".yaml", ".yml", ".json"}


def looks_like_file(text: str) -> bool:
    """Say whether an argument means a document on disk and not the name of a provider."""
    return text == "-" or Path(text).suffix in SUFFIXES or "/" in text


def text_of(file: str) -> str:
    """Return the text of a file; `-` is stdin. Raises: Failure."""
    try:
        return sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise Failure(f"{file} cannot be read: {why}.", exit_code=Exit.USAGE) from error


def document(file: str, text: str) -> dict[str, Any]:
    """Return the YAML or JSON object that a file's text holds. Raises: Failure with a mistake's place."""
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        said = getattr(error, "problem", None) or "it is neither YAML nor JSON"
        raise Failure(f"{file}{place}: {said}.", exit_code=Exit.USAGE) from error
    if not isinstance(found, dict):
        raise Failure(f"{file} holds no object (name: value).", exit_code=Exit.USAGE)
    return found  # pyright: ignore[reportUnknownVariableType]  YAML


def named(pairs: Iterable[str], option: str, environment: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """Return what `name=value` pairs say, dotted names as nested objects.

    Shape: `name=text`, `name=@file` (its text without the last newline), `name=-` (stdin), `name=env:NAME`;
    `name:=json` for numbers, lists and the like. So a secret need not stand on the command line, where every
    user of the machine can read it.
    Raises: Failure.
    """
    found: dict[str, Any] = {}
    for pair in pairs:
        name, sign, text = pair.partition("=")
        if not sign or not name.rstrip(":"):
            raise Failure(
                f"{option} takes name=value.", exit_code=Exit.USAGE, fix=f"Such as {option} token=@file."
            )
        is_json = name.endswith(":")
        wanted = _json(text, option) if is_json else value(text, environment)
        if not put(found, name.rstrip(":"), wanted):
            raise Failure(f"{option} {name} stands below a name that has a value.", exit_code=Exit.USAGE)
    return found


def put(into: dict[str, Any], name: str, value: Any) -> bool:
    """Set a member by its dotted name; say whether that could be done."""
    first, dot, rest = name.partition(".")
    if not dot:
        into[first] = value
        return True
    below = into.setdefault(first, {})
    return isinstance(below, dict) and put(cast("dict[str, Any]", below), rest, value)


def many(pairs: Iterable[str] | None, option: str) -> dict[str, list[str]] | None:
    """Return what `name=value` pairs say, where a name may come several times; None where there are none.

    Raises: Failure.
    """
    found: dict[str, list[str]] = {}
    for pair in pairs or ():
        name, sign, value = pair.partition("=")
        if not sign or not name:
            raise Failure(f"{option} takes name=value.", exit_code=Exit.USAGE)
        found.setdefault(name, []).append(value)
    return found or None


def value(text: str, environment: Mapping[str, str] = os.environ) -> str:
    """Return a value that may be somewhere else: in a file, on stdin, in a variable. Raises: Failure."""
    if text == "-":
        return sys.stdin.read().removesuffix("\n")
    if text.startswith("@"):
        return text_of(text[1:]).removesuffix("\n")
    if text.startswith("env:"):
        name = text.removeprefix("env:")
        if name not in environment:
            raise Failure(f"There is no environment variable {name}.", exit_code=Exit.USAGE)
        return environment[name]
    return text


def _json(text: str, option: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise Failure(f"{option} name:=value takes JSON: {error}.", exit_code=Exit.USAGE) from error
