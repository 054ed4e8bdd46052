"""Which providers there are: the built-in ones and those of stored `rest` documents. Keeps nothing on disk
itself.
"""

from collections.abc import Iterable

import structlog

from headwater.errors import Invalid
from headwater.providers import rest
from headwater.providers.provider import Provider
from headwater.providers.table import PROVIDERS

_log = structlog.get_logger(__name__)


class Catalogue:
    """The providers of one installation, by name. A document never hides a built-in provider."""

    def __init__(self, builtin: Iterable[Provider] = PROVIDERS) -> None:
        """Start with the built-in providers."""
        self._builtin = {provider.name: provider for provider in builtin}
        self._documents: dict[str, tuple[str, Provider]] = {}

    def get(self, name: str) -> Provider | None:
        """Return the provider of this name."""
        if name in self._builtin:
            return self._builtin[name]
        stored = self._documents.get(name)
        return stored and stored[1]

    def all(self) -> list[Provider]:
        """Return every provider, by name."""
        stored = {name: provider for name, (_, provider) in self._documents.items()}
        everything = stored | self._builtin
        return [everything[name] for name in sorted(everything)]

    def reload(self, documents: Iterable[tuple[str, int, str]]) -> None:
        """Take the stored documents in place of those before: name, version, text.

        One that this version of the program cannot read any more is left out, and told in the log: the others
        go on.
        """
        known, self._documents = self._documents, {}
        for name, version, text in documents:
            before = known.get(name)
            if before is not None and before[0] == text and before[1].version == version:
                self._documents[name] = before
                continue
            try:
                self._documents[name] = (text, rest.provider(rest.parse(text), version))
            except Invalid as error:
                _log.error(
                    "provider.document_unreadable", provider=name, version=version, mistakes=error.errors
                )
