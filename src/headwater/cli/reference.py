"""`docs/reference/commands.md` and `settings.md`, made out of the commands and settings themselves."""

import ast
import inspect
from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from headwater.cli import failures
from headwater.settings import Settings

GENERATED = "<!-- Written by `make docs` from the code. Change it there. -->\n"


def commands_page() -> str:
    """Return the page of all commands, their options, and the exit codes."""
    from headwater.cli.program import commands  # imported here: it names every command, this file is not one

    lines = ["# Commands", "", GENERATED]
    lines += ["Each command says more with `--help`. Where there is `--json`, its output is stable.", ""]
    for name, command in every_command(get_command(commands)):
        lines += [f"## `{name}`", "", *plain(command.help or ""), ""]
        rows = [row for parameter in command.params if (row := parameter_row(parameter))]
        lines += ["| | |", "|---|---|", *rows, ""] if rows else []
    lines += ["## Exit codes", "", "| code | meaning |", "|---|---|", *exit_codes()]
    return "\n".join(lines) + "\n"


def every_command(command: Any, name: str = "headwater") -> Iterator[tuple[str, Any]]:
    """Give all commands with their full names; groups only by what is in them."""
    below = getattr(command, "commands", None)
    if below is None:
        yield name, command
        return
    for word in below:
        yield from every_command(below[word], f"{name} {word}")


def plain(text: str) -> list[str]:
    """Return a help text as lines."""
    return [line.strip() for line in inspect.cleandoc(text).splitlines()]


def parameter_row(parameter: Any) -> str | None:
    """Return the row of an argument or option; None for those that are not for people."""
    if getattr(parameter, "hidden", False) or parameter.name == "help":
        return None
    is_argument = parameter.param_type_name == "argument"
    options = ", ".join([*parameter.opts, *parameter.secondary_opts])
    name = parameter.metavar or parameter.name.upper() if is_argument else options
    said = " ".join((parameter.help or "").split())
    default = parameter.default
    if not is_argument and default not in (None, False, (), []) and not callable(default):
        said += f" Default: {default}."
    return f"| `{name}` | {in_a_cell(said)} |"


def exit_codes() -> Iterator[str]:
    """Give the rows of the exit codes, each with the docstring that stands below it."""
    [exits] = ast.parse(inspect.getsource(failures.Exit)).body
    said: dict[str, str] = {"OK": "It is done."}
    last = ""
    for node in exits.body if isinstance(exits, ast.ClassDef) else ():
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            last = node.targets[0].id
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and last:
            said[last] = " ".join(str(node.value.value).split())
    for code in failures.Exit:
        yield f"| {code.value} | {said[code.name]} |"


def settings_page() -> str:
    """Return the page of all settings."""
    lines = ["# Settings", "", GENERATED]
    lines += ["Each is an environment variable. `headwater settings` shows what is in force.", ""]
    lines += ["| variable | default | what it is |", "|---|---|---|"]
    for one in Settings.model_construct().shown():
        default = f"`{one.value}`" if one.value and one.name != "home" else ""
        lines.append(f"| `{one.variable}` | {default} | {in_a_cell(one.description)} |")
    return "\n".join(lines) + "\n"


def in_a_cell(text: str) -> str:
    """Return a text as it may stand in a table."""
    return text.replace("|", "\\|")
