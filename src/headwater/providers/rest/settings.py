"""A sync's own settings in a document's addresses: `{config.…}` filled in. Others stay for later."""

import re
from collections.abc import Callable, Mapping
from urllib.parse import quote

from headwater.errors import Invalid
from headwater.providers.provider import JSON
from headwater.providers.rest.document import RestDocument

_SETTING = re.compile(r"\{config\.([^{}]*)\}")
_URL = re.compile(r"https?://[^\s?#@]+")
_HOST_PART = re.compile(r"[A-Za-z0-9._-]+")


class Settings:
    """The values of a sync's settings. One that has none keeps its placeholder."""

    def __init__(self, values: Mapping[str, str]) -> None:
        """`values` by the settings' names."""
        self._values = values

    def path(self, template: str) -> str:
        """Return a path with the settings in it, percent-encoded; a setting may fill several segments."""
        return self._fill(template, lambda value: quote(value, safe="/"))

    def text(self, template: str) -> str:
        """Return a text with the settings in it."""
        return self._fill(template, str)

    def texts(self, templates: Mapping[str, str]) -> dict[str, str]:
        """Return parameters or headers with the settings in them."""
        return {name: self.text(template) for name, template in templates.items()}

    def _fill(self, template: str, spell: Callable[[str], str]) -> str:
        def value(found: re.Match[str]) -> str:
            known = self._values.get(found[1])
            return found[0] if known is None else spell(known)

        return _SETTING.sub(value, template)


def defaults(document: RestDocument) -> Settings:
    """Return the settings of a document where a sync gives none."""
    return Settings(
        {name: each.default for name, each in document.config.items() if each.default is not None}
    )


def settings_of(document: RestDocument, config: Mapping[str, JSON]) -> Settings:
    """Return the settings of a sync's config. Raises: Invalid with what is missing or unfit."""
    values: dict[str, str] = {}
    errors: list[tuple[str, str]] = []
    in_base_url = set(_SETTING.findall(document.base_url))
    for name, setting in document.config.items():
        value = config.get(name, setting.default)
        if value is None:
            errors.append((f"config.{name}", "Is missing."))
        elif isinstance(value, bool) or not isinstance(value, (str, int, float)):
            errors.append((f"config.{name}", "Should be text or a number."))
        elif name in in_base_url and (wrong := _wrong_in_base_url(document.base_url, name, str(value))):
            errors.append((f"config.{name}", wrong))
        else:
            values[name] = str(value)
    if errors:
        raise Invalid(
            f"The config does not say where {document.name} is to be read.",
            code="provider.config_invalid",
            errors=errors,
            fix="Give these values in the sync's config.",
        )
    return Settings(values)


def _wrong_in_base_url(base_url: str, name: str, value: str) -> str | None:
    """Return why a value may not stand in the base URL: it must not move the credential to another host."""
    if base_url.startswith(f"{{config.{name}}}"):
        return None if _URL.fullmatch(value) else 'Should be a URL that starts with "https://".'
    return None if _HOST_PART.fullmatch(value) else "Should have only letters, digits, dots and hyphens."
