"""Webhook: messages are pushed to an address by POST, signed as Standard Webhooks says.

`settings` is what a user may choose, `signing` the signature, `parcels` what goes into one request and in
which order, `answers` what an answer means, `verdict` what the answers to a batch mean together, `target` the
protocol. Connections and the guard of private networks are `kit.http`'s.
"""

from headwater.targets.target import Kind
from headwater.targets.webhook.settings import WebhookSettings
from headwater.targets.webhook.target import WebhookTarget

WEBHOOK = Kind(
    name="webhook",
    title="Webhook",
    summary="POST requests to your address, signed as Standard Webhooks says, one message each or many.",
    settings=WebhookSettings,
    open=WebhookTarget,
    schemes=("https", "http"),
    guarantee="at least once; a repeat carries the same webhook-id",
    reserved=frozenset({"allow_private"}),
)
"""The kind, as `table` names it."""
