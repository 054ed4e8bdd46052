"""Syncs of linked accounts: their requests are made with the token that is kept fresh."""

import json
from pathlib import Path
from typing import cast

import pytest
from tests.providers.linked import CREDENTIAL
from tests.providers.test_tokens import CLOCK, Place, placed, whose
from tests.syncs.test_accounts import plan

from headwater.kit.budget import Urgency
from headwater.kit.http import Client
from headwater.providers.oauth import GrantEnded
from headwater.syncs.accounts import Accounts
from headwater.syncs.plan import Plan


def linked(place: Place) -> Plan:
    """Return a sync of the linked account, as it was planned when its token was still good."""
    properties = {"access_token": "first", "refresh_token": "refresh-1"}
    return plan("fake/acme", kind="oauth2", credential_id=CREDENTIAL, credential=properties)


async def test_syncs_of_one_account_share_its_refresh(tmp_path: Path) -> None:
    """Whatever token was there when they were planned."""
    async with placed(f"sqlite:///{tmp_path}/h.db") as place:
        await place.link(expired=True)
        accounts = Accounts(place.session, CLOCK, place.keeper())
        opened = [accounts.open(linked(place), place.provider) for _ in range(3)]
        for open in opened:
            assert await whose(cast("Client", open(Urgency.CHANGES))) == "acme"
        assert place.fake.authority.refreshes == 1
        place.fake.authority.revoke()
        for open in opened:
            with pytest.raises(GrantEnded):
                await whose(cast("Client", open(Urgency.BACKFILL)))


async def test_p10_a_refresh_is_counted(tmp_path: Path) -> None:
    """It waits for the account's budget as every request does, and is told of."""
    told: list[tuple[Urgency, int]] = []
    async with placed(f"sqlite:///{tmp_path}/h.db") as place:
        await place.link(expired=True)
        accounts = Accounts(
            place.session,
            CLOCK,
            place.keeper(),
            lambda _provider: lambda urgency, status, _waited: told.append((urgency, status)),
        )
        client = accounts.open(linked(place), place.provider)(Urgency.SWEEP)
        assert await whose(cast("Client", client)) == "acme"
        assert told == [(Urgency.WRITE, 200), (Urgency.SWEEP, 200)]
        assert json.loads((await client.get("/me")).body)["account"] == "acme"
