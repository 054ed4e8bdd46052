"""The kinds of target, one line each. To add one: write `targets/acme.py` with a value `ACME`, and name it
here.

Nothing else is to be done: the HTTP API, the command line, the console's forms and the tables of the docs
read this table.
"""

from headwater.targets.kafka import KAFKA
from headwater.targets.nats import NATS
from headwater.targets.postgres import POSTGRES
from headwater.targets.redis import REDIS
from headwater.targets.target import Kind
from headwater.targets.webhook import WEBHOOK

KINDS: tuple[Kind, ...] = (KAFKA, NATS, POSTGRES, REDIS, WEBHOOK)
"""By name."""


def kind(name: str) -> Kind | None:
    """Return the kind of this name."""
    return next((kind for kind in KINDS if kind.name == name), None)


def kind_for(url: str) -> Kind | None:
    """Return the kind that a URL stands for, by its scheme."""
    scheme = url.partition("://")[0].lower()
    return next((kind for kind in KINDS if scheme in kind.schemes), None)
