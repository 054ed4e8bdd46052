"""What Stripe pushes: signatures by its own verifier, refusals, news, endpoints made and taken away."""

import hashlib
import hmac
import json
import time

import pytest
import stripe
from hypothesis import given
from hypothesis import strategies as st
from tests.providers.stripe_rig import rigged

from headwater.errors import Refused, Reject
from headwater.providers.provider import Received
from headwater.providers.stripe import STRIPE
from headwater.providers.stripe.access import VERSION
from headwater.testing.fake_stripe.endpoints import sign
from headwater.testing.fake_stripe.resources import EXAMPLES

SECRET, OLDER = "whsec_newer", "whsec_older"
NOW = int(time.time())
EVENT = {
    "id": "evt_1", "object": "event", "type": "customer.updated", "created": NOW, "api_version": VERSION,
    "livemode": True, "data": {"object": EXAMPLES["customer"]},
}  # fmt: skip
BODY = json.dumps(EVENT, indent=2).encode()


def request(
    body: bytes = BODY,
    *,
    signed: bytes | None = None,
    at: int = NOW,
    keys: list[str] | None = None,
    **headers: str,
) -> Received:
    """Return a request that came now; `signed` is what the signature is of."""
    signature = sign(body if signed is None else signed, at, keys or [SECRET])
    return Received(
        method="POST",
        url="http://headwater/webhooks/s/stripe",
        headers={"stripe-signature": signature, **headers},
        body=body,
        received_us=NOW * 1_000_000,
    )


def refused(received: Received, secrets: list[str] | None = None) -> str:
    """Return why a request is refused."""
    assert STRIPE.webhook is not None
    with pytest.raises(Refused) as raised:
        STRIPE.webhook.verify(received, [SECRET, OLDER] if secrets is None else secrets)
    assert (raised.value.error_code, raised.value.status) == ("webhook.signature", 401)
    assert SECRET not in f"{raised.value.message} {raised.value.fix} {raised.value.context}"
    return raised.value.message


def accepted(received: Received, secrets: list[str] | None = None) -> None:
    """Fail unless a request is let in."""
    assert STRIPE.webhook is not None
    STRIPE.webhook.verify(received, [SECRET, OLDER] if secrets is None else secrets)


def test_every_active_secret_counts() -> None:
    """The new one, the old one while it is rolled, both at once."""
    for keys in ([SECRET], [OLDER], [OLDER, SECRET], ["whsec_unknown", OLDER]):
        accepted(request(keys=keys))
    refused(request(keys=["whsec_unknown"]))
    refused(request(), secrets=[])


def test_the_library_and_we_agree() -> None:
    """What Stripe's own verifier takes we take, and what it refuses we refuse."""
    good = request()
    event = stripe.Webhook.construct_event(good.body, good.headers["stripe-signature"], SECRET)
    assert event.id == "evt_1"
    accepted(good)
    for bad in (
        request(signed=b"{}"),
        request(at=NOW - 400),
        request(keys=["whsec_unknown"]),
        request(**{"stripe-signature": "t=1,v0=5257"}),
        request(**{"stripe-signature": ""}),
    ):
        with pytest.raises(stripe.SignatureVerificationError):
            stripe.Webhook.construct_event(bad.body, bad.headers["stripe-signature"], SECRET)
        refused(bad)


def test_the_librarys_own_signature_is_accepted() -> None:
    """Made as its tests make one."""
    signed = f"{NOW}.{BODY.decode()}"
    made = stripe.WebhookSignature._compute_signature(signed, SECRET)
    accepted(request(**{"stripe-signature": f"t={NOW},v1={made}"}))


@given(st.integers(0, len(BODY) - 1), st.integers(1, 255))
def test_a_tampered_body_is_refused(place: int, change: int) -> None:
    """Whichever byte is another."""
    tampered = BODY[:place] + bytes([BODY[place] ^ change]) + BODY[place + 1 :]
    refused(request(tampered, signed=BODY))


@pytest.mark.parametrize(
    ("seconds", "fresh"), [(0, True), (299, True), (300, True), (301, False), (-299, True), (-301, False)]
)
def test_stale_requests_are_refused(seconds: int, fresh: bool) -> None:
    """Five minutes, either way: one that was recorded cannot be sent again later."""
    received = request(at=NOW - seconds)
    accepted(received) if fresh else refused(received)


@pytest.mark.parametrize(
    "header",
    [
        "", "t=", "v1=", "t=1", "garbage", "t=x,v1=y", f"t={NOW},v1=", f"t={NOW},v0={'0' * 64}",
        f"t={NOW},v1=é", f"t=-{NOW},v1=00", f"t={'9' * 40},v1=00", f"T={NOW},V1=00",
        ",".join([f"t={NOW}", *["v1=00"] * 10_000]),
    ],
    ids=map(str, range(13)),  # the time of the run may be no part of a test's name
)  # fmt: skip
def test_headers_that_are_none(header: str) -> None:
    """Missing, empty, of another scheme, of letters that are no hex, endless."""
    refused(request(**{"stripe-signature": header}))


def test_the_raw_bytes_are_signed() -> None:
    """A body in another encoding, or with other white space, is another body."""
    latin = json.dumps(EVENT | {"note": "é"}, ensure_ascii=False).encode("latin-1")
    accepted(request(latin))
    refused(request(json.dumps(EVENT).encode(), signed=BODY))
    assert STRIPE.webhook is not None
    with pytest.raises(Reject) as raised:
        STRIPE.webhook.read(request(latin))
    assert raised.value.error_code == "webhook.unreadable"
    assert "é" not in raised.value.message


def test_the_signature_is_what_the_documentation_says() -> None:
    """HMAC-SHA256 of time, dot and body, by the whole secret, in hex."""
    expected = hmac.new(SECRET.encode(), f"{NOW}.".encode() + BODY, hashlib.sha256).hexdigest()
    accepted(request(**{"stripe-signature": f"t={NOW},v1={expected},v0=00"}))


def test_what_a_push_says() -> None:
    """Its event's id as the delivery's, its type as topic, its object as news."""
    assert STRIPE.webhook is not None
    push = STRIPE.webhook.read(request())
    assert (push.delivery_id, push.topic, push.account) == ("evt_1", "customer.updated", None)
    [news] = push.news
    assert news.observed is not None
    of_account = json.dumps(EVENT | {"account": "acct_1", "livemode": False}).encode()
    push = STRIPE.webhook.read(request(of_account))
    assert (push.account, push.news) == ("acct_1/test", [])
    connected = STRIPE.configured({"account": "acct_1"}).webhook
    assert connected is not None
    assert len(connected.read(request(of_account)).news) == 1


async def test_an_endpoint_is_made_at_the_pinned_version_and_taken_away() -> None:
    """Its secret is in the answer only, and not in what is kept."""
    async with rigged() as rig:
        webhook = rig.provider.webhook
        assert webhook is not None
        assert webhook.register is not None
        assert webhook.unregister is not None
        made = await webhook.register(rig.http, "https://headwater.example/webhooks/s/stripe", "unused")
        [endpoint] = rig.fake.world.endpoints.values()
        assert (endpoint.api_version, endpoint.enabled_events) == (VERSION, ["*"])
        assert made.secret == endpoint.secrets[0]
        assert made.kept == {"id": endpoint.id, "url": endpoint.url}
        for _ in range(2):
            await webhook.unregister(rig.http, made.kept)
        assert rig.fake.world.endpoints == {}


def test_what_a_person_does_where_the_key_may_not() -> None:
    """Names the address, the version and the secret."""
    assert STRIPE.webhook is not None
    text = STRIPE.webhook.instructions.format(url="https://x/webhooks", secret="")
    assert "https://x/webhooks" in text
    assert VERSION in text
    assert "whsec_" in text
