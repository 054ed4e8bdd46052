"""The ways of authenticating, as a document says them. Secrets are in the credential, never here."""

from typing import Annotated, Literal

from pydantic import Field

from headwater.providers.rest.part import Part, Texts


class NoAuth(Part):
    """The API is open."""

    kind: Literal["none"]


class BearerAuth(Part):
    """`Authorization: Bearer <token>`. The credential holds `token`."""

    kind: Literal["bearer"]


class BasicAuth(Part):
    """`Authorization: Basic …`. The credential holds `username` and `password`."""

    kind: Literal["basic"]


class HeaderAuth(Part):
    """A key in a header. The credential holds `key`."""

    kind: Literal["header"]
    name: str
    """The header's name, such as `X-Api-Key`."""
    prefix: str = ""
    """What stands before the key in it, with its space, such as `"Token "`."""


class QueryAuth(Part):
    """A key in a query parameter. The credential holds `key`."""

    kind: Literal["query"]
    name: str
    """The parameter's name, such as `api_key`."""


class ClientCredentialsAuth(Part):
    """OAuth 2 client credentials (RFC 6749, section 4.4). The credential holds `client_id` and
    `client_secret`.
    """

    kind: Literal["oauth2_client_credentials"]
    token_url: Annotated[str, Field(pattern=r"^https?://\S+$")]
    """Where tokens are fetched."""
    scopes: list[str] = Field(default=[])
    """Scopes to ask for."""
    params: Texts = Field(default={})
    """Further parameters of the token request, such as `audience`."""
    client_in: Literal["basic", "body"] = "basic"
    """Where the token request says who asks: in its `Authorization` header, or among its parameters."""


Auth = Annotated[
    NoAuth | BearerAuth | BasicAuth | HeaderAuth | QueryAuth | ClientCredentialsAuth,
    Field(discriminator="kind"),
]
