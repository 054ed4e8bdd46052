"""The webhook target: sends parcels, and says what became of their messages."""

from collections.abc import Iterable, Sequence
from datetime import timedelta

from headwater.errors import Halt, Retry
from headwater.kit.clock import Clock, SystemClock
from headwater.kit.http import Pusher
from headwater.targets.target import Delivery, Item, Mark, Written
from headwater.targets.webhook import parcels, signing
from headwater.targets.webhook.answers import Answer, Sense, meaning
from headwater.targets.webhook.sending import Sending
from headwater.targets.webhook.settings import WebhookSettings
from headwater.targets.webhook.verdict import Patience

LONGEST = timedelta(hours=1)
"""Of a wait that an endpoint asks for. What is longer is a mistake more often than a wish."""


class WebhookTarget:
    """An open webhook target."""

    transactional = False

    def __init__(
        self, settings: WebhookSettings, delivery: Delivery | None, clock: Clock | None = None
    ) -> None:
        """Open without connecting."""
        self._settings, self._delivery, self._clock = settings, delivery, clock or SystemClock()
        self._keys = [signing.key_of(secret) for secret in settings.secrets]
        self._headers = {name: value.reveal() for name, value in settings.headers.items()}
        self._patience = Patience(settings.give_up_after)
        self._pusher: Pusher | None = None
        self._paused_until: float | None = None
        """The endpoint asked to be left alone until then."""

    async def check(self) -> None:
        """Ask by HEAD, signed, without a message: who answers at all is there.

        Whether it takes messages shows with the first one.
        """
        answer = await self._push("HEAD", "check")
        if answer.sense is Sense.LATER:
            raise Retry(answer.reason, code=answer.code, fix=answer.fix, after=answer.after)
        # Many receivers know no HEAD, and say so by 404 or 405.
        if answer.sense is Sense.PERSON and answer.code != "target.endpoint_missing":
            raise Halt(answer.reason, code=answer.code, fix=answer.fix)

    async def write(self, batch: Sequence[Item], mark: Mark) -> Written:
        """Send messages; 2xx means that the receiver has them (P7)."""
        if self._delivery is None:
            raise ValueError("opened without a consumer, only to check")
        self._heed_pause()
        settings = self._settings
        sending = Sending(batch, self._post, self._clock.monotonic)
        await parcels.each_in_order(
            batch,
            parcels.cut(
                batch, settings.max_batch_messages if settings.batch else 1, settings.max_batch_bytes
            ),
            sending.send,
            most=settings.concurrency,
            stopped=sending.is_over,
        )
        self._pause(sending.answers.values())
        return self._patience.judge(batch, sending.answers, self._clock.monotonic())

    async def close(self) -> None:
        """Close the connections."""
        pusher, self._pusher = self._pusher, None
        if pusher is not None:
            await pusher.close()

    async def _post(self, items: Sequence[Item]) -> Answer:
        """Send messages in one request."""
        if self._settings.batch and self._delivery is not None:
            return await self._push("POST", *parcels.together(self._delivery.stream, items))
        return await self._push("POST", *parcels.single(items[0]))

    async def _push(self, method: str, message_id: str, body: bytes | None = None) -> Answer:
        seconds = self._clock.now_us() // 1_000_000
        sent = {**self._headers, **signing.headers(self._keys, message_id, seconds, body or b"")}
        if body is not None:
            sent["Content-Type"] = "application/json"
        return meaning(await self._pusher_open().push(method, self._settings.url, sent, body))

    def _pusher_open(self) -> Pusher:
        if self._pusher is None:
            settings = self._settings
            self._pusher = Pusher(
                connections=settings.concurrency,
                timeout=settings.timeout,
                allow_private=settings.allow_private,
                ca=settings.ca,
            )
        return self._pusher

    def _pause(self, answers: Iterable[Answer]) -> None:
        """Note how long the endpoint wants to be left alone."""
        waits = [
            answer.after for answer in answers if answer.sense is Sense.LATER and answer.after is not None
        ]
        self._paused_until = (
            self._clock.monotonic() + min(max(waits), LONGEST).total_seconds() if waits else None
        )

    def _heed_pause(self) -> None:
        left = 0.0 if self._paused_until is None else self._paused_until - self._clock.monotonic()
        if left > 0:
            raise Retry(
                "The endpoint has asked to be left alone for a while.",
                after=timedelta(seconds=left),
                code="target.busy",
                fix="Wait; if it goes on so, lower the target's concurrency.",
            )
