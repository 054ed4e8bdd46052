"""The headers of Standard Webhooks. Pure.

Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md, read
2026-11-24: HMAC-SHA256 over `id.timestamp.body`, `v1,` and base64; several signatures stand side by side
while keys change.
"""

import binascii
import hmac
from base64 import b64decode, b64encode
from collections.abc import Sequence

from headwater.model.secret import Secret

PREFIX = "whsec_"
_KEY_BYTES = range(24, 65)


def key_of(secret: Secret) -> bytes:
    """Return the key of a secret `whsec_…`. Raises: ValueError without the secret in it."""
    text = secret.reveal()
    if not text.startswith(PREFIX):
        raise ValueError(f"must begin with {PREFIX}")
    try:
        key = b64decode(text.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        raise ValueError(f"must be base64 after {PREFIX}") from None
    if len(key) not in _KEY_BYTES:
        raise ValueError(f"must have 24 to 64 bytes after {PREFIX}")
    return key


def headers(keys: Sequence[bytes], message_id: str, seconds: int, body: bytes) -> dict[str, str]:
    """Return the headers of a message that is sent at an instant, in seconds since 1970."""
    made = {"webhook-id": message_id, "webhook-timestamp": str(seconds)}
    if keys:
        signed = b"%b.%d.%b" % (message_id.encode(), seconds, body)
        made["webhook-signature"] = " ".join(_signature(key, signed) for key in keys)
    return made


def _signature(key: bytes, signed: bytes) -> str:
    return f"v1,{b64encode(hmac.digest(key, signed, 'sha256')).decode()}"
