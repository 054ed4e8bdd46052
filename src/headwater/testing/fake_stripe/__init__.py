"""A stand-in of Stripe's API; a program of its own: `python -m headwater.testing.fake_stripe`.

It behaves as the real one does where it matters to a client: keys and versions, lists newest first, nested
lists of ten, limits with reasons, events that show up late, forms with idempotency keys, signed webhooks that
get lost. Stripe's own client libraries work against it unchanged. Not here: the rules of business (an invoice
does not get paid by a charge), anything of Headwater, which it knows only as a client.

In a test: `async with serving() as stripe: …`. As a process: the first line that it prints is its port.
"""

from headwater.testing.fake_stripe.serve import Running, serving
from headwater.testing.fake_stripe.switches import Switches
from headwater.testing.fake_stripe.world import KEY, World

__all__ = ["KEY", "Running", "Switches", "World", "serving"]
