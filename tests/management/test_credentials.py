"""Credentials: an upsert by account, secrets sealed and masked, and what trying one shows."""

import json

import pytest
from sqlalchemy import update
from tests.management.office import ADMIN, Office, office, tenant

from headwater.errors import Forbidden, InUse, Invalid, NotFound
from headwater.management.credentials import CredentialChange, NewCredential, RateLimit
from headwater.management.listing import Wanted
from headwater.model.secret import MASK
from headwater.providers.github import GITHUB
from headwater.store import schema


async def test_p8_secrets_are_sealed_in_the_row_and_masked_in_the_answer(here: Office) -> None:
    """Neither a row nor what is shown holds a secret; the vault opens it."""
    made = await here.credential(token="s3cr3t-token")
    assert made.properties == {"token": MASK}
    (row,) = await here.rows("credentials")
    assert "s3cr3t-token" not in str(row)
    assert here.vault.open(row.secrets) == b'{"token":"s3cr3t-token"}'
    assert "s3cr3t-token" not in repr(made)


async def test_the_same_account_gives_the_same_credential(here: Office) -> None:
    """A new token of an account renews its credential, where the API tells whose a token is."""
    here.api.accounts |= {"one": "acme", "two": "acme", "three": "globex"}
    first = await here.credential(token="one")
    again = await here.credential(token="two", name="renewed")
    other = await here.credential(token="three")
    assert first.id == again.id != other.id
    assert again.name == "renewed"
    assert again.account == "acme"


async def test_the_same_secret_is_the_same_account_where_the_api_does_not_tell(here: Office) -> None:
    """Importing twice makes one; the account's stand-in is not shown."""
    first, again, other = [await here.credential(token=token) for token in ("one", "one", "two")]
    assert first.id == again.id != other.id
    assert first.account is None


async def test_p12_importing_never_reaches_another_tenants_credential(here: Office) -> None:
    """The same upstream account of two tenants is two credentials, each its own tenant's."""
    here.api.accounts |= {"one": "acme"}
    of_a = await here.credential(tenant("a"), token="one")
    of_b = await here.credential(tenant("b"), token="one")
    of_none = await here.credential(token="one")
    assert len({of_a.id, of_b.id, of_none.id}) == 3
    with pytest.raises(Forbidden):
        await here.credential(tenant("a"), token="one", external_id="b")
    with pytest.raises(NotFound):
        await here.services.credentials.get(tenant("a"), of_b.id)
    with pytest.raises(NotFound):
        await here.services.credentials.delete(tenant("a"), of_b.id)
    page = await here.services.credentials.page(tenant("a"), Wanted())
    assert [one.id for one in page.items] == [of_a.id]


async def test_a_refused_credential_says_so_in_its_health(here: Office) -> None:
    """It is kept, with a note that says what to do; a check later clears it."""
    here.api.revoked = {"old"}
    made = await here.credential(token="old")
    assert made.health["status"] == "error"
    assert made.health["notes"] == [
        {
            "code": "provider.credential_refused",
            "text": "The token was refused. Enter a new one.",
            "about": "credential",
        }
    ]
    here.api.revoked = set()
    here.clock.move(60)
    checked = await here.services.credentials.check(ADMIN, made.id)
    assert checked.health["status"] == "ok"
    assert checked.health["since"] > made.health["since"]


async def test_an_api_that_does_not_answer_is_a_warning(here: Office) -> None:
    """Importing goes on while an API is down; a later check learns the account."""
    here.api.down = True
    made = await here.credential(token="one")
    assert made.health["status"] == "warn"
    here.api.down, here.api.accounts = False, {"one": "acme"}
    assert (await here.services.credentials.check(ADMIN, made.id)).account == "acme"
    assert (await here.credential(token="one")).id == made.id


async def test_a_check_keeps_since_while_nothing_changes(here: Office) -> None:
    """`since` says since when it is so, not when it was looked at."""
    made = await here.credential()
    here.clock.move(60)
    assert (await here.services.credentials.check(ADMIN, made.id)).health["since"] == made.health["since"]


async def test_renewing_keeps_what_is_not_given(here: Office) -> None:
    """A script that imports a new token takes away neither a person's name for it nor its limit."""
    here.api.accounts |= {"one": "acme", "two": "acme"}
    own = RateLimit(allowed_requests=5, interval=1.0)
    first = await here.credential(token="one", name="Acme's CRM", rate_limit=own, metadata={"team": "x"})
    again = await here.credential(token="two")
    assert again.id == first.id
    assert (again.name, again.rate_limit, again.metadata) == ("Acme's CRM", own, {"team": "x"})


async def test_what_cannot_be_tried_is_not_said_to_work(here: Office) -> None:
    """A provider without a check: the note says so, and what is known of it otherwise stays."""
    new = NewCredential(
        provider="billing",
        kind=None,
        name=None,
        properties={},
        rate_limit=None,
        external_id=None,
        metadata={},
    )
    made, _ = await here.services.credentials.put(ADMIN, new)
    assert [note["code"] for note in made.health["notes"]] == ["credential.not_checked"]
    refused = {"code": "provider.credential_refused", "text": "Refused.", "about": "billing:invoice"}
    known = {"status": "error", "notes": [refused], "since": "2024-11-19T00:00:00.000000Z"}
    async with here.database.write() as connection:
        await connection.execute(update(schema.credentials).values(health=json.dumps(known)))
    for _ in range(2):
        checked = await here.services.credentials.check(ADMIN, made.id)
        assert checked.health["status"] == "error"
        assert checked.health["since"] == known["since"]
        codes = [note["code"] for note in checked.health["notes"]]
        assert codes == ["provider.credential_refused", "credential.not_checked"]


async def test_a_change_merges_properties_and_keeps_masked_ones(here: Office) -> None:
    """What is shown can be sent back with one field changed."""
    made = await here.credential(token="s3cr3t")
    change = CredentialChange(
        properties={"token": MASK, "region": "eu"}, name="renamed", metadata={"team": "x"}
    )
    changed = await here.services.credentials.change(ADMIN, made.id, change)
    assert changed.properties == {"token": MASK, "region": "eu"}
    assert (changed.name, changed.metadata) == ("renamed", {"team": "x"})
    (row,) = await here.rows("credentials")
    assert here.vault.open(row.secrets) == b'{"token":"s3cr3t"}'
    without = await here.services.credentials.change(
        ADMIN, made.id, CredentialChange(properties={"region": None})
    )
    assert without.properties == {"token": MASK}


async def test_properties_are_checked_against_the_kind(here: Office) -> None:
    """Every mistake is named, with the nearest known name, and without the value."""
    new = NewCredential(
        provider="crm",
        kind="token",
        name=None,
        properties={"tokn": "s3cr3t-token", "region": "mars"},
        rate_limit=None,
        external_id=None,
        metadata={},
    )
    with pytest.raises(Invalid) as refused:
        await here.services.credentials.put(ADMIN, new)
    assert refused.value.errors == [
        ("properties.token", "Is missing."),
        ("properties.tokn", "There is no such field; did you mean `token`?"),
        ("properties.region", "Must be one of eu, us."),
    ]
    assert "s3cr3t" not in str(refused.value.errors)


async def test_rate_limit_is_the_providers_until_one_is_given(here: Office) -> None:
    """The default share of the quota shows; an own one replaces it."""
    made = await here.credential()
    assert made.rate_limit == RateLimit(allowed_requests=50, interval=10.0, max_concurrent_requests=4)
    own = RateLimit(allowed_requests=5, interval=1.0)
    assert (await here.credential(rate_limit=own)).rate_limit == own


async def test_a_credential_in_use_stays(here: Office) -> None:
    """It goes when its sync has gone."""
    made = await here.credential()
    sync = await here.sync(credential_id=made.id)
    with pytest.raises(InUse) as refused:
        await here.services.credentials.delete(ADMIN, made.id)
    assert refused.value.error_code == "credential.in_use"
    await here.services.removal.remove(ADMIN, sync.sync.id, with_records=False)
    await here.services.credentials.delete(ADMIN, made.id)
    assert await here.rows("credentials") == []


async def test_runners_notice_a_changed_credential(here: Office) -> None:
    """The revision that runners look at moves with each change, and so does the time of the change."""
    made = await here.credential()
    before = await here.revision("syncs")
    changed = await here.services.credentials.change(ADMIN, made.id, CredentialChange(name="x"))
    assert await here.revision("syncs") > before
    assert changed.updated_at > made.updated_at


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        (Wanted(metadata={"team": "eu"}), 1),
        (Wanted(metadata={"team": "eu", "tier": "2"}), 1),
        (Wanted(metadata={"live": "true"}), 1),
        (Wanted(metadata={"k\"ey'": "quote"}), 1),
        (Wanted(metadata={"team": "us"}), 0),
        (Wanted(metadata={"nothing": "x"}), 0),
        (Wanted(metadata={"k\0ey": "x"}), 0),
        (Wanted(health="error"), 1),
        (Wanted(health="ok"), 2),
        (Wanted(external_id="org"), 1),
        (Wanted(provider="crm"), 3),
        (Wanted(provider="billing"), 0),
    ],
)
async def test_lists_are_filtered(here: Office, wanted: Wanted, count: int) -> None:
    """By metadata, health, tenant and provider."""
    here.api.revoked = {"three"}
    await here.credential(token="one", metadata={"team": "eu", "tier": 2, "k\"ey'": "quote"})
    await here.credential(token="two", metadata={"live": True}, external_id="org")
    await here.credential(token="three")
    assert len((await here.services.credentials.page(ADMIN, wanted)).items) == count


async def test_pages_follow_each_other(here: Office) -> None:
    """Page by page everything comes once, in the order of making; what is made later comes after the end."""
    ids = [(await here.credential(token=f"token {number}")).id for number in range(5)]
    seen: list[str] = []
    cursor = None
    for expected_more in (True, True, False):
        page = await here.services.credentials.page(ADMIN, Wanted(limit=2, after_cursor=cursor))
        seen += [one.id for one in page.items]
        cursor = page.cursor
        assert page.has_more is expected_more
    assert seen == sorted(ids)
    late = await here.credential(token="late")
    page = await here.services.credentials.page(ADMIN, Wanted(limit=2, after_cursor=cursor))
    assert [one.id for one in page.items] == [late.id]


@pytest.mark.parametrize(
    ("properties", "kind"), [({}, "public"), ({"token": "secret"}, "token"), ({"tokn": "secret"}, None)]
)
async def test_the_kind_is_the_one_that_the_properties_fit(
    here: Office, properties: dict[str, str], kind: str | None
) -> None:
    """Where a provider has several, and none is named."""
    here = office(here.database, here.engine, here.clock, (GITHUB,))
    new = NewCredential(
        provider="github",
        kind=None,
        name=None,
        properties=properties,
        rate_limit=None,
        external_id=None,
        metadata={},
    )
    if kind is None:
        with pytest.raises(Invalid):
            await here.services.credentials.put(ADMIN, new)
    else:
        made, _ = await here.services.credentials.put(ADMIN, new)
        assert made.kind == kind
