"""The built-in providers, one line each. To add one: write `providers/acme.py` with a value `ACME`, and name
it here.

Nothing else is to be done: the catalogue, the HTTP API, the command line and the tables of the docs read this
table.
"""

from headwater.providers.github import GITHUB
from headwater.providers.provider import Provider
from headwater.providers.stripe import STRIPE

PROVIDERS: tuple[Provider, ...] = (GITHUB, STRIPE)
"""By name."""
