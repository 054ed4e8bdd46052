"""One budget for each upstream account. The budget itself is tested in kit."""

from datetime import timedelta
from pathlib import Path

from headwater.kit.budget import Bucket, Urgency
from headwater.kit.clock import SystemClock
from headwater.kit.http import Client, open_session
from headwater.providers.rest import parse, provider
from headwater.syncs.accounts import Accounts, budget
from headwater.syncs.plan import Plan

DOCUMENT = """
name: shop
base_url: http://127.0.0.1:9
auth: {kind: bearer}
rate_limit: {requests: 10, seconds: 1}
collections: {order: {path: /orders, items: orders}}
"""
SHOP = provider(parse(DOCUMENT), 1)


def plan(account: str, **more: object) -> Plan:
    """Return a sync of the shop."""
    values: dict[str, object] = {
        "sync_id": "s",
        "provider": "shop",
        "config": {},
        "kind": SHOP.credential_kinds[0].name,
        "account": account,
        "credential_id": "c",
        "credential": {"token": "t"},
        "rate_limit": None,
        "rate_share": 1.0,
        "frequency": None,
        "max_age_days": None,
        "health": {},
        "checks": 0,
        "stamp": 0,
        "backfilled": False,
        "collections": (),
    }
    return Plan(**(values | more))  # type: ignore[arg-type] - as above


def test_a_users_limit_takes_the_place_of_the_providers() -> None:
    """Requests, seconds and concurrency are those of the credential."""
    own = budget(SHOP, {"allowed_requests": 3, "interval": 60, "max_concurrent_requests": 2})
    assert own == (Bucket(allowed=3, per=timedelta(minutes=1), concurrent=2),)
    assert budget(SHOP, None) == SHOP.budget


async def test_p10_syncs_of_one_account_share_its_budget(tmp_path: Path) -> None:
    """Two syncs of one account have one budget, those of another account one of their own."""
    session = open_session()
    accounts = Accounts(session, SystemClock())

    def limiter(of: Plan) -> object:
        client = accounts.open(of, SHOP)(Urgency.CHANGES)
        assert isinstance(client, Client)
        return client._limiter

    assert limiter(plan("shop/1")) is limiter(plan("shop/1", sync_id="t"))
    assert limiter(plan("shop/1")) is not limiter(plan("shop/2"))
    changed = plan("shop/1", rate_limit={"allowed_requests": 1, "interval": 1})
    assert limiter(changed) is limiter(changed)
    await session.close()
