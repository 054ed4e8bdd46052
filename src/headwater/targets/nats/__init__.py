"""NATS JetStream: a message of a stream is one message on a subject that names its record.

`settings` is what a user may choose, `subjects` how ids become subjects, `layout` the whole message,
`nkeys` how a seed signs, `connect` and `errors` the driver's side, `flight` publishing with many
acknowledgements under way, `target` the protocol. What needs the driver is imported when the first target
is opened.
"""

from headwater.targets.nats.settings import NatsSettings, from_url
from headwater.targets.target import Delivery, Kind, Target


def _open(settings: NatsSettings, delivery: Delivery | None) -> Target:
    from headwater.targets.nats.target import NatsTarget  # the driver is an extra

    return NatsTarget(settings, delivery)


NATS = Kind(
    name="nats",
    title="NATS JetStream",
    summary="Each message on a subject that names its record, with an id that lets the server drop repeats.",
    settings=NatsSettings,
    open=_open,
    schemes=("nats", "tls+nats"),
    from_url=from_url,
    driver="nats",
    guarantee="at least once, in order for each record; repeats within the stream's window are dropped",
)
"""The kind, as `table` names it."""
