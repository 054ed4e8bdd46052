"""Options that a provider itself names for its config: `--repo octo/hello` for GitHub's `repositories`.

A property of its config's schema says it (`"option": "repo"`); one that is a list may be given several times.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from headwater.cli.client import Client, path
from headwater.cli.failures import Exit, Failure


def config(client: Client, provider: str, given: Sequence[str]) -> dict[str, Any]:
    """Return what options that the command itself does not know say of the config. Raises: Failure."""
    found: dict[str, Any] = {}
    if not given:
        return found
    fields: dict[str, Any] = client.call("GET", path("v1", "providers", provider))["config_fields"]
    named = {
        schema["option"]: (name, schema.get("type") == "array")
        for name, schema in fields.get("properties", {}).items()
        if "option" in schema
    }
    for option, value in _pairs(given):
        if option not in named:
            known = ", ".join(f"--{each}" for each in sorted(named))
            raise Failure(
                f"No such option: --{option}.",
                exit_code=Exit.USAGE,
                fix=f"For {provider} there are {known}." if known else None,
            )
        name, many = named[option]
        if many:
            found.setdefault(name, []).append(value)
        else:
            found[name] = value
    return found


def _pairs(given: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Return options with their values: `--repo octo/hello` or `--repo=octo/hello`."""
    rest = list(given)
    while rest:
        option, sign, value = rest.pop(0).partition("=")
        if not option.startswith("--") or (not sign and not rest):
            raise Failure(f"{option} is no option with a value.", exit_code=Exit.USAGE)
        yield option.removeprefix("--"), value if sign else rest.pop(0)
