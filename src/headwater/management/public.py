"""The address under which browsers and other people's APIs reach this installation, and what is there."""

from dataclasses import dataclass
from urllib.parse import quote

from headwater.errors import InUse


@dataclass(frozen=True, slots=True)
class PublicUrl:
    """`HEADWATER_PUBLIC_URL`, if it is set."""

    base: str | None = None

    def callback(self, provider: str) -> str | None:
        """Return where an API sends users back to who have agreed to a link."""
        return self._at(f"/link/callback/{quote(provider, safe='')}")

    def webhook(self, sync_id: str, provider: str) -> str | None:
        """Return where an API pushes for a sync."""
        return self._at(f"/webhooks/{sync_id}/{quote(provider, safe='')}")

    def app_webhook(self, oauth_app_id: str) -> str | None:
        """Return where an API pushes for all accounts that an OAuth app has linked."""
        return self._at(f"/webhooks/app/{oauth_app_id}")

    def of_request(self, path: str, query: str, otherwise: str) -> str:
        """Return the address that a request was sent to: some APIs sign it, and proxies change it."""
        if self.base is None:
            return otherwise
        return f"{self.base}{path}{'?' if query else ''}{query}"

    def require(self) -> str:
        """Return the address. Raises: InUse `server.public_url` where none is set."""
        if self.base is None:
            raise InUse(
                "This server does not know the address under which browsers and APIs reach it.",
                code="server.public_url",
                fix="Set HEADWATER_PUBLIC_URL, such as https://headwater.example.com, and start it again.",
            )
        return self.base

    def _at(self, path: str) -> str | None:
        return None if self.base is None else self.base + path
