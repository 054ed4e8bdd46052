"""Targets: checked settings, secrets sealed and masked, what trying one shows, and whose they are."""

import base64
from datetime import timedelta

import pytest
from sqlalchemy import update
from tests.management.depot import Depots
from tests.management.office import ADMIN, Office, tenant

from headwater.errors import Forbidden, Halt, InUse, Invalid, NotFound, Retry
from headwater.management import target_settings, targets
from headwater.management.listing import Wanted
from headwater.management.targets import NewTarget, TargetChange
from headwater.model.secret import MASK
from headwater.store import reseal, schema
from headwater.store.vault import Vault, new_key

SECRETS = {"url": "depot://u:pw1@host", "doors": [{"user": "ann", "password": "pw2"}], "level": 3}


async def errors(here: Office, **more: object) -> dict[str, str]:
    """Return what is wrong with a target, by field."""
    with pytest.raises(Invalid) as refused:
        await here.target(**more)
    assert refused.value.fix
    return dict(refused.value.errors)


async def test_p8_secrets_are_sealed_in_the_row_and_masked_in_the_answer(here: Office) -> None:
    """At whatever depth; what is no secret is shown as it was given."""
    made = await here.target(settings=SECRETS)
    assert made.settings == {"url": MASK, "doors": [{"user": "ann", "password": MASK}], "level": 3}
    (row,) = await here.rows("targets")
    assert "pw1" not in str(row)
    assert "pw2" not in str(row)
    assert b"pw2" in here.vault.open(row.secrets)
    assert "pw1" not in repr(made)


async def test_mistakes_in_settings_are_told_by_field(here: Office) -> None:
    """With the name that was meant, and without what was given."""
    assert await errors(here, settings={"shelff": "x", "level": "pw-high"}) == {
        "settings.url": "Is missing.",
        "settings.shelff": "There is no such field; did you mean `shelf`?",
        "settings.level": "Input should be a valid integer, unable to parse string as an integer.",
    }
    found = await errors(here, settings={"url": "depot://", "doors": [{"user": "a", "passwordd": "x"}]})
    assert found == {
        "settings.doors.0.password": "Is missing.",
        "settings.doors.0.passwordd": "There is no such field; did you mean `password`?",
    }
    assert await errors(here, settings={"url": "depot://", "shelf": ""}) == {
        "settings.shelf": "String should have at least 1 character."
    }


async def test_mistakes_about_the_kind(here: Office) -> None:
    """A kind, or a URL that tells it."""
    assert await errors(here, kind=None) == {"kind": "Is missing."}
    assert await errors(here, kind="depott") == {
        "kind": "There is no such kind of target; did you mean `depot`?"
    }
    assert await errors(here, url="gopher://host") == {"url": "Is of no kind of target."}
    assert await errors(here, kind="ledger", url="depot://host") == {"url": "Is of a target of kind depot."}


async def test_a_url_tells_kind_and_settings(here: Office) -> None:
    """Settings that are given besides lie over those of the URL."""
    made = await here.target(url="DEPOT://host/place", settings={"shelf": "s"})
    assert (made.kind, made.settings) == ("depot", {"url": MASK, "shelf": "s"})
    assert here.depots.checked[-1].url.reveal() == "DEPOT://host/place"
    assert (await here.target(url="ledger://book", settings={})).settings == {"path": "book"}


async def test_a_mask_is_no_secret(here: Office) -> None:
    """Settings copied from an answer are refused, not stored with stars for a password."""
    assert await errors(here, settings={"url": MASK}) == {
        "settings.url": "Is masked, but no secret is kept here."
    }


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (None, "ok"),
        (Retry("No answer.", code="target.unreachable", fix="Start it."), "warn"),
        (Halt("Refused.", code="target.credential_refused", fix="Give another password."), "error"),
    ],
)
async def test_a_target_is_tried_when_it_is_made(
    here: Office, failure: Halt | Retry | None, status: str
) -> None:
    """It is kept either way, says in words what was seen, and is closed."""
    here.depots.failure = failure
    made = await here.target()
    assert made.health["status"] == status
    if failure is not None:
        text = f"{failure.message} {failure.fix}"
        assert made.health["notes"] == [{"code": failure.error_code, "text": text, "about": "target"}]
    assert (len(here.depots.checked), here.depots.closed) == (1, 1)
    here.depots.failure = None
    here.clock.move(60)
    checked = await here.services.targets.check(ADMIN, made.id)
    assert checked.health["status"] == "ok"
    assert (checked.health["since"] == made.health["since"]) is (failure is None)
    assert checked.updated_at == made.updated_at


async def test_a_missing_driver_is_told_with_what_to_install(here: Office) -> None:
    """As health of the target, since the server's environment can be mended."""
    made = await here.target(kind="ledger", settings={"path": "book"})
    assert made.health["status"] == "error"
    assert "pip install 'headwater[ledger]'" in made.health["notes"][0]["text"]


async def test_a_silent_target_is_not_waited_for_without_end(
    here: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person waits for the answer."""
    monkeypatch.setattr(targets, "PATIENCE", timedelta())
    here.depots.silent = True
    made = await here.target()
    assert (made.health["status"], made.health["notes"][0]["code"]) == ("warn", "target.timeout")
    assert here.depots.closed == 1


async def test_changing_a_target_keeps_what_is_masked(here: Office) -> None:
    """What is not named stays; None takes out; masks stand for what is kept, also below."""
    made = await here.target(settings=SECRETS)
    change = TargetChange(
        settings={
            "url": MASK,
            "level": None,
            "shelf": "new",
            "doors": [{"user": "bob", "password": MASK}, {"user": "eve", "password": "pw3"}],
        },
        name="Store",
        metadata={"a": 1},
    )
    changed = await here.services.targets.change(ADMIN, made.id, change)
    assert (changed.name, changed.metadata) == ("Store", {"a": 1})
    tried = here.depots.checked[-1]
    assert tried.url.reveal() == SECRETS["url"]
    assert [door.password.reveal() for door in tried.doors] == ["pw2", "pw3"]
    assert (tried.level, tried.shelf) == (0, "new")
    assert changed.updated_at > made.updated_at
    only_name = await here.services.targets.change(ADMIN, made.id, TargetChange(name="Depot 2"))
    assert only_name.settings == changed.settings
    assert len(here.depots.checked) == 2
    with pytest.raises(Invalid):
        await here.services.targets.change(ADMIN, made.id, TargetChange(settings={"url": None}))


async def test_the_same_target_is_used_again_only_where_that_is_wanted(here: Office) -> None:
    """Same kind, same settings, same tenant."""
    first = await here.target(settings=SECRETS)
    create = here.services.targets.create

    def wanted(settings: dict[str, object], **more: str) -> NewTarget:
        return NewTarget(kind="depot", settings=settings, metadata={}, reuse=True, **more)  # type: ignore[arg-type] - texts

    again, made = await create(ADMIN, wanted(SECRETS))
    assert (again.id, made) == (first.id, False)
    other, made = await create(ADMIN, wanted(SECRETS | {"level": 4}))
    assert made
    assert other.id != first.id
    assert (await create(tenant("a"), wanted(SECRETS)))[1]
    assert (await here.target(settings=SECRETS)).id != first.id


async def test_a_target_in_use_stays(here: Office) -> None:
    """It goes once its consumers have gone."""
    made = await here.target()
    view = await here.consumer(target_id=made.id)
    with pytest.raises(InUse):
        await here.services.targets.delete(ADMIN, made.id)
    await here.services.consumers.delete(ADMIN, view.consumer.id)
    await here.services.targets.delete(ADMIN, made.id)
    with pytest.raises(NotFound):
        await here.services.targets.get(ADMIN, made.id)


async def test_p12_a_tenant_sees_and_changes_its_own_targets_only(here: Office) -> None:
    """Neither another's nor nobody's."""
    of_a, of_b, of_none = [await here.target(caller) for caller in (tenant("a"), tenant("b"), ADMIN)]
    assert (of_a.external_id, of_none.external_id) == ("a", None)
    service, a = here.services.targets, tenant("a")
    assert [one.id for one in (await service.page(a, Wanted())).items] == [of_a.id]
    for other in (of_b, of_none):
        for call in (
            service.get(a, other.id),
            service.check(a, other.id),
            service.delete(a, other.id),
            service.change(a, other.id, TargetChange(name="mine")),
        ):
            with pytest.raises(NotFound):
                await call
    with pytest.raises(Forbidden):
        await here.target(a, external_id="b")


async def test_p12_a_tenant_does_not_set_what_leads_elsewhere(here: Office) -> None:
    """Nor does it change a target for which somebody else has set it, except by taking it out."""
    below = {"url": "depot://host", "cellar": True}
    service, a = here.services.targets, tenant("a")
    with pytest.raises(Forbidden):
        await here.target(a, settings=below)
    own = await here.target(a, settings={"url": "depot://host", "cellar": False})
    with pytest.raises(Forbidden):
        await service.change(a, own.id, TargetChange(settings={"cellar": True}))
    given = await here.target(ADMIN, settings=below, external_id="a")
    with pytest.raises(Forbidden):
        await service.change(a, given.id, TargetChange(settings={"url": "depot://another"}))
    await service.change(a, given.id, TargetChange(name="mine"))
    changed = await service.change(a, given.id, TargetChange(settings={"cellar": None}))
    assert "cellar" not in changed.settings


async def test_running_processes_notice_each_change(here: Office) -> None:
    """The revision counts up, also for a check: consumers that stand still try again at once."""
    seen = [await here.revision("consumers")]
    made = await here.target()
    seen.append(await here.revision("consumers"))
    await here.services.targets.check(ADMIN, made.id)
    seen.append(await here.revision("consumers"))
    await here.services.targets.delete(ADMIN, made.id)
    seen.append(await here.revision("consumers"))
    assert seen == sorted(set(seen))


async def test_a_list_by_kind_and_health(here: Office) -> None:
    """As lists of everything else."""
    depot = await here.target(metadata={"team": "eu"})
    ledger = await here.target(kind="ledger", settings={"path": "x"})
    page = here.services.targets.page

    async def found(wanted: Wanted, kind: str | None = None) -> list[str]:
        return [one.id for one in (await page(ADMIN, wanted, kind)).items]

    assert await found(Wanted(), "ledger") == [ledger.id]
    assert await found(Wanted(health="error")) == [ledger.id]
    assert await found(Wanted(metadata={"team": "eu"})) == [depot.id]


def test_settings_that_no_kind_reads_any_more_are_shown_without_secrets() -> None:
    """Of a kind that this release does not have, or has otherwise."""
    depot, ledger = Depots().kinds
    assert target_settings.shown(None, {"a": 1}, {"b": "s"}) == {"a": 1, "b": MASK}
    assert target_settings.shown(ledger, {"a": 1}, {"b": "s"}) == {"a": 1, "b": MASK}
    assert target_settings.secret_fields(depot.settings) == {"url", "doors"}


async def test_secrets_of_targets_are_sealed_anew_with_a_new_key(here: Office) -> None:
    """So that the old one may go."""
    made = await here.target(settings=SECRETS)
    old, new = here.vault._keys[0], new_key()
    both = Vault.with_keys([new, base64.urlsafe_b64encode(old).decode()])
    assert await reseal.reseal(both, here.database) == 1
    (row,) = await here.rows("targets")
    assert b"pw2" in Vault.with_keys([new]).open(row.secrets)
    assert row.id == made.id


async def test_a_kind_that_this_release_does_not_have(here: Office) -> None:
    """Its targets are shown, renamed and removed, but neither tried nor changed."""
    made = await here.target(settings=SECRETS)
    async with here.database.write() as connection:
        await connection.execute(update(schema.targets).values(kind="attic"))
    service = here.services.targets
    shown = await service.get(ADMIN, made.id)
    assert (shown.kind, shown.settings) == ("attic", {"level": 3, "url": MASK, "doors": MASK})
    assert (await service.change(ADMIN, made.id, TargetChange(name="Old"))).name == "Old"
    for call in (
        service.check(ADMIN, made.id),
        service.change(ADMIN, made.id, TargetChange(settings={"level": 4})),
        here.consumer(target_id=made.id),
    ):
        with pytest.raises(InUse) as refused:
            await call
        assert refused.value.error_code == "target.kind_unknown"
    await service.delete(ADMIN, made.id)
