"""OAuth apps and links as JSON."""

from typing import Any

from headwater.api.shapes import Answer, Instant
from headwater.kit.clock import iso
from headwater.management.links import LinkToken
from headwater.management.oauth_apps import OAuthApp


class OAuthAppShape(Answer):
    """An OAuth app; its secrets are masked.

    `callback_url` and `webhook_url` are to be registered at the API; null where HEADWATER_PUBLIC_URL is not
    set, or the API does not push.
    """

    id: str
    provider: str
    name: str
    client_id: str
    client_secret: str
    scopes: list[str]
    config: dict[str, Any]
    redirect_urls: list[str]
    callback_url: str | None
    webhook_url: str | None
    webhook_secret: str | None
    last_received_at: Instant | None
    external_id: str | None
    metadata: dict[str, Any]
    created_at: Instant
    updated_at: Instant

    @classmethod
    def of(cls, app: OAuthApp) -> "OAuthAppShape":
        """Show an OAuth app."""
        return cls(
            id=app.id,
            provider=app.provider,
            name=app.name,
            client_id=app.client_id,
            client_secret=app.client_secret,
            scopes=list(app.scopes),
            config=app.config,
            redirect_urls=list(app.redirect_urls),
            callback_url=app.callback_url,
            webhook_url=app.webhook_url,
            webhook_secret=app.webhook_secret,
            last_received_at=None if app.last_received_at is None else iso(app.last_received_at),
            external_id=app.external_id,
            metadata=app.metadata,
            created_at=iso(app.created_at),
            updated_at=iso(app.updated_at),
        )


class LinkShape(Answer):
    """A link to open in a user's browser, until it expires."""

    token: str
    url: str
    expires_at: Instant

    @classmethod
    def of(cls, link: LinkToken) -> "LinkShape":
        """Show a link."""
        return cls(token=link.token, url=link.url, expires_at=iso(link.expires_at))
