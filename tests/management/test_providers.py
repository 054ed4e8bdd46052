"""Stored `rest` documents: versions, names, and that nothing in use goes."""

import pytest
from tests.management.office import ADMIN, Office, tenant

from headwater.errors import Forbidden, InUse, Invalid, NotFound
from headwater.management.credentials import NewCredential
from headwater.management.providers import Providers
from headwater.providers.catalogue import Catalogue
from headwater.store.revisions import Revisions

DOCUMENT = """\
name: shop
title: A shop
base_url: https://shop.example/v1
auth: {kind: none}
collections:
  order:
    path: /orders
    items: data
    id: id
"""


async def test_a_stored_document_is_a_provider(here: Office) -> None:
    """It is in the catalogue at once, and its versions count up."""
    provider, made = await here.services.providers.put(ADMIN, "shop", DOCUMENT)
    assert (provider.name, provider.version, made) == ("shop", 1, True)
    changed, made = await here.services.providers.put(ADMIN, "shop", DOCUMENT.replace("A shop", "The shop"))
    assert (changed.title, changed.version, made) == ("The shop", 2, False)
    assert [one.name for one in await here.services.providers.all()] == ["billing", "crm", "shop"]


async def test_the_same_text_is_no_new_version(here: Office) -> None:
    """Putting what is there changes nothing."""
    await here.services.providers.put(ADMIN, "shop", DOCUMENT)
    again, made = await here.services.providers.put(ADMIN, "shop", DOCUMENT)
    assert (again.version, made) == (1, False)


async def test_other_processes_see_it_within_a_second(here: Office) -> None:
    """They look at the revision."""
    elsewhere = Providers(here.database, Revisions(here.database, here.clock), Catalogue(()), here.clock)
    assert await elsewhere.find("shop") is None
    await here.services.providers.put(ADMIN, "shop", DOCUMENT)
    here.clock.move(1.1)
    assert (await elsewhere.get("shop")).title == "A shop"


async def test_mistakes_have_their_places(here: Office) -> None:
    """A document with mistakes is not stored; a name that is not the address's is one."""
    with pytest.raises(Invalid) as refused:
        await here.services.providers.put(ADMIN, "shop", DOCUMENT.replace("path: /orders", "pth: /orders"))
    assert refused.value.errors
    with pytest.raises(Invalid) as refused:
        await here.services.providers.put(ADMIN, "store", DOCUMENT)
    assert refused.value.errors[0][0] == "name"
    assert await here.rows("provider_documents") == []


async def test_built_in_providers_stay(here: Office) -> None:
    """A document neither hides nor removes one."""
    with pytest.raises(InUse) as refused:
        await here.services.providers.put(ADMIN, "crm", DOCUMENT.replace("name: shop", "name: crm"))
    assert refused.value.error_code == "provider.builtin"
    with pytest.raises(InUse):
        await here.services.providers.delete(ADMIN, "crm")
    with pytest.raises(NotFound):
        await here.services.providers.delete(ADMIN, "nothing")


async def test_a_provider_in_use_stays(here: Office) -> None:
    """It goes when its credentials have gone; stored again, its versions go on counting."""
    await here.services.providers.put(ADMIN, "shop", DOCUMENT)
    new = NewCredential(
        provider="shop", kind=None, name=None, properties={}, rate_limit=None, external_id=None, metadata={}
    )
    credential, _ = await here.services.credentials.put(ADMIN, new)
    with pytest.raises(InUse) as refused:
        await here.services.providers.delete(ADMIN, "shop")
    assert refused.value.error_code == "provider.in_use"
    await here.services.credentials.delete(ADMIN, credential.id)
    await here.services.providers.delete(ADMIN, "shop")
    with pytest.raises(NotFound) as missing:
        await here.services.providers.get("shopp")
    assert missing.value.error_code == "provider.not_found"
    again, made = await here.services.providers.put(ADMIN, "shop", DOCUMENT)
    assert (again.version, made) == (2, True)


async def test_p12_a_tenants_key_changes_no_provider(here: Office) -> None:
    """Providers are everybody's."""
    with pytest.raises(Forbidden) as refused:
        await here.services.providers.put(tenant("a"), "shop", DOCUMENT)
    assert refused.value.error_code == "key.tenant"
    with pytest.raises(Forbidden):
        await here.services.providers.delete(tenant("a"), "shop")
