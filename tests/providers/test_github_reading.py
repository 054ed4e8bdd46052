"""GitHub's collections are read whole, in changes and one by one, as the fake GitHub has them."""

from collections.abc import AsyncGenerator

import orjson
import pytest
from tests.providers.github.opened import Opened, opened, pages, shown

from headwater.errors import Halt, Retry
from headwater.providers.github import GITHUB
from headwater.providers.provider import Page, Since
from headwater.testing.fake_github import World
from headwater.testing.fake_github.kinds import pull
from headwater.testing.fake_github.seeding import seed

ONE_BY_ONE = {one.name: one.volatile for one in GITHUB.collections if one.read_one is not None}
"""Collections whose objects can be read alone, and which of their members change by themselves."""
SECOND = 1_000_000


@pytest.fixture
async def github() -> AsyncGenerator[Opened]:
    """A repository with something of everything."""
    async with opened() as found:
        yield found


async def changes(github: Opened, collection: str, since: Since) -> tuple[list[Page], dict[str, object]]:
    """Read what has changed in the first scope."""
    found = github.provider.collection(collection)
    assert found is not None
    assert found.read_since is not None
    read = await pages(found.read_since(github.http, github.scope(collection)[0], since, None))
    return read, shown([one for page in read for one in page.observed])


def us(seconds: float) -> int:
    return int(seconds * SECOND)


async def test_every_collection_is_read_whole(github: Opened) -> None:
    """Every object is there, once, as the API has it."""
    dump = github.world.dump()
    assert set(dump) == {collection.name for collection in GITHUB.collections}
    for name, truth in dump.items():
        assert truth, name
        assert await github.all(name) == truth, name


async def test_one_object_has_its_lists_shape(github: Opened) -> None:
    """What is read alone is what the list shows, but for what changes by itself."""
    for name, volatile in ONE_BY_ONE.items():
        for id, value in list(github.world.dump()[name].items())[:3]:
            [observed] = (await github.one(name, id)).observed
            assert observed.id == id
            got = orjson.loads(observed.raw)
            kept = {key: one for key, one in got.items() if key not in volatile}
            assert kept == {key: one for key, one in value.items() if key not in volatile}, name


async def test_what_is_not_there_is_gone(github: Opened) -> None:
    """A single read of an unknown id is a delete."""
    pull_id = next(iter(github.world.dump()["pull_request"]))
    unknown = {"repository": "999999", "review": f"{pull_id}/999999"}
    for name in ONE_BY_ONE:
        missing = unknown.get(name, f"{github.repo.id}/999999")
        [observed] = (await github.one(name, missing)).observed
        assert (observed.deleted, observed.id) == (True, missing), name


async def test_changes_of_issues_come_in_order(github: Opened) -> None:
    """By `since`, inclusive, oldest first: each page could move the checkpoint."""
    now = github.world.now()
    for number in (5, 3, 40):
        github.world.change(github.repo, "issue", number, title=f"New {number}", updated_at=now + number)
    read, found = await changes(github, "issue", Since(updated_us=us(now)))
    assert list(found) == [f"{github.repo.id}/{number}" for number in (3, 5, 40)]
    assert read[-1].validators
    again, _ = await changes(github, "issue", Since(updated_us=us(now), validators=read[-1].validators))
    assert [page.unchanged for page in again] == [True]


async def test_more_issues_of_one_second_than_a_page_holds(github: Opened) -> None:
    """They are read by pages of that second, then from it on."""
    numbers = list(github.repo.tables["issue"])
    now = github.world.now()
    for _ in range(250):
        github.world.make(github.repo, "issue", updated_at=now)
    _, found = await changes(github, "issue", Since(updated_us=us(now)))
    assert len(found) == 250
    assert not {f"{github.repo.id}/{number}" for number in numbers} & set(found)


async def test_what_changes_while_it_is_listed_is_not_missed(github: Opened) -> None:
    """Rows that move to the end shift the pages; the listing goes on by time and misses none."""
    for _ in range(300):
        github.world.make(github.repo, "issue")
    collection = github.provider.collection("issue")
    assert collection is not None
    seen: set[str] = set()
    async for page in collection.read_all(github.http, github.scope("issue")[0], None):
        first = len(seen) == 0
        seen |= {one.id for one in page.observed}
        if first:
            later = github.world.now() + 1
            for number in range(1, 60):
                github.world.change(github.repo, "issue", number, title="Moved", updated_at=later)
    assert seen == set(github.world.dump()["issue"])


async def test_pull_requests_are_read_until_they_are_known(github: Opened) -> None:
    """Newest first; an unchanged first page vouches for all of them."""
    for number in range(150):
        github.world.make(
            github.repo, "issue", pull=pull(github.repo, "main"), updated_at=1_700_000_000 + number
        )
    now = github.world.now()
    number = github.repo.numbers - 10
    github.world.change(github.repo, "issue", number, title="Changed")
    before = github.asked()
    read, found = await changes(github, "pull_request", Since(updated_us=us(now)))
    assert f"{github.repo.id}/{number}" in found
    assert github.asked() - before == 1
    since = Since(updated_us=us(now), validators=read[-1].validators)
    again, _ = await changes(github, "pull_request", since)
    assert again[0].unchanged


async def test_quiet_pull_requests_cost_nothing(github: Opened) -> None:
    """Their reviews are looked for only where the pull request has changed since."""
    before = github.asked()
    read, _ = await changes(github, "review", Since(updated_us=us(github.world.now() + 60)))
    assert read[0].unchanged
    assert github.asked() == before
    number = next(key for key, each in github.repo.tables["issue"].items() if each["pull"] is not None)
    github.world.make(github.repo, "review", of=number)
    _, found = await changes(github, "review", Since(updated_us=us(github.world.now() - 60)))
    assert set(found) == {id for id in github.world.dump()["review"] if f"/{number}/" in id}


async def test_a_review_of_the_same_second_is_not_missed(github: Opened) -> None:
    """A pull request that changed just now vouches for nothing yet."""
    number = next(key for key, each in github.repo.tables["issue"].items() if each["pull"] is not None)
    github.world.make(github.repo, "review", of=number)
    read, _ = await changes(github, "review", Since(updated_us=0))
    github.world.make(github.repo, "review", of=number)
    _, found = await changes(github, "review", Since(updated_us=0, validators=read[-1].validators))
    assert len(found) == len([id for id in github.world.dump()["review"] if f"/{number}/" in id])


async def test_commits_since_a_head(github: Opened) -> None:
    """What the new head reaches and the old did not, however old its dates are."""
    read, _ = await changes(github, "commit", Since())
    known = read[-1].validators
    unchanged, _ = await changes(github, "commit", Since(validators=known))
    assert unchanged[0].unchanged
    [sha] = github.world.push(github.repo, 1)
    github.repo.commits[sha]["created_at"] = 1
    read, found = await changes(github, "commit", Since(validators=known))
    assert list(found) == [f"{github.repo.id}/{sha}"]
    assert (read[-1].validators or {})["head"] == sha


@pytest.mark.parametrize("pushed", [0, 2, 120])
async def test_a_force_push_takes_commits_away(github: Opened, pushed: int) -> None:
    """Those that the branch does not reach any more are gone, although GitHub still shows them."""
    read, _ = await changes(github, "commit", Since())
    branch = github.repo.reached(github.repo.resolve("main"))
    made = github.world.push(github.repo, pushed, drop=3)
    read, found = await changes(github, "commit", Since(validators=read[-1].validators))
    gone = {one.id for page in read for one in page.observed if one.deleted}
    assert gone == {f"{github.repo.id}/{sha}" for sha in branch[:3]}
    assert set(found) == {f"{github.repo.id}/{sha}" for sha in made}
    [observed] = (await github.one("commit", f"{github.repo.id}/{branch[0]}")).observed
    assert observed.deleted


async def test_a_forgotten_head_lists_everything(github: Opened) -> None:
    """Where the old head is not known any more, all commits are read."""
    _, found = await changes(github, "commit", Since(validators={"head": "f" * 40}))
    assert found == github.world.dump()["commit"]


async def test_new_stars_are_on_the_last_page(github: Opened) -> None:
    """The first page says where the end is; then back until a star is known."""
    for _ in range(350):
        github.world.make(github.repo, "stargazer", created_at=1_700_000_000)
    made = github.world.make(github.repo, "stargazer")
    before = github.asked()
    _, found = await changes(github, "stargazer", Since(updated_us=us(made["created_at"])))
    assert f"{github.repo.id}/{made['user']['id']}" in found
    assert github.asked() - before == 2


async def test_runs_that_may_have_ended_are_read_again(github: Opened) -> None:
    """A run that began before the last look, and those that began since."""
    run = github.world.make(github.repo, "workflow_run", created_at=github.world.now() - 3_600)
    old = github.world.make(github.repo, "workflow_run", created_at=github.world.now() - 90_000)
    _, found = await changes(github, "workflow_run", Since(updated_us=us(github.world.now())))
    assert f"{github.repo.id}/{run['id']}" in found
    assert f"{github.repo.id}/{old['id']}" not in found


async def test_more_runs_than_a_filtered_list_gives(github: Opened) -> None:
    """Behind a thousand, those that began earlier are asked for."""
    now = github.world.now()
    for number in range(1_150):
        github.world.make(github.repo, "workflow_run", created_at=now - number)
    collection = github.provider.collection("workflow_run")
    assert collection is not None
    assert collection.read_since is not None
    seen: set[str] = set()
    async for page in collection.read_since(
        github.http, github.scope("workflow_run")[0], Since(updated_us=us(now)), None
    ):
        seen |= {one.id for one in page.observed}
    assert len(seen) >= 1_150


async def test_a_page_that_is_too_much_is_halved(github: Opened) -> None:
    """502 for a hundred objects: fifty are asked for, and none is missed."""
    github.world.switches = github.world.switches.turned({"heavy_page": 30})
    for name in ("issue", "issue_comment", "label", "pull_request"):
        assert await github.all(name) == github.world.dump()[name]
    github.world.switches = github.world.switches.turned({"heavy_page": 10})
    with pytest.raises(Retry):
        await github.all("issue")


async def test_a_renamed_repository_is_the_same(github: Opened) -> None:
    """Its name leads to its id, and all below it is read by that."""
    id = str(github.repo.id)
    async with opened(github.world, {"repositories": ["octo/hello"]}) as named:
        assert set(await named.all("repository")) == {id}
        named.world.change_repo(named.repo, name="hallo", owner="others")
        assert (await named.all("repository"))[id]["full_name"] == "others/hallo"
        assert set(await named.all("issue")) == set(named.world.dump()["issue"])
        [observed] = (await named.one("repository", id)).observed
        assert not observed.deleted


async def test_a_transferred_issue_is_gone_from_here(github: Opened) -> None:
    """Its address leads to another issue of another repository."""
    other = github.world.make_repo("octo/other")
    github.world.transfer(github.repo, 7, other)
    [observed] = (await github.one("issue", f"{github.repo.id}/7")).observed
    assert observed.deleted
    github.world.delete(github.repo, "issue", 8)
    [observed] = (await github.one("issue", f"{github.repo.id}/8")).observed
    assert observed.deleted
    found = await github.all("issue")
    assert f"{github.repo.id}/7" not in found
    assert f"{other.id}/{other.numbers}" in found


async def test_an_empty_repository_has_no_commits() -> None:
    """409 is an empty list."""
    world = World()
    world.make_repo("octo/empty", empty=True)
    async with opened(world) as github:
        assert await github.all("commit") == {}
        read, found = await changes(github, "commit", Since())
        assert (found, read[-1].validators) == ({}, None)


async def test_issues_that_are_turned_off_say_nothing(github: Opened) -> None:
    """410 for the list means that they are hidden: below that repository nothing is known, or deleted."""
    github.world.change_repo(github.repo, has_issues=False)
    with pytest.raises(Halt) as raised:
        await github.all("issue")
    assert raised.value.error_code == "provider.path_not_found"


async def test_named_repositories_are_asked_for_conditionally() -> None:
    """While nothing has changed, it costs nothing of the quota."""
    world = World()
    world.make_repo("octo/one")
    world.make_repo("octo/two")
    async with opened(world, {"repositories": ["octo/one", "octo/two"]}) as github:
        read, found = await changes(github, "repository", Since(updated_us=0))
        assert len(found) == 2
        again, _ = await changes(github, "repository", Since(updated_us=0, validators=read[-1].validators))
        assert [page.unchanged for page in again] == [True]
        world.change_repo(github.repo, description="New")
        _, found = await changes(github, "repository", Since(updated_us=0, validators=read[-1].validators))
        assert list(found) == [str(github.repo.id)]


async def test_a_repository_that_is_not_there_is_told() -> None:
    """It is put aside, and the others are read."""
    world = World()
    repo = world.make_repo("octo/one")
    async with opened(world, {"repositories": ["octo/none", "octo/one"]}) as github:
        collection = github.provider.collection("repository")
        assert collection is not None
        [page] = [page async for page in collection.read_all(github.http, None, None)]
        assert [one.id for one in page.observed] == [str(repo.id)]
        assert [reject.context["id"] for reject in page.rejected] == ["octo/none"]


async def test_an_organizations_repositories_are_listed() -> None:
    """New ones are found; those that have not changed are not read again."""
    world = World()
    for number in range(3):
        world.make_repo(f"acme/r{number}", updated_at=1_700_000_000, pushed_at=1_700_000_000)
    world.make_repo("other/r")
    for repo in world.repos.values():
        repo.facts |= {"updated_at": 1_700_000_000, "pushed_at": 1_700_000_000}
    async with opened(world, {"organizations": ["acme"]}) as github:
        assert len(await github.all("repository")) == 3
        new = world.make_repo("acme/new")
        before = github.asked()
        _, found = await changes(github, "repository", Since(updated_us=us(1_750_000_000)))
        assert list(found) == [str(new.id)]
        assert github.asked() - before == 2
        stranger = world.repo_named("other/r")
        assert stranger is not None
        [observed] = (await github.one("repository", str(stranger.id))).observed
        assert observed.deleted


async def test_without_a_credential_repositories_are_named(github: Opened) -> None:
    """There is no list of one's own."""
    async with opened(github.world, kind="public") as public:
        with pytest.raises(Halt) as raised:
            await public.all("repository")
        assert raised.value.error_code == "provider.credential_refused"
    async with opened(github.world, {"repositories": ["octo/hello"]}, kind="public") as public:
        assert len(await public.all("issue")) == len(github.world.dump()["issue"])


async def test_a_secondary_limit_ends_no_list(github: Opened) -> None:
    """It is a wait, also where only the body tells; a reading that resumes has everything."""
    collection = github.provider.collection("issue")
    assert collection is not None
    for retry_after, wait in ((True, 1), (False, 60)):
        github.world.switches = github.world.switches.turned(
            {"secondary_next": 1, "retry_after": retry_after}
        )
        with pytest.raises(Retry) as raised:
            await github.all("label")
        assert raised.value.error_code == "provider.rate_limited"
        assert raised.value.after is not None
        assert raised.value.after.total_seconds() == wait


def test_seeds_repeat() -> None:
    """The same seed makes the same world."""
    worlds = [World(3), World(3)]
    for world in worlds:
        seed(world, world.make_repo("octo/hello"), 100)
    assert list(worlds[0].dump()["issue"]) == list(worlds[1].dump()["issue"])
