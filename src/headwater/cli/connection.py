"""Which server the commands talk to, and with which key: from the settings."""

from urllib.parse import urlsplit

from headwater.cli.client import Client
from headwater.settings import Settings


def connect() -> Client:
    """Return the client of the server that the settings name. Raises: Halt when they cannot be read."""
    return client_for(Settings.load())


def client_for(settings: Settings) -> Client:
    """Return the client of the server that these settings name."""
    return Client(url=settings.server_url, key=key_for(settings))


def key_for(settings: Settings) -> str | None:
    """Return the API key: the one that was given, else what the first start of this installation wrote."""
    if settings.api_key is not None:
        return settings.api_key.reveal().strip()
    # P8: the key of this machine's installation is not shown to another machine by mistake
    if not is_local(settings.server_url) and "home" not in settings.model_fields_set:
        return None
    try:
        return settings.api_key_file.read_text().strip() or None
    except OSError:
        return None  # the server says what is missing, if it minds


def is_local(url: str) -> bool:
    """Say whether a server runs on this machine."""
    host = urlsplit(url).hostname or ""
    return host in {"localhost", "::1"} or host.startswith("127.")
