"""The keeper of tokens: one refresh, stored before it is used, whatever happens meanwhile."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import update
from tests.providers.linked import (
    CREDENTIAL,
    app_stored,
    credential_stored,
    kept,
    linking,
)

from headwater.errors import Halt, Retry
from headwater.kit.budget import Governor, Urgency
from headwater.kit.clock import SystemClock
from headwater.kit.http import Client, Session, open_session
from headwater.providers.oauth import GrantEnded
from headwater.providers.provider import Provider
from headwater.providers.tokens import TokenKeeper
from headwater.store import schema
from headwater.store.database import Database
from headwater.store.vault import Vault, new_key
from headwater.testing.fake_oauth import Authority, Running, Switches, serving
from headwater.testing.fake_oauth.authority import Agreement

BOTH = ("sqlite", pytest.param("postgresql", marks=pytest.mark.server))
HOUR = timedelta(hours=1)
CLOCK = SystemClock()


class Place:
    """A database with one linked credential, the fake API, and keepers as processes have them."""

    def __init__(self, url: str, database: Database, fake: Running, session: Session) -> None:
        self.url, self.database, self.fake, self.session = url, database, fake, session
        self.vault = Vault.with_keys([new_key()])
        self.provider: Provider = linking(fake.url)

    def keeper(self, database: Database | None = None) -> TokenKeeper:
        """Return the keeper of another process."""
        return TokenKeeper(database or self.database, self.vault, CLOCK)

    def api(self, keeper: TokenKeeper) -> Client:
        """Open the API with the credential."""
        return Client(
            self.provider.base_url,
            authorizer=keeper.authorizer(self.provider, CREDENTIAL),
            limiter=Governor(self.provider.budget, CLOCK),
            urgency=Urgency.CHANGES,
            clock=CLOCK,
            headers={},
            session=self.session,
        )

    async def link(self, *, expired: bool = False, refresh: bool = True) -> None:
        """Have an account linked, with a token that is good or has run out."""
        authority = self.fake.authority
        agreement = Agreement(account="acme", scope="read")
        if not expired:
            authority.access["first"] = (agreement, float("inf"))
        authority.refresh["refresh-1"] = agreement
        secret = {"access_token": "first"} | ({"refresh_token": "refresh-1"} if refresh else {})
        seconds = -1 if expired else 3600
        await app_stored(self.database, self.vault, self.fake.url)
        await credential_stored(
            self.database, self.vault, secret, expires_us=CLOCK.now_us() + seconds * 1_000_000
        )

    async def stored(self) -> dict[str, Any]:
        """Return the properties that are stored; no refresh is claimed any more."""
        properties, claimed = await kept(self.database, self.vault)
        assert claimed is None
        return properties


async def whose(client: Client) -> str:
    """Ask the API whose token it was sent."""
    return msgspec.json.decode((await client.get("/me")).body)["account"]


@pytest.fixture(params=BOTH)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database that is not there yet."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/headwater.db"
    return request.getfixturevalue("postgres_database")


@asynccontextmanager
async def placed(url: str) -> AsyncGenerator[Place]:
    """Put a place together."""
    database, session = await Database.open(url, clock=CLOCK), open_session()
    async with serving(Authority(switches=Switches(rotates=True))) as fake:
        yield Place(url, database, fake, session)
        await session.close()
    await database.close()


@pytest.fixture
async def place(url: str) -> AsyncGenerator[Place]:
    """A place on each database, where each refresh token works once."""
    async with placed(url) as made:
        yield made


async def test_a_token_that_is_good_is_used_as_it_is(place: Place) -> None:
    """Nothing is refreshed."""
    await place.link()
    keeper = place.keeper()
    assert await whose(place.api(keeper)) == "acme"
    assert place.fake.authority.refreshes == 0


async def test_a_token_that_ends_soon_is_refreshed_before(place: Place) -> None:
    """And what came is stored, the refresh token too, since the old one works no more."""
    await place.link(expired=True)
    assert await whose(place.api(place.keeper())) == "acme"
    stored = await place.stored()
    assert stored["access_token"] in place.fake.authority.access
    assert stored["refresh_token"] in place.fake.authority.refresh
    assert place.fake.authority.refreshes == 1
    assert await whose(place.api(place.keeper())) == "acme"
    assert place.fake.authority.refreshes == 1, "another process uses what is stored"


async def test_many_requests_of_many_processes_refresh_once(place: Place) -> None:
    """Three processes with two APIs each and ten requests at a time: one refresh, nobody is refused."""
    place.fake.authority.switches = Switches(rotates=True, slow_seconds=0.2)
    await place.link(expired=True)
    others = [await Database.open(place.url, clock=CLOCK) for _ in range(2)]
    keepers = [place.keeper(database) for database in (place.database, *others)]
    clients = [place.api(keeper) for keeper in keepers for _ in range(2)]
    found = await asyncio.gather(*(whose(client) for client in clients for _ in range(10)))
    assert found == ["acme"] * 60
    assert place.fake.authority.refreshes == 1
    await place.stored()
    for database in others:
        await database.close()


async def test_a_refused_token_is_refreshed_once(place: Place) -> None:
    """All that were refused at once share it; a second refusal is the API's last word."""
    await place.link()
    client = place.api(place.keeper())
    assert await whose(client) == "acme"
    place.fake.authority.expire()
    assert await asyncio.gather(*(whose(client) for _ in range(10))) == ["acme"] * 10
    assert place.fake.authority.refreshes == 1


async def test_without_a_refresh_token_a_refusal_stands(place: Place) -> None:
    """Nothing can be done but to link again."""
    await place.link(refresh=False)
    place.fake.authority.expire()
    with pytest.raises(Halt) as refused:
        await whose(place.api(place.keeper()))
    assert refused.value.error_code == "provider.credential_refused"
    assert place.fake.authority.refreshes == 0


async def test_revoked_access_halts_with_the_fix_and_is_not_asked_for_each_time(place: Place) -> None:
    """The API is asked once; a new link counts at once."""
    await place.link()
    place.fake.authority.revoke()
    keeper = place.keeper()
    client = place.api(keeper)
    for _ in range(3):
        with pytest.raises(GrantEnded) as ended:
            await whose(client)
        assert ended.value.error_code == "provider.credential_refused"
        assert ended.value.fix == "Link the account again."
    assert place.fake.authority.asked_tokens == 1
    place.fake.authority.access["second"] = (Agreement(account="acme", scope="read"), float("inf"))
    sealed = place.vault.seal(b'{"access_token":"second","refresh_token":"refresh-2"}')
    async with place.database.write() as connection:
        await connection.execute(update(schema.credentials).values(secrets=sealed))
    assert await whose(client) == "acme"


async def test_another_process_that_was_quicker_is_no_end(place: Place) -> None:
    """A refresh token that was used elsewhere is refused, and what is stored by then counts."""
    await place.link(expired=True)
    slow, quick = place.api(place.keeper()), place.api(place.keeper())
    place.fake.authority.switches = Switches(rotates=True, slow_seconds=0.3)
    waiting = asyncio.create_task(whose(slow))
    await asyncio.sleep(0.1)
    async with place.database.write() as connection:  # as if its claim had run out
        await connection.execute(update(schema.credentials).values(refreshing_us=0))
    place.fake.authority.switches = Switches(rotates=True)
    assert await whose(quick) == "acme"
    assert await waiting == "acme"
    assert place.fake.authority.refreshes == 1


async def test_the_claim_of_a_process_that_died_ends(place: Place) -> None:
    """Whoever waits takes over when its time is over."""
    await place.link(expired=True)
    soon = CLOCK.now_us() + 500_000
    async with place.database.write() as connection:
        await connection.execute(update(schema.credentials).values(refreshing_us=soon))
    assert await whose(place.api(place.keeper())) == "acme"
    assert CLOCK.now_us() > soon


async def test_a_failure_gives_the_claim_back(place: Place) -> None:
    """So that the next try need not wait for its end."""
    place.fake.authority.switches = Switches(rotates=True, failures=1)
    await place.link(expired=True)
    client = place.api(place.keeper())
    with pytest.raises(Retry):
        await whose(client)
    await place.stored()
    assert await whose(client) == "acme"


async def test_a_refresh_outlives_the_request_that_asked_for_it(place: Place) -> None:
    """A sync that is stopped in the middle must not lose the only token; a stop of the process waits."""
    place.fake.authority.switches = Switches(rotates=True, slow_seconds=0.3)
    await place.link(expired=True)
    keeper = place.keeper()
    asking = asyncio.create_task(whose(place.api(keeper)))
    await asyncio.sleep(0.1)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await keeper.close()
    assert (await place.stored())["refresh_token"] in place.fake.authority.refresh
    assert place.fake.authority.refreshes == 1


class Away(Database):
    """A database that takes no writes of a while."""

    failures = 0

    @asynccontextmanager
    async def write(self) -> AsyncGenerator[Any]:
        """Fail, or write."""
        if type(self).failures > 0:
            type(self).failures -= 1
            raise Retry("The database is away.", code="database.unreachable")
        async with super().write() as connection:
            yield connection


async def test_a_token_is_not_used_before_it_is_stored(tmp_path: Path) -> None:
    """While the database is away the save is tried again; nobody has the new token meanwhile."""
    async with placed(f"sqlite:///{tmp_path}/h.db") as place:
        place.fake.authority.switches = Switches(rotates=True, slow_seconds=0.2)
        await place.link(expired=True)
        database = await Away.open(place.url, clock=CLOCK)
        asking = asyncio.create_task(whose(place.api(place.keeper(database))))
        await asyncio.sleep(0.1)
        Away.failures = 1
        assert await asking == "acme"
        assert Away.failures == 0, "the save failed, and was made again"
        assert (await place.stored())["refresh_token"] in place.fake.authority.refresh
        await database.close()


async def test_tokens_that_a_person_gave_meanwhile_stay(place: Place) -> None:
    """What a refresh brings is written only over the grant that it was made of."""
    place.fake.authority.switches = Switches(rotates=True, slow_seconds=0.3)
    await place.link(expired=True)
    place.fake.authority.access["given"] = (Agreement(account="new", scope=""), float("inf"))
    asking = asyncio.create_task(whose(place.api(place.keeper())))
    await asyncio.sleep(0.1)
    sealed = place.vault.seal(b'{"access_token":"given"}')
    async with place.database.write() as connection:
        await connection.execute(update(schema.credentials).values(secrets=sealed, properties="{}"))
    assert await asking == "new"
    assert (await kept(place.database, place.vault))[0] == {"access_token": "given"}


async def test_tokens_that_were_sealed_anew_meanwhile_are_replaced(place: Place) -> None:
    """Another key of the vault changes the row, and not what it says."""
    place.fake.authority.switches = Switches(rotates=True, slow_seconds=0.3)
    await place.link(expired=True)
    asking = asyncio.create_task(whose(place.api(place.keeper())))
    await asyncio.sleep(0.1)
    sealed = place.vault.seal(b'{"access_token":"first","refresh_token":"refresh-1"}')
    async with place.database.write() as connection:
        await connection.execute(update(schema.credentials).values(secrets=sealed))
    assert await asking == "acme"
    assert (await place.stored())["refresh_token"] in place.fake.authority.refresh
