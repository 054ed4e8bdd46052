"""`headwater settings`: every setting, its value, where it comes from, and what it is for."""

import os
from typing import Annotated

import typer

from headwater import settings
from headwater.cli import options, show


def show_settings(
    explain: Annotated[bool, typer.Option("--explain", help="Say what each is for.")] = False,
    json: options.Json = False,
) -> None:
    """Show all settings, their values and where these come from. Secrets are masked."""
    found = settings.Settings.load().shown()
    if json:
        show.document(
            [
                {
                    "name": one.name,
                    "variable": one.variable,
                    "value": one.value,
                    "source": source(one),
                    "description": one.description,
                }
                for one in found
            ]
        )
    elif explain:
        for one in found:
            show.facts([(one.variable, one.value or "not set"), ("", one.description)])
    else:
        show.table(("SETTING", "VALUE", "FROM"), ((one.variable, one.value, source(one)) for one in found))
    for sentence in settings.unknown(os.environ):
        show.note(sentence)


def source(shown: settings.Shown) -> str:
    """Return where a setting's value comes from."""
    return "environment" if shown.chosen else "default"
