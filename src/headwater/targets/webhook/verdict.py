"""What the answers to a batch mean together: which messages are held or given up, or that all wait. Pure.

As long as something passes, a message that does not is held on its own. When nothing passes, the endpoint
is to blame and all wait. Which of the two it is cannot be told where there is nothing to compare with: so
when nothing passes again and again, one message is held and the next ones get their turn.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta

import msgspec

from headwater.errors import Halt, HeadwaterError, Retry
from headwater.targets.target import Item, Refusal, Written
from headwater.targets.webhook.answers import TAKEN, Answer, Sense

ROUNDS = 5
"""Batches in a row of which nothing passed, until one message is held so that others get their turn."""
_REMEMBERED = 10_000
_NOT_SENT = Answer(
    Sense.LATER, code="target.item_not_sent", reason="It was not sent, since one before it was not taken."
)


class _Failing(msgspec.Struct):
    """A message that was not taken. `alone`: others passed meanwhile, or were let pass."""

    since: float
    alone: bool = False


class Patience:
    """What an open target remembers of failures. Times are seconds of a clock that never goes back."""

    def __init__(self, give_up_after: timedelta | None) -> None:
        """Nothing has failed yet."""
        self._give_up_seconds = None if give_up_after is None else give_up_after.total_seconds()
        self._failing: dict[str, _Failing] = {}
        """By message id."""
        self._rounds, self._down_since = 0, None

    _down_since: float | None
    """Since when nothing has passed."""

    def judge(self, batch: Sequence[Item], answers: Mapping[int, Answer], now: float) -> Written:
        """Return what became of a batch by the answers to those of its messages that were sent.

        Raises: Retry or Halt when nothing passed.
        """
        failed = {at: answer for at, answer in answers.items() if answer is not TAKEN}
        for at in answers.keys() - failed.keys():
            self._failing.pop(batch[at].message_id, None)
        self._remember([batch[at].message_id for at in failed], now)
        if len(failed) < len(answers):
            self._rounds, self._down_since = 0, None
        elif not all(self._failing[batch[at].message_id].alone for at in failed):
            self._down_since = now if self._down_since is None else self._down_since
            self._rounds += 1
            if self._rounds <= self._patience(batch, failed):
                raise self._all_wait(list(failed.values()), now)
            first = min(failed)
            answers = failed = {first: failed[first]}
            self._rounds = 0
        for at in failed:
            self._failing[batch[at].message_id].alone = True
        return self._written(batch, answers, now)

    def _remember(self, message_ids: Sequence[str], now: float) -> None:
        for id in message_ids:
            self._failing[id] = self._failing.pop(id, None) or _Failing(now)  # the last to be forgotten
        while len(self._failing) > max(_REMEMBERED, len(message_ids)):
            del self._failing[next(iter(self._failing))]

    def _patience(self, batch: Sequence[Item], failed: Mapping[int, Answer]) -> int:
        """Return how often all wait. A lone message that was looked at and refused is soon held."""
        alone = len({item.record_id for item in batch}) == 1
        refused = all(answer.sense is Sense.REFUSED for answer in failed.values())
        return 1 if alone and refused else ROUNDS

    def _written(self, batch: Sequence[Item], answers: Mapping[int, Answer], now: float) -> Written:
        held, rejected = list[Refusal](), list[Refusal]()
        count = max(answers, default=-1) + 1
        for at, item in enumerate(batch[:count]):
            answer = answers.get(at, _NOT_SENT)
            if answer is TAKEN:
                continue
            if answer is not _NOT_SENT and self._is_over(now - self._failing[item.message_id].since):
                rejected.append(Refusal(at, answer.code, answer.reason))
                del self._failing[item.message_id]
            else:
                held.append(Refusal(at, answer.code, answer.reason, answer.after))
        return Written(count, rejected, held)

    def _is_over(self, seconds: float) -> bool:
        return self._give_up_seconds is not None and seconds >= self._give_up_seconds

    def _all_wait(self, failed: Sequence[Answer], now: float) -> HeadwaterError:
        """Return the error for a batch of which nothing passed."""
        worst = next((answer for answer in failed if answer.sense is Sense.PERSON), failed[0])
        if worst.sense is Sense.PERSON:
            return Halt(worst.reason, code=worst.code, fix=worst.fix)
        if self._down_since is not None and self._is_over(now - self._down_since):
            return Halt(
                f"Nothing has passed for as long as give_up_after says. {worst.reason}",
                code="target.gave_up",
                fix=f"{worst.fix} Then check the target, or wait: it is looked for from time to time.",
            )
        after = max((answer.after for answer in failed if answer.after is not None), default=None)
        return Retry(worst.reason, after=after, code=worst.code, fix=worst.fix)
