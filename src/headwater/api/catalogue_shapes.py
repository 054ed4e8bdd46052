"""The catalogue as JSON: a provider with its collections, how it is entered, and how its changes are seen."""

from datetime import timedelta
from typing import Any, Literal

from headwater.api.shapes import Answer, RateLimitShape
from headwater.management.credentials import default_limit
from headwater.providers.oauth import OAuth2
from headwater.providers.provider import Collection, CredentialKind, Provider


class CredentialKindShape(Answer):
    """One way to authenticate.

    `fields`: JSON Schema of the properties; `secret` names those that are masked.
    """

    name: str
    fields: dict[str, Any]
    secret: list[str]

    @classmethod
    def of(cls, kind: CredentialKind) -> "CredentialKindShape":
        """Show a credential kind."""
        return cls(name=kind.name, fields=dict(kind.schema), secret=sorted(kind.secret))


class CatalogueCollection(Answer):
    """A collection of a provider. Lags are what to expect at most while polling continuously, in seconds."""

    collection_id: str
    description: str
    parent_id: str | None
    changes: Literal["since", "list"]
    deletes: Literal["tombstones", "list", "sweep"]
    updated_at_source: Literal["upstream", "observed"]
    expected_max_lag_seconds: float
    expected_max_delete_lag_seconds: float
    fields: dict[str, Any]

    @classmethod
    def of(cls, provider: str, collection: Collection) -> "CatalogueCollection":
        """Show a collection of a provider."""
        lag = collection.poll_every[1] + collection.overlap
        deletes = _deletes(collection)
        delete_lag = collection.sweep_every + lag if deletes == "sweep" else lag
        return cls.model_validate(
            {
                "collection_id": f"{provider}:{collection.name}",
                "description": collection.description,
                "parent_id": None if collection.parent is None else f"{provider}:{collection.parent}",
                "changes": "list" if collection.read_since is None else "since",
                "deletes": deletes,
                "updated_at_source": collection.updated_at_source,
                "expected_max_lag_seconds": _seconds(lag),
                "expected_max_delete_lag_seconds": _seconds(delete_lag),
                "fields": dict(collection.fields),
            }
        )


class OAuthShape(Answer):
    """How accounts are linked. `config_fields`: JSON Schema of what an OAuth app's `config` takes."""

    scopes: list[str]
    config_fields: dict[str, Any]

    @classmethod
    def of(cls, declared: OAuth2) -> "OAuthShape":
        """Show how accounts are linked."""
        return cls(scopes=list(declared.scopes), config_fields=dict(declared.config_schema))


class ProviderShape(Answer):
    """An API in the catalogue. `version` counts up each time a document of its name is stored.

    `oauth`: how users link their accounts; null where they do not. `pushes`: whether it can push changes.
    """

    name: str
    title: str
    docs_url: str | None
    version: int
    credential_kinds: list[CredentialKindShape]
    oauth: OAuthShape | None
    pushes: bool
    config_fields: dict[str, Any]
    rate_limit: RateLimitShape
    collections: list[CatalogueCollection]

    @classmethod
    def of(cls, provider: Provider) -> "ProviderShape":
        """Show a provider."""
        return cls(
            name=provider.name,
            title=provider.title,
            docs_url=provider.docs_url,
            version=provider.version,
            credential_kinds=[CredentialKindShape.of(kind) for kind in provider.credential_kinds],
            oauth=None if provider.oauth is None else OAuthShape.of(provider.oauth),
            pushes=provider.webhook is not None,
            config_fields=dict(provider.config_schema),
            rate_limit=RateLimitShape.of(default_limit(provider)),
            collections=[CatalogueCollection.of(provider.name, one) for one in provider.collections],
        )


def _deletes(collection: Collection) -> str:
    if collection.read_removed is not None:
        return "list"
    return "tombstones" if collection.sees_deletes else "sweep"


def _seconds(duration: timedelta) -> float:
    return round(duration.total_seconds(), 3)
