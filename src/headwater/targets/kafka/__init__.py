"""Kafka: a message of a stream is one message of a topic, under its record's key, as JSON.

`settings` is what a user may choose, `layout` how messages look, `sender` the blocking work with the
driver, `target` the protocol around it, `transactions` and `positions` the same with our position in each
transaction. What needs the driver is imported when the first target is opened.
"""

from headwater.targets.kafka.settings import KafkaSettings, from_url
from headwater.targets.target import Delivery, Kind, Target


def _open(settings: KafkaSettings, delivery: Delivery | None) -> Target:
    from headwater.targets.kafka.target import KafkaTarget  # the driver is an extra
    from headwater.targets.kafka.transactions import TransactionalKafkaTarget

    return (TransactionalKafkaTarget if settings.transactional else KafkaTarget)(settings, delivery)


KAFKA = Kind(
    name="kafka",
    title="Apache Kafka",
    summary="A topic for each collection, or one for all, keyed by record; in transactions as an option.",
    settings=KafkaSettings,
    open=_open,
    schemes=("kafka", "kafkas"),
    from_url=from_url,
    driver="confluent_kafka",
    guarantee="at least once, in order; exactly once with `transactional`",
)
"""The kind, as `table` names it."""
