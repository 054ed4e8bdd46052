"""One batch on its way: what came of each message so far, and when to stop. Not the requests themselves."""

from collections.abc import Awaitable, Callable, Sequence

from headwater.targets.target import Item
from headwater.targets.webhook.answers import TAKEN, Answer, Sense
from headwater.targets.webhook.parcels import Parcel

STREAK = 5
"""So many failures in a row end a batch early: it would only storm an endpoint that is not well."""
SECONDS = 30
"""After so long no more of a batch is sent, so that what a slow endpoint has taken is noted."""


class Sending:
    """Sends the parcels of one batch."""

    def __init__(
        self,
        batch: Sequence[Item],
        post: Callable[[Sequence[Item]], Awaitable[Answer]],
        monotonic: Callable[[], float],
    ) -> None:
        """`post` sends messages in one request; `monotonic` are seconds that never go back."""
        self.answers: dict[int, Answer] = {}
        """By index, of those that were sent."""
        self._batch, self._post = batch, post
        self._behind: set[str] = set()
        """Records with a message that was not taken: their later ones are not sent (P5)."""
        self._streak, self._told_to_wait = 0, False
        self._monotonic, self._until = monotonic, monotonic() + SECONDS

    def is_over(self) -> bool:
        """Say whether nothing more should be sent."""
        return self._told_to_wait or self._streak >= STREAK or self._monotonic() >= self._until

    async def send(self, parcel: Parcel) -> None:
        """Send a parcel; one that is refused in halves, until it is known which message is not taken."""
        indexes = tuple(at for at in parcel.indexes if self._batch[at].record_id not in self._behind)
        if not indexes or self.is_over():
            return
        answer = await self._post([self._batch[at] for at in indexes])
        if answer.sense in (Sense.REFUSED, Sense.PERSON) and len(indexes) > 1:
            for half in Parcel(indexes).halves():
                await self.send(half)
            return
        self.answers.update(dict.fromkeys(indexes, answer))
        if answer is TAKEN:
            self._streak = 0
            return
        self._streak += 1
        self._told_to_wait = self._told_to_wait or (answer.sense is Sense.LATER and answer.after is not None)
        self._behind.update(self._batch[at].record_id for at in indexes)
