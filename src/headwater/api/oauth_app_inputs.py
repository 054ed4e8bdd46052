"""Bodies of the calls of OAuth apps and links, checked. An app's config is checked by `management`."""

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from headwater.api.inputs import Input, Key, Name, Object, Text

ClientSecret = Annotated[Text, Field(min_length=1, max_length=4096)]
Url = Annotated[Text, Field(min_length=1, max_length=2048)]
Scopes = Annotated[list[Name], Field(max_length=200)]
Urls = Annotated[list[Url], Field(max_length=50)]


class OAuthAppInput(Input):
    """An OAuth app to make: what you have registered at the API."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "provider": "crm",
                    "client_id": "3MVG9…",
                    "client_secret": "…",
                    "redirect_urls": ["https://app.example.com/linked"],
                }
            ]
        }
    )

    provider: Name
    name: Name | None = None
    client_id: Annotated[Text, Field(min_length=1, max_length=1024)]
    client_secret: ClientSecret
    webhook_secret: ClientSecret | None = None
    """What the API signs with where it pushes for the app: `POST /webhooks/app/{oauth_app_id}`."""
    scopes: Scopes = Field(default_factory=list[str])
    """What users are asked for. The provider's own list else."""
    config: Object = Field(default_factory=dict[str, Any])
    redirect_urls: Urls = Field(default_factory=list[str])
    """Where a link may send its user afterwards, compared letter by letter."""
    external_id: Key | None = None
    metadata: Object = Field(default_factory=dict[str, Any])


class OAuthAppPatch(Input):
    """What to change of an OAuth app. A secret that is masked is kept."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"client_secret": "…"}]})

    name: Name | None = None
    client_id: Annotated[Text, Field(min_length=1, max_length=1024)] | None = None
    client_secret: ClientSecret | None = None
    webhook_secret: ClientSecret | None = None
    scopes: Scopes | None = None
    config: Object | None = None
    redirect_urls: Urls | None = None
    metadata: Object | None = None


class LinkInput(Input):
    """What is to come of a link: a credential of this name and tenant."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "oauth_app_id": "0190a5c8-6f5e-7d62-8f57-5b1f8a4a2f10",
                    "external_id": "org_42",
                    "redirect_url": "https://app.example.com/linked",
                }
            ]
        }
    )

    oauth_app_id: Name
    external_id: Key | None = None
    redirect_url: Url | None = None
    """Where the user goes afterwards: one of the app's `redirect_urls`. Else a page says how it went."""
    name: Name | None = None
    metadata: Object = Field(default_factory=dict[str, Any])
