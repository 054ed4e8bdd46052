"""The numbers of one consumer, as metrics have them. Decides nothing."""

from headwater.telemetry import Metrics


class Meter:
    """Counts for one consumer."""

    def __init__(self, metrics: Metrics, consumer_id: str) -> None:
        """Count under the id of the consumer."""
        self._metrics, self._consumer_id = metrics, consumer_id
        self._messages = metrics.consumer_messages.labels(consumer_id)
        self._batches = metrics.consumer_batches.labels(consumer_id)
        self._retries = metrics.consumer_retries.labels(consumer_id)
        self._dead_letters = metrics.consumer_dead_letters.labels(consumer_id)

    def written(self, messages: int, seconds: float) -> None:
        """Count a batch that the target has answered for: how much it stored, how long it took."""
        self._messages.inc(messages)
        self._batches.observe(seconds)

    def retried(self) -> None:
        """Count a write that has to be made again."""
        self._retries.inc()

    def buried(self, messages: int) -> None:
        """Count messages that were given up."""
        if messages:
            self._dead_letters.inc(messages)
