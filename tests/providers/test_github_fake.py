"""The fake GitHub is as GitHub says it is: shapes, paging, limits, and a client that knows nothing of it."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any

import aiohttp
import github as pygithub
import pytest
from tests.providers.github.shapes import document, members, mistakes

from headwater.providers.github import schemas
from headwater.providers.github.commits import SINGLE_ONLY
from headwater.providers.github.kinds import PULL_ONLY
from headwater.testing.fake_github import Running, World, serving
from headwater.testing.fake_github.kinds import pull
from headwater.testing.fake_github.limits import Limits
from headwater.testing.fake_github.seeding import seed, stir
from headwater.testing.fake_github.visitors import APP_ID, Visitor


@pytest.fixture
async def running() -> AsyncGenerator[Running]:
    """A repository with something of everything."""
    world = World(7)
    repo = world.make_repo("octo/hello")
    seed(world, repo, 120)
    world.make(repo, "member")
    world.make(repo, "team")
    async with serving(world) as found:
        yield found


class Caller:
    """Asks as a program would, without any client library of GitHub's."""

    def __init__(self, running: Running, session: aiohttp.ClientSession) -> None:
        self._running, self._session = running, session

    async def __call__(
        self, path: str, method: str = "GET", body: Any = None, *, token: str | None = "", **headers: str
    ) -> tuple[int, Any, dict[str, str]]:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if token is not None:
            sent["Authorization"] = f"Bearer {token or self._running.token}"
        url = path if path.startswith("http") else self._running.url + path
        async with self._session.request(
            method, url, json=body, headers=sent, allow_redirects=False
        ) as answer:
            value = await answer.json() if answer.content_length else None
            return answer.status, value, {name.lower(): one for name, one in answer.headers.items()}


@pytest.fixture
async def call(running: Running) -> AsyncGenerator[Caller]:
    async with aiohttp.ClientSession() as session:
        yield Caller(running, session)


# --- shapes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("collection", list(schemas.SOURCES))
def test_objects_are_as_the_document_has_them(collection: str) -> None:
    """GitHub's own OpenAPI document, not our memory of it, also after changes."""
    world = World(3)
    world.base = "http://127.0.0.1:1"
    repo = world.make_repo("octo/hello")
    seed(world, repo, 60)
    world.make(repo, "member")
    world.make(repo, "team")
    stir(world, 40, 10)
    shown = world.dump()[collection]
    assert shown
    for value in list(shown.values())[:25]:
        assert mistakes(schemas.SOURCES[collection], value) == []
        name = next(iter(document()["components"]["schemas"][schemas.SOURCES[collection]]["required"]))
        assert mistakes(schemas.SOURCES[collection], {key: value[key] for key in value if key != name})


@pytest.mark.parametrize(
    ("path", "schema"),
    [
        ("/repos/octo/hello", "full-repository"),
        ("/repos/octo/hello/issues/1", "issue"),
        ("/repos/octo/hello/pulls/{pull}", "pull-request"),
        ("/repos/octo/hello/commits/main", "commit"),
        ("/repos/octo/hello/branches/main", "branch-with-protection"),
        ("/repos/octo/hello/compare/main...main", "commit-comparison"),
        ("/rate_limit", "rate-limit-overview"),
        ("/orgs/octo", "organization-full"),
    ],
)
async def test_single_answers_are_as_the_document_has_them(
    running: Running, call: Caller, path: str, schema: str
) -> None:
    """What is read alone has more members than its list shows."""
    [repo] = running.world.repos.values()
    number = next(key for key, each in repo.tables["issue"].items() if each["pull"] is not None)
    status, value, _ = await call(path.replace("{pull}", str(number)))
    assert status == 200
    if schema == "rate-limit-overview":
        value["resources"] |= {"search": value["rate"]}
    assert mistakes(schema, value) == []


async def test_hooks_and_deliveries_are_as_the_document_has_them(running: Running, call: Caller) -> None:
    """A hook, the log of its deliveries, and another attempt."""
    config = {"url": "http://127.0.0.1:9/hook", "content_type": "json", "secret": "s"}
    wanted = {"name": "web", "events": ["*"], "config": config}
    status, made, _ = await call("/repos/octo/hello/hooks", "POST", wanted)
    assert (status, mistakes("hook", made)) == (201, [])
    assert made["config"]["secret"] == "********"
    await running.hooks.idle()
    status, log, _ = await call(f"/repos/octo/hello/hooks/{made['id']}/deliveries")
    assert [one["event"] for one in log] == ["ping"]
    assert mistakes("hook-delivery-item", log[0]) == []
    attempts = f"/repos/octo/hello/hooks/{made['id']}/deliveries/{log[0]['id']}/attempts"
    assert (await call(attempts, "POST", {}))[0] == 202
    assert (await call("/repos/octo/hello/hooks", "POST", wanted))[0] == 422


def test_what_single_reads_add_is_what_the_document_says() -> None:
    """So that what the provider leaves out is exactly that."""
    assert members("pull-request") - members("pull-request-simple") == PULL_ONLY
    assert members("commit") >= SINGLE_ONLY


def test_the_catalogues_members_are_the_documents() -> None:
    """`schemas.json` is made of the document, and the document has not moved on."""
    for collection, name in schemas.SOURCES.items():
        assert set(schemas.fields(collection)["properties"]) == members(name)


# --- as GitHub behaves -------------------------------------------------------------------------------------


async def test_pages_are_linked(running: Running, call: Caller) -> None:
    """`Link` leads from the first to the last, and each object is there once."""
    seen: list[int] = []
    url: str | None = "/repos/octo/hello/issues?state=all&per_page=7"
    while url is not None:
        _, found, headers = await call(url)
        seen += [one["number"] for one in found]
        links = dict(part.split("; ")[::-1] for part in headers.get("link", "").split(", ") if part)
        url = links.get('rel="next"', "").strip("<>") or None
    assert sorted(seen) == sorted(next(iter(running.world.repos.values())).tables["issue"])


async def test_a_304_is_free_with_a_token(running: Running, call: Caller) -> None:
    """Not counted towards the limit; without a token it is."""
    for token, free in (("", True), (None, False)):
        _, _, first = await call("/repos/octo/hello", token=token)
        status, _, second = await call("/repos/octo/hello", token=token, if_none_match=first["etag"])
        assert status == 304
        used = int(second["x-ratelimit-used"]) - int(first["x-ratelimit-used"])
        assert used == (0 if free else 1)
    running.world.change_repo(next(iter(running.world.repos.values())), description="New")
    assert (await call("/repos/octo/hello", if_none_match=first["etag"]))[0] == 200


async def test_the_primary_limit_is_of_an_account(running: Running, call: Caller) -> None:
    """403 with nothing left and the time of the reset; others go on."""
    running.world.switches = running.world.switches.turned({"public_limit": 3})
    answers = [await call("/repos/octo/hello", token=None) for _ in range(4)]
    assert [status for status, _, _ in answers] == [200, 200, 200, 403]
    _, value, headers = answers[-1]
    assert headers["x-ratelimit-remaining"] == "0"
    assert int(headers["x-ratelimit-reset"]) > running.world.now()
    assert "rate limit exceeded" in value["message"]
    assert (await call("/repos/octo/hello"))[0] == 200
    assert (await call("/rate_limit", token=None))[0] == 200


@pytest.mark.parametrize(("repos", "limit"), [(1, 5_000), (20, 5_000), (30, 5_500), (500, 12_500)])
def test_an_installation_has_more_with_more_repositories(repos: int, limit: int) -> None:
    """Fifty for each beyond twenty, up to 12,500."""
    visitor = Visitor(kind="installation", account="installation/7", repositories=frozenset(range(repos)))
    assert Limits(World()).limit(visitor) == limit


@pytest.mark.parametrize("says_how_long", [True, False])
async def test_haste_meets_a_secondary_limit(running: Running, call: Caller, says_how_long: bool) -> None:
    """Too many points in a minute: 403, with the wait or only with a message."""
    running.world.switches = running.world.switches.turned({"points": 6, "retry_after": says_how_long})
    assert (await call("/repos/octo/hello/labels", "POST", {"name": "a", "color": "ffffff"}))[0] == 201
    assert (await call("/repos/octo/hello"))[0] == 200
    status, value, headers = await call("/repos/octo/hello")
    assert status == 403
    assert "secondary rate limit" in value["message"]
    assert ("retry-after" in headers) is says_how_long
    assert int(headers["x-ratelimit-remaining"]) > 0


async def test_who_is_let_in(running: Running, call: Caller) -> None:
    """Private repositories are not there for everybody; a bad token is no token."""
    running.world.make_repo("octo/secret", private=True)
    assert (await call("/repos/octo/secret"))[0] == 200
    assert (await call("/repos/octo/secret", token=None))[0] == 404
    assert (await call("/repos/octo/hello", token="bad"))[0] == 401
    assert (await call("/repos/octo/hello/collaborators", token=None))[0] == 401
    assert (await call("/app/installations/7/access_tokens", "POST", {}))[0] == 401


async def test_what_moved_is_led_to(running: Running, call: Caller) -> None:
    """A renamed repository by its id, a transferred issue to its new place; a deleted one is gone."""
    [repo] = running.world.repos.values()
    other = running.world.make_repo("octo/other")
    running.world.transfer(repo, 5, other)
    status, _, headers = await call("/repos/octo/hello/issues/5")
    assert (status, (await call(headers["location"]))[0]) == (301, 200)
    running.world.delete(repo, "issue", 6)
    assert (await call("/repos/octo/hello/issues/6"))[0] == 410
    assert (await call("/repos/octo/hello/issues/99999"))[0] == 404
    running.world.change_repo(repo, name="hallo")
    status, _, headers = await call("/repos/octo/hello/labels?per_page=5")
    assert (status, headers["location"]) == (301, f"{running.url}/repositories/{repo.id}/labels?per_page=5")
    assert (await call(headers["location"]))[0] == 200
    running.world.make_repo("octo/empty", empty=True)
    assert (await call("/repos/octo/empty/commits"))[0] == 409
    running.world.change_repo(repo, has_issues=False)
    assert (await call("/repos/octo/hallo/issues"))[0] == 410


# --- a client that knows nothing of it ---------------------------------------------------------------------


async def with_client(running: Running, work: Callable[[pygithub.Github], Any]) -> Any:
    """Do something with PyGithub, as it comes, in a thread of its own."""

    def run() -> Any:
        auth = pygithub.Auth.Token(running.token)
        with pygithub.Github(
            auth=auth, base_url=running.url, per_page=20, seconds_between_writes=0
        ) as client:
            return work(client)

    return await asyncio.to_thread(run)


async def test_pygithub_lists_with_paging(running: Running) -> None:
    """Every list that it knows, to its end."""
    [repo] = running.world.repos.values()

    def work(client: pygithub.Github) -> dict[str, int]:
        found = client.get_repo("octo/hello")
        assert found.id == repo.id
        assert client.get_user().login == "octocat"
        lists = {
            "issue": found.get_issues(state="all"),
            "issue_comment": found.get_issues_comments(),
            "review_comment": found.get_pulls_review_comments(),
            "release": found.get_releases(),
            "tag": found.get_tags(),
            "branch": found.get_branches(),
            "label": found.get_labels(),
            "milestone": found.get_milestones(state="all"),
            "deployment": found.get_deployments(),
            "workflow": found.get_workflows(),
            "workflow_run": found.get_workflow_runs(),
            "stargazer": found.get_stargazers_with_dates(),
            "watcher": found.get_subscribers(),
            "member": found.get_collaborators(),
            "team": found.get_teams(),
            "commit_comment": found.get_comments(),
        }
        counts = {name: sum(1 for _ in each) for name, each in lists.items()}
        pulls = list(found.get_pulls(state="all"))
        reviews = sum(1 for each in pulls for _ in each.get_reviews())
        return counts | {"commit": sum(1 for _ in found.get_commits()), "review": reviews}

    counts = await with_client(running, work)
    expected = {name: len(table) for name, table in repo.tables.items()}
    assert counts == expected | {"commit": len(repo.reached(repo.resolve("main")))}


async def test_pygithub_makes_changes_and_deletes(running: Running) -> None:
    """What it writes is there, and what it deletes is not."""
    world = running.world
    [repo] = world.repos.values()
    world.point(repo, "topic", repo.resolve("main"))

    def work(client: pygithub.Github) -> dict[str, Any]:
        found = client.get_repo("octo/hello")
        issue = found.create_issue("Broken", "Very.")
        issue.edit(title="Mended", state="closed")
        comment = issue.create_comment("I see.")
        comment.edit("I saw.")
        gone = issue.create_comment("Nothing.")
        gone.delete()
        label = found.create_label("new", "ff0000", "A label")
        label.edit("newer", "00ff00")
        milestone = found.create_milestone("One")
        milestone.edit("Two", state="closed")
        release = found.create_git_release("v9", "Nine", "All new.")
        release.update_release("Nine!", "All new.")
        request = found.create_pull(title="Take this", body="Please.", head="topic", base="main")
        request.edit(title="Take that")
        review = request.create_review(body="Yes.", event="APPROVE")
        ref = found.create_git_ref("refs/tags/v9", found.get_commits()[0].sha)
        assert ref.ref == "refs/tags/v9"
        assert request.merge().merged
        found.edit(description="New")
        return {
            "issue": issue.number, "comment": comment.id, "gone": gone.id, "label": label.name,
            "milestone": milestone.number, "release": release.id, "pull": request.number,
            "review": review.id,
        }  # fmt: skip

    made = await with_client(running, work)
    tables = repo.tables
    assert (tables["issue"][made["issue"]]["title"], tables["issue"][made["issue"]]["state"]) == (
        "Mended",
        "closed",
    )
    assert tables["issue_comment"][made["comment"]]["body"] == "I saw."
    assert made["gone"] not in tables["issue_comment"]
    assert {one["name"] for one in tables["label"].values()} >= {"newer"}
    assert tables["milestone"][made["milestone"]]["title"] == "Two"
    assert tables["release"][made["release"]]["name"] == "Nine!"
    assert tables["issue"][made["pull"]]["pull"]["merged_at"]
    assert tables["review"][made["review"]]["state"] == "APPROVED"
    assert "v9" in tables["tag"]
    assert repo.facts["description"] == "New"

    def delete(client: pygithub.Github) -> None:
        found = client.get_repo("octo/hello")
        found.get_label("newer").delete()
        found.get_milestone(made["milestone"]).delete()
        found.get_release(made["release"]).delete_release()
        found.get_git_ref("tags/v9").delete()
        with pytest.raises(pygithub.UnknownObjectException):
            found.get_milestone(made["milestone"])
        found.delete()

    await with_client(running, delete)
    assert repo.id not in world.repos


async def test_pygithub_as_an_app(running: Running) -> None:
    """Its own signature and its own tokens of an installation are let in."""
    world = running.world
    [repo] = world.repos.values()
    world.make(repo, "issue", pull=pull(repo, "main"))
    key = running.visitors.private_key

    def work() -> list[str]:
        auth = pygithub.Auth.AppAuth(APP_ID, key).get_installation_auth(7)
        with pygithub.Github(auth=auth, base_url=running.url) as client:
            return [label.name for label in client.get_repo("octo/hello").get_labels()]

    assert await asyncio.to_thread(work) == [one["name"] for one in repo.tables["label"].values()]
    assert running.visitors.issued == 1
