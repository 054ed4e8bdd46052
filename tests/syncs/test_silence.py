"""Pushes that stay out or get lost: noticed, told, and mended where that can be done."""

import json
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.api.test_hooks import Hookable

from headwater.kit.clock import SystemClock
from headwater.model.record import Change, EventKind, Origin
from headwater.model.secret import Secret
from headwater.providers.provider import News
from headwater.store.database import Database
from headwater.store.vault import Vault, new_key
from headwater.syncs.comparing import PATIENCE_US, WINDOW_US, Comparison, Verdict
from headwater.syncs.hooks import Hook, HookRows
from headwater.syncs.mending import Mender
from headwater.syncs.silence import SilenceRun
from headwater.testing.clock import FIRST_US, ManualClock

URL = "https://headwater.example/webhooks/s/crm"
MINUTE_US = 60_000_000
EXACT = frozenset({"deal"})


def change(id: str, origin: Origin = Origin.SINCE, updated_us: int | None = None) -> Change:
    """Return a change as it is found."""
    return Change(
        slot=1, upstream_id=id, event=EventKind.UPDATED, origin=origin, expects=None, fingerprint=b"",
        version=None, asked_us=0, created_us=None, updated_us=updated_us, data=b"{}",
    )  # fmt: skip


def verdict(comparison: Comparison, at_us: int) -> Verdict:
    """Return what a comparison says at a time."""
    return comparison.seen(at_us).verdict


def test_silence_needs_time_and_some_changes() -> None:
    """Three changes that nothing was pushed of for two minutes; one push ends it; an hour forgets it."""
    comparison = Comparison(exact=EXACT)
    for n in range(3):
        assert verdict(comparison, PATIENCE_US + 2) is Verdict.FINE
        comparison.found(("note", str(n)), n)
    assert verdict(comparison, PATIENCE_US) is Verdict.FINE
    seen = comparison.seen(PATIENCE_US + 2)
    assert (seen.verdict, seen.lost, seen.pushes, seen.since_us) == (Verdict.SILENT, 3, 0, 0)
    assert verdict(comparison, WINDOW_US + 3) is Verdict.FINE
    for n in range(3):
        comparison.found(("note", str(n)), 2 * WINDOW_US)
    comparison.pushed([("other", "x")], 2 * WINDOW_US + 1)
    assert verdict(comparison, 2 * WINDOW_US + PATIENCE_US) is Verdict.FINE, "a note may go unpushed"


def test_losses_count_where_every_change_is_pushed() -> None:
    """Three changes without a push among others with one."""
    comparison = Comparison(exact=EXACT)
    for n in range(6):
        comparison.found(("deal", str(n)), n)
        if n % 2:
            comparison.pushed([("deal", str(n))], n)
    seen = comparison.seen(PATIENCE_US + 10)
    assert (seen.verdict, seen.lost, seen.pushes) == (Verdict.LOSSY, 3, 3)


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(-PATIENCE_US, PATIENCE_US)), max_size=30))
def test_a_push_that_is_only_late_is_no_loss(told: list[tuple[int, int]]) -> None:
    """Within two minutes before or after, in whatever order."""
    comparison, base = Comparison(exact=EXACT), 10 * PATIENCE_US
    for id, _ in told:
        comparison.found(("deal", str(id)), base)
    for id, away_us in told:
        comparison.pushed([("deal", str(id))], base + away_us)
    assert verdict(comparison, base + PATIENCE_US) is Verdict.FINE


class Rig:
    """A watched sync, its webhook's row, and an API that can be told."""

    def __init__(self, rows: HookRows, url: str | None) -> None:
        self.clock, self.api, self.rows = ManualClock(), Hookable(), rows
        self.resent: list[int] = []

        async def redeliver(_http: Any, _kept: Any, since_us: int) -> int:
            self.resent.append(since_us)
            return 7

        mender = Mender(
            sync_id="s",
            webhook=replace(self.api.webhook(), redeliver=redeliver),
            rows=rows,
            open=lambda: None,  # type: ignore[arg-type,return-value] - this API needs no door
            url=url,
        )
        self.run = SilenceRun(exact=EXACT, mender=mender, clock=self.clock, noted=lambda: None)

    def found(self, *ids: str, origin: Origin = Origin.SINCE, updated_us: int | None = None) -> None:
        """Find changes of a deal by asking."""
        self.run.found("deal", [change(id, origin, updated_us) for id in ids])

    async def later(self, us: int = PATIENCE_US + 1) -> tuple[str, str]:
        """Let time pass, look, and return code and text of the note."""
        self.clock.us += us
        await self.run.look()
        note = self.run.attempts.notes.get("pushes")
        return ("", "") if note is None else (note[1].code, note[1].text)

    async def registered(self, **more: Any) -> None:
        """Store a webhook that was registered."""
        kept = await self.api.register(None, URL, "first")  # type: ignore[arg-type] - as above
        hook = Hook(sync_id="s", secrets=(Secret("first"),), registration=kept.kept, updated_us=1)
        async with self.rows.database.write() as connection:
            await self.rows.put(connection, replace(hook, **more))


@pytest.fixture
async def rows(tmp_path: Path) -> AsyncGenerator[HookRows]:
    """The rows of webhooks in a database."""
    database = await Database.open(f"sqlite:///{tmp_path}/h.db", clock=SystemClock())
    yield HookRows(database=database, vault=Vault.with_keys([new_key()]))
    await database.close()


async def test_a_silent_webhook_is_registered_again(rows: HookRows) -> None:
    """It had vanished at the API. Once an hour, and the row says what is there now."""
    rig = Rig(rows, URL)
    await rig.registered()
    rig.api.registered.clear()
    rig.found("1", "2", "3")
    code, text = await rig.later()
    assert code == "webhooks.silent"
    assert "told once more" in text
    assert list(rig.api.registered.values()) == [(URL, "first")]
    hook = await rows.read("s")
    assert hook is not None
    assert hook.registration == {"id": 2}
    assert hook.updated_us == 1, "its run need not begin anew"
    await rig.later(MINUTE_US)
    assert rig.api.made == 2
    rig.run.pushed([News(collection="deal", id=str(n)) for n in (1, 2, 3)], rig.clock.us)
    assert await rig.later(0) == ("", "")


async def test_a_webhook_that_cannot_be_mended_says_what_to_do(rows: HookRows) -> None:
    """By hand, without a public address, or where the API refuses."""
    rig = Rig(rows, URL)
    await rig.registered(registration=None)
    rig.found("1", "2", "3")
    assert "headwater webhook show" in (await rig.later())[1]
    rig = Rig(rows, None)
    await rig.registered()
    rig.found("1", "2", "3")
    assert "headwater webhook show" in (await rig.later())[1]
    rig = Rig(rows, URL)
    await rig.registered()
    rig.api.refuses = True
    rig.found("1", "2", "3")
    assert "failed: The API refused." in (await rig.later())[1]


async def test_what_was_lost_is_asked_for_again(rows: HookRows) -> None:
    """From the first loss on; the registration stays."""
    rig = Rig(rows, URL)
    await rig.registered()
    rig.found("1", "2", "3", "4")
    rig.run.pushed([News(collection="deal", id="4")], rig.clock.us)
    code, text = await rig.later()
    assert code == "webhooks.lossy"
    assert "7 deliveries" in text
    assert rig.resent == [FIRST_US]
    assert rig.api.made == 1


async def test_what_says_nothing_about_pushes(rows: HookRows) -> None:
    """Backfills and sweeps, pushes themselves, and changes from before this run."""
    rig = Rig(rows, URL)
    for origin in (Origin.BACKFILL, Origin.SWEEP, Origin.WEBHOOK, Origin.MUTATION):
        rig.found("1", "2", "3", origin=origin)
    rig.found("1", "2", "3", updated_us=FIRST_US - 1)
    assert await rig.later() == ("", "")
    rig.found("1", "2", "3", updated_us=FIRST_US)
    assert (await rig.later())[0] == "webhooks.silent"


async def test_a_secret_that_a_person_rolled_meanwhile_stays(rows: HookRows) -> None:
    """Mending writes only over what it has read."""
    rig = Rig(rows, URL)
    await rig.registered()
    telling = rig.api.register

    async def slow(http: Any, url: str, secret: str) -> Any:
        made = await telling(http, url, secret)
        rolled = Hook(sync_id="s", secrets=(Secret("rolled"),), registration={"id": 9}, updated_us=2)
        async with rows.database.write() as connection:
            await rows.put(connection, rolled)
        return made

    mender = rig.run.mender
    assert mender is not None
    rig.run.mender = replace(mender, webhook=replace(mender.webhook, register=slow))
    rig.found("1", "2", "3")
    await rig.later()
    hook = await rows.read("s")
    assert hook is not None
    assert [secret.reveal() for secret in hook.secrets] == ["rolled"]
    assert list(rig.api.registered) == [1], "what was made in vain is taken away"
    assert json.dumps(hook.registration) == '{"id": 9}'
