"""The document that describes a REST API: what may stand in it. Not here: reading text, what it is turned
into.

Each field's docstring is its documentation: in `docs/reference/rest-document.md`, in the JSON Schema for
editors, and here. Rules that need more than one field are in `checks`.
"""

from typing import Annotated, Any, Literal

from pydantic import Field

from headwater.providers.rest.auth import Auth, NoAuth
from headwater.providers.rest.collection import CollectionPart, Defaults
from headwater.providers.rest.part import Address, BaseUrl, Name, Part, Path, Text, Texts


class RateLimit(Part):
    """The share of the API's quota that is taken by default. A credential may set its own."""

    requests: Annotated[int, Field(ge=1)] = 5
    """So many requests…"""
    seconds: Annotated[float, Field(gt=0, strict=False)] = 1
    """… in any window of so many seconds."""
    concurrent: Annotated[int, Field(ge=1)] | None = 4
    """So many requests under way at once."""


class Setting(Part):
    """A setting of each sync, which addresses may name as `{config.…}`."""

    title: str = ""
    """What it is, for people."""
    default: Text | None = None
    """Its value where a sync gives none. Absent: each sync must give one."""


class Check(Part):
    """The request that tries a credential."""

    path: Address
    """Its path below the base URL."""
    account: Path | None = None
    """Path of the upstream account's name in the answer: credentials of one account share its limit."""


class RestDocument(Part):
    """A REST API and its collections."""

    version: Literal[1] = 1
    """Of this format."""
    name: Name
    """The provider's name. Collections are called `<name>:<collection>`."""
    title: str | None = None
    """The API's name for people. Default: `name`."""
    docs_url: str | None = None
    """Where the API is documented."""
    base_url: BaseUrl
    """Where the API is. Paths are below it. `{config.…}` stands for a setting of the sync."""
    config: dict[Name, Setting] = Field(default={})
    """Settings of each sync."""
    headers: Texts = Field(default={})
    """Headers of every request, such as a pinned API version. No secrets: these are in the credential."""
    auth: Auth = NoAuth(kind="none")
    """How requests are authenticated."""
    rate_limit: RateLimit = RateLimit()
    """How fast the API may be asked."""
    check: Check | None = None
    """How a credential is tried. Absent: it is first tried by a sync."""
    defaults: Defaults = Defaults()
    """What holds for every collection that does not say otherwise."""
    collections: Annotated[dict[Name, CollectionPart], Field(min_length=1)]
    """The collections by name: singular snake_case, such as `article`."""


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of documents, for editors."""
    schema = RestDocument.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
