"""API keys: what they open, how they are revoked, and that the last one that rules cannot go."""

import hashlib

import pytest
from tests.management.office import ADMIN, Office, tenant

from headwater.errors import Forbidden, InUse, Invalid, NotFound, Unauthorized
from headwater.management.caller import Caller, Permission
from headwater.management.keys import Keys, first_key
from headwater.management.listing import Wanted
from headwater.store.revisions import Revisions

READ = {Permission.READ}


async def test_first_key_is_made_once(here: Office) -> None:
    """The first start makes a key that rules; the second makes none."""
    text = await first_key(here.database, here.clock)
    assert text is not None
    assert text.startswith("hw_")
    caller = await here.services.keys.caller(text)
    assert caller.permissions == {Permission.ADMIN}
    assert await first_key(here.database, here.clock) is None


async def test_p8_only_the_hash_of_a_key_is_stored(here: Office) -> None:
    """No row holds the text of a key, only its SHA-256 and its first characters."""
    key, text = await here.services.keys.create(ADMIN, name="a", scopes=READ, external_id=None)
    (row,) = await here.rows("api_keys")
    assert row.hash == hashlib.sha256(text.encode()).hexdigest()
    assert text not in str(row)
    assert text.startswith(key.prefix)
    assert len(key.prefix) < len(text) / 4


async def test_unknown_keys_are_refused(here: Office) -> None:
    """A text that is no key opens nothing."""
    with pytest.raises(Unauthorized) as refused:
        await here.services.keys.caller("hw_nonsense")
    assert refused.value.error_code == "key.invalid"


async def test_a_revoked_key_is_refused_at_once_here_and_soon_elsewhere(here: Office) -> None:
    """Another process that has looked a key up forgets it within a second."""
    await first_key(here.database, here.clock)
    key, text = await here.services.keys.create(ADMIN, name="a", scopes=READ, external_id=None)
    elsewhere = Keys(here.database, Revisions(here.database, here.clock), here.clock)
    await elsewhere.caller(text)
    await here.services.keys.caller(text)
    await here.services.keys.revoke(ADMIN, key.id)
    with pytest.raises(Unauthorized):
        await here.services.keys.caller(text)
    here.clock.move(1.1)
    with pytest.raises(Unauthorized):
        await elsewhere.caller(text)


async def test_last_used_is_written_once_a_minute(here: Office) -> None:
    """Use shows in the list, without a write for each request."""
    key, text = await here.services.keys.create(ADMIN, name="a", scopes=READ, external_id=None)
    assert key.last_used_at is None
    await here.services.keys.caller(text)
    first = (await here.services.keys.get(ADMIN, key.id)).last_used_at
    here.clock.move(30)
    await here.services.keys.caller(text)
    assert (await here.services.keys.get(ADMIN, key.id)).last_used_at == first
    here.clock.move(31)
    await here.services.keys.caller(text)
    assert (await here.services.keys.get(ADMIN, key.id)).last_used_at != first


async def test_the_last_admin_key_stays(here: Office) -> None:
    """Nobody can lock everybody out, neither by removing nor by changing; a second key frees the first."""
    keys = here.services.keys
    first, _ = await keys.create(ADMIN, name="a", scopes={Permission.ADMIN}, external_id=None)
    await keys.create(ADMIN, name="a tenant's", scopes={Permission.ADMIN}, external_id="org")
    with pytest.raises(InUse) as refused:
        await keys.revoke(ADMIN, first.id)
    assert refused.value.error_code == "key.last_admin"
    with pytest.raises(InUse):
        await keys.change(ADMIN, first.id, name=None, scopes=READ)
    await keys.create(ADMIN, name="b", scopes={Permission.ADMIN}, external_id=None)
    await keys.revoke(ADMIN, first.id)
    with pytest.raises(NotFound):
        await keys.get(ADMIN, first.id)


async def test_changed_scopes_count_from_the_next_request(here: Office) -> None:
    """A key that was given fewer scopes has them at once."""
    keys = here.services.keys
    key, text = await keys.create(
        ADMIN, name="a", scopes={Permission.READ, Permission.WRITE}, external_id=None
    )
    (await keys.caller(text)).require(Permission.WRITE)
    changed = await keys.change(ADMIN, key.id, name="b", scopes=READ)
    assert (changed.name, changed.scopes) == ("b", READ)
    with pytest.raises(Forbidden):
        (await keys.caller(text)).require(Permission.WRITE)


async def test_p12_a_tenants_key_makes_and_sees_only_keys_of_its_tenant(here: Office) -> None:
    """A tenant's admin key cannot give access to another tenant, nor see that its keys exist."""
    keys = here.services.keys
    others, _ = await keys.create(ADMIN, name="other", scopes=READ, external_id="b")
    with pytest.raises(Forbidden) as refused:
        await keys.create(tenant("a"), name="x", scopes=READ, external_id="b")
    assert refused.value.error_code == "key.tenant"
    own, text = await keys.create(tenant("a"), name="own", scopes=READ, external_id=None)
    assert (await keys.caller(text)).external_id == "a"
    page = await keys.page(tenant("a"), Wanted())
    assert [key.id for key in page.items] == [own.id]
    for call in (keys.get(tenant("a"), others.id), keys.revoke(tenant("a"), others.id)):
        with pytest.raises(NotFound):
            await call


async def test_keys_need_the_admin_scope(here: Office) -> None:
    """A key that reads manages no keys."""
    reader = Caller(key_id="r", permissions=frozenset(READ))
    with pytest.raises(Forbidden):
        await here.services.keys.page(reader, Wanted())
    with pytest.raises(Forbidden):
        await here.services.keys.create(reader, name="x", scopes=READ, external_id=None)


async def test_a_key_without_scopes_is_refused(here: Office) -> None:
    """A key that may do nothing is a mistake."""
    with pytest.raises(Invalid):
        await here.services.keys.create(ADMIN, name="x", scopes=set(), external_id=None)
