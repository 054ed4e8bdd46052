"""What GitHub pushes: signatures, every published example, hooks made and taken away, lost deliveries."""

import asyncio
import gzip
import json
from collections import defaultdict
from collections.abc import AsyncGenerator
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import orjson
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from tests.providers.github.opened import Opened, opened

from headwater.errors import Halt, Reject, Unauthorized
from headwater.providers.github import GITHUB
from headwater.providers.github.deliveries import MOST, redeliver
from headwater.providers.github.webhook import read, signature, verify
from headwater.providers.provider import Push, Received, Webhook

SECRET = "It's a Secret to Everybody"
BODY = b"Hello, World!"
SIGNATURE = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
"""Source: https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries (2026-11-24)."""
EXAMPLES = Path(__file__).with_name("github") / "webhooks-examples.json.gz"

UNCOVERED = {
    "branch_protection_rule", "check_run", "check_suite", "code_scanning_alert", "dependabot_alert",
    "deploy_key", "discussion", "discussion_comment", "github_app_authorization", "gollum",
    "marketplace_purchase", "membership", "merge_group", "meta", "org_block", "organization", "package",
    "page_build", "ping", "project", "project_card", "project_column", "projects_v2_item",
    "repository_dispatch", "repository_vulnerability_alert", "security_advisory", "sponsorship", "status",
    "workflow_dispatch",
}  # fmt: skip
"""Events that speak of what no collection has: rules, checks, alerts, keys, discussions, wiki pages, pages,
packages, projects, sponsors, advisories, statuses, the members of organizations and teams, the marketplace,
and the webhook or the App itself; or of a workflow's file, whose run has an event of its own."""
UNCOVERED_ACTIONS = {
    "team.created", "team.edited", "team.deleted",  # of no repository: teams are read below repositories
    "installation.suspend", "installation.unsuspend",  # they name no repository
}  # fmt: skip

OF_RECORD = {
    "commit_comment": ("commit_comment", "comment", "id"),
    "deployment": ("deployment", "deployment", "id"),
    "deployment_status": ("deployment", "deployment", "id"),
    "deployment_review": ("workflow_run", "workflow_run", "id"),
    "issue_comment": ("issue_comment", "comment", "id"),
    "issues": ("issue", "issue", "number"),
    "label": ("label", "label", "id"),
    "member": ("member", "member", "id"),
    "milestone": ("milestone", "milestone", "number"),
    "pull_request": ("pull_request", "pull_request", "number"),
    "pull_request_review_comment": ("review_comment", "comment", "id"),
    "release": ("release", "release", "id"),
    "star": ("stargazer", "sender", "id"),
    "team_add": ("team", "team", "id"),
    "watch": ("stargazer", "sender", "id"),
    "workflow_job": ("workflow_run", "workflow_job", "run_id"),
    "workflow_run": ("workflow_run", "workflow_run", "id"),
}
"""Event -> collection, and where the payload names the record below its repository."""


def received(body: bytes, event: str = "issues", **headers: str) -> Received:
    named = {
        "content-type": "application/json",
        "x-github-event": event,
        "x-github-delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    return Received(method="POST", url="/", headers=named, body=body, received_us=1_795_507_200_000_000)


def examples() -> list[tuple[str, dict[str, Any]]]:
    found = json.loads(gzip.decompress(EXAMPLES.read_bytes()))
    return [(one["name"], payload) for one in found for payload in one["examples"]]


def pushed(event: str, payload: dict[str, Any]) -> Push:
    return read(received(orjson.dumps(payload), event))


# --- signatures --------------------------------------------------------------------------------------------


def test_githubs_published_vector() -> None:
    """The secret, the body and the signature that GitHub's documentation gives for trying."""
    assert signature(SECRET, BODY) == SIGNATURE
    verify(received(BODY, x_hub_signature_256=SIGNATURE), [SECRET])
    verify(received(BODY, x_hub_signature_256=SIGNATURE), ["another", SECRET])


@pytest.mark.parametrize(
    ("body", "headers", "secrets"),
    [
        (BODY + b" ", {"x_hub_signature_256": SIGNATURE}, [SECRET]),
        (BODY, {"x_hub_signature_256": SIGNATURE}, ["another"]),
        (BODY, {"x_hub_signature_256": SIGNATURE}, []),
        (BODY, {"x_hub_signature_256": SIGNATURE.upper()}, [SECRET]),
        (BODY, {"x_hub_signature_256": SIGNATURE.removeprefix("sha256=")}, [SECRET]),
        (BODY, {"x_hub_signature_256": SIGNATURE.replace("sha256", "sha1")}, [SECRET]),
        (BODY, {"x_hub_signature_256": SIGNATURE + "0"}, [SECRET]),
        (BODY, {"x_hub_signature_256": "sha256=é"}, [SECRET]),
        (BODY, {"x_hub_signature_256": "sha256="}, [SECRET]),
        (BODY, {"x_hub_signature": "sha1=00"}, [SECRET]),
        (BODY, {}, [SECRET]),
    ],
)
def test_what_is_not_signed_is_refused(body: bytes, headers: dict[str, str], secrets: list[str]) -> None:
    """Tampered with, signed by others, in another form, or not at all."""
    with pytest.raises(Unauthorized) as raised:
        verify(received(body, **headers), secrets)
    assert raised.value.error_code == "webhook.signature"
    assert SECRET not in str(raised.value)


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_a_signature_is_of_one_body(one: bytes, other: bytes) -> None:
    """The signature of one body does for no other."""
    signed = received(other, x_hub_signature_256=signature("secret", one))
    if one == other:
        verify(signed, ["secret"])
    else:
        with pytest.raises(Unauthorized):
            verify(signed, ["secret"])


# --- what it says ------------------------------------------------------------------------------------------


def test_every_example_is_read() -> None:
    """GitHub's own examples: each maps to a record of a collection, or its event is listed above."""
    silent: defaultdict[str, set[str]] = defaultdict(set)
    collections = {collection.name for collection in GITHUB.collections}
    for event, payload in examples():
        push = pushed(event, payload)
        assert {news.collection for news in push.news} <= collections
        if not push.news:
            silent[event].add(push.topic)
    whole = {event for event in silent if event in UNCOVERED}
    assert whole == UNCOVERED
    others = {topic for event, topics in silent.items() if event not in UNCOVERED for topic in topics}
    assert others == UNCOVERED_ACTIONS


@pytest.mark.parametrize("event", sorted(OF_RECORD))
def test_an_example_is_of_its_record(event: str) -> None:
    """By the repository's id, and the number or id that the collection goes by."""
    collection, member, key = OF_RECORD[event]
    found = [payload for name, payload in examples() if name == event]
    assert found
    for payload in found:
        parent = str(payload["repository"]["id"])
        first = pushed(event, payload).news[0]
        assert (first.collection, first.parent_id) == (collection, parent)
        assert first.id == f"{parent}/{payload[member][key]}"


def test_only_what_is_gone_for_ever_is_deleted_at_once() -> None:
    """Ids are never given again; names are, so what they name is looked at."""
    for event, payload in examples():
        for news in pushed(event, payload).news:
            taken = news.observed is not None and news.observed.deleted
            final = payload.get("action") == "deleted"
            assert not taken or final, (event, payload.get("action"))
    [deleted] = [p for e, p in examples() if e == "label" and p["action"] == "deleted"][:1]
    [news] = pushed("label", deleted).news
    assert news.observed is not None
    assert news.observed.deleted


def test_a_transferred_issue_is_two() -> None:
    """The old one is looked at, and so is the new one, in its own repository."""
    [payload] = [p for e, p in examples() if e == "issues" and p["action"] == "transferred"]
    old, new = pushed("issues", payload).news
    assert old.observed is None
    assert new.parent_id == str(payload["changes"]["new_repository"]["id"])
    assert new.id.endswith(f"/{payload['changes']['new_issue']['number']}")


def test_a_push_is_of_a_branch_and_its_commits() -> None:
    """Commits only of the default branch; a tag is a tag."""
    repository = {"id": 7, "default_branch": "main"}
    commits = [{"id": "a" * 40}, {"id": "b" * 40}]
    main = {"ref": "refs/heads/main", "repository": repository, "commits": commits}
    news = pushed("push", main).news
    assert [(one.collection, one.id) for one in news] == [
        ("branch", "7/main"),
        ("commit", f"7/{'a' * 40}"),
        ("commit", f"7/{'b' * 40}"),
    ]
    topic = {**main, "ref": "refs/heads/topic/one"}
    assert [one.id for one in pushed("push", topic).news] == ["7/topic%2Fone"]
    tag = {**main, "ref": "refs/tags/v1"}
    assert [(one.collection, one.id) for one in pushed("push", tag).news] == [("tag", "7/v1")]


def test_a_review_is_below_its_pull_request() -> None:
    """Whose id is the repository's and its number."""
    for event, payload in examples():
        if event == "pull_request_review":
            [news] = pushed(event, payload).news
            parent = f"{payload['repository']['id']}/{payload['pull_request']['number']}"
            assert news.parent_id == parent
            assert news.id == f"{parent}/{payload['review']['id']}"


def test_an_app_speaks_for_an_installation() -> None:
    """By it the sync is found; an Enterprise Server is another place."""
    payload = {"action": "added", "installation": {"id": 9}, "repositories_added": [{"id": 4}]}
    body = orjson.dumps(payload)
    push = read(received(body, "installation_repositories"))
    assert push.account == "installation/9"
    assert [(one.collection, one.id) for one in push.news] == [("repository", "4")]
    there = read(received(body, "installation_repositories", x_github_enterprise_host="github.acme.example"))
    assert there.account == "installation/9@github.acme.example"


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"", {}),
        (b"[]", {}),
        (b"{}", {}),
        (b'{"action":"opened","issue":{"number":"1"},"repository":{"id":1}}', {}),
        (b'{"action":"opened","issue":{"number":1},"repository":{"id":"1"}}', {}),
        (b'{"action":"opened","issue":[],"repository":{"id":1}}', {}),
        (b"\xff", {}),
        (b"payload=%7B%7D", {"content_type": "application/x-www-form-urlencoded"}),
        (b"{}", {"x_github_event": ""}),
        (b"{}", {"x_github_delivery": ""}),
    ],
)
def test_what_is_not_githubs_is_rejected(body: bytes, headers: dict[str, str]) -> None:
    """Of another form than its event has, or than a delivery has."""
    with pytest.raises(Reject):
        read(received(body, **headers))


@given(st.sampled_from(sorted({event for event, _ in examples()})), st.dictionaries(st.text(), st.integers()))
def test_nothing_else_is_raised(event: str, payload: dict[str, Any]) -> None:
    """Whatever the payload is: it is read, or it is rejected."""
    with suppress(Reject):
        read(received(json.dumps(payload).encode(), event))


# --- hooks -------------------------------------------------------------------------------------------------


class Receiver:
    """A place that hooks push to."""

    def __init__(self) -> None:
        self.came: list[Received] = []
        self.status = 200
        self.url = ""
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> "Receiver":
        app = web.Application()
        app.router.add_post("/hook", self._take)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        server = cast("asyncio.Server", site._server)  # pyright: ignore[reportPrivateUsage]
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        body = await request.read()
        self.came.append(Received(method="POST", url="/hook", headers=headers, body=body, received_us=1))
        return web.Response(status=self.status)


@pytest.fixture
async def github() -> AsyncGenerator[Opened]:
    async with opened(config={"repositories": ["octo/hello"]}) as found:
        yield found


def hooks(github: Opened) -> Webhook:
    found = github.provider.webhook
    assert found is not None
    return found


async def test_hooks_are_made_and_taken_away(github: Opened) -> None:
    """One for each repository that the config names; made again, the old one goes."""
    webhook = hooks(github)
    assert webhook.register is not None
    assert webhook.unregister is not None
    async with Receiver() as receiver:
        kept = (await webhook.register(github.http, receiver.url, "s3cret")).kept
        again = (await webhook.register(github.http, receiver.url, "other")).kept
        assert len(github.running.hooks.hooks) == 1
        assert kept != again
        assert "s3cret" not in json.dumps(kept)
        await webhook.unregister(github.http, kept)
        await webhook.unregister(github.http, again)
        assert not github.running.hooks.hooks
        await github.running.hooks.idle()


async def test_no_half_registration_stays(github: Opened) -> None:
    """Where one of the hooks cannot be made, the others are taken back."""
    github.world.make_repo("octo/other")
    async with opened(github.world, {"repositories": ["octo/hello", "octo/none"]}) as two:
        webhook = hooks(two)
        assert webhook.register is not None
        with pytest.raises(Halt):
            await webhook.register(two.http, "http://127.0.0.1:9/hook", "s")
        assert not two.running.hooks.hooks


def test_where_nothing_is_named_a_person_makes_the_hook() -> None:
    """It is not known whose hooks to make."""
    webhook = GITHUB.configured({}).webhook
    assert webhook is not None
    assert webhook.register is None
    assert "{url}" in webhook.instructions
    assert "{secret}" in webhook.instructions


async def test_lost_deliveries_are_asked_for_again(github: Opened) -> None:
    """Those that never arrived, by their guid; what arrived is left alone."""
    webhook = hooks(github)
    assert webhook.register is not None
    async with Receiver() as receiver:
        kept = (await webhook.register(github.http, receiver.url, "s")).kept
        github.world.change(github.repo, "issue", 1, title="Arrives")
        await github.running.hooks.idle()
        github.world.switches = github.world.switches.turned({"lose": 1.0})
        github.world.change(github.repo, "issue", 2, title="Lost")
        github.world.switches = github.world.switches.turned({"lose": 0})
        receiver.status = 500
        github.world.change(github.repo, "issue", 3, title="Refused")
        await github.running.hooks.idle()
        receiver.status, before = 200, len(receiver.came)
        assert await redeliver(github.http, kept, 0) == 2
        await github.running.hooks.idle()
        assert await redeliver(github.http, kept, 0) == 0
        numbers = {orjson.loads(one.body)["issue"]["number"] for one in receiver.came[before:]}
        assert numbers == {2, 3}
        for one in receiver.came:
            verify(one, ["s"])
            read(one)


async def test_a_long_log_of_deliveries_is_read_by_its_cursor(github: Opened) -> None:
    """More than a page of it, the oldest first; what is older than asked for is left."""
    webhook = hooks(github)
    assert webhook.register is not None
    async with Receiver() as receiver:
        kept = (await webhook.register(github.http, receiver.url, "s")).kept
        await github.running.hooks.idle()
        github.world.switches = github.world.switches.turned({"lose": 1.0})
        for _ in range(110):
            github.world.change(github.repo, "issue", 1, title="Lost")
        github.world.change(github.repo, "issue", 2, title="The last")
        assert await redeliver(github.http, kept, 2**60) == 0
        assert await redeliver(github.http, kept, 0) == MOST  # and no more, for the sake of GitHub's limits
        await github.running.hooks.idle()
        came = [orjson.loads(one.body) for one in receiver.came[1:]]
        assert len(came) == MOST
        assert {one["issue"]["number"] for one in came} == {1}


@pytest.mark.parametrize(
    "kind", ["issue_comment", "review", "review_comment", "label", "release", "stargazer"]
)
async def test_what_the_fake_pushes_is_of_the_record(github: Opened, kind: str) -> None:
    """A hint or the object itself: in the end, the record as the list shows it."""
    webhook = hooks(github)
    assert webhook.register is not None
    async with Receiver() as receiver:
        await webhook.register(github.http, receiver.url, "s")
        number = next(key for key, each in github.repo.tables["issue"].items() if each["pull"] is not None)
        of = {"of": number} if kind in ("issue_comment", "review", "review_comment") else {}
        before = set(github.world.dump()[kind])
        github.world.make(github.repo, kind, **of)
        await github.running.hooks.idle()
        truth = github.world.dump()[kind]
        [id] = set(truth) - before
        [news] = [one for each in receiver.came for one in read(each).news if one.collection == kind]
        assert news.id == id
        if news.observed is None:
            [observed] = (await github.one(kind, id)).observed
        else:
            observed = news.observed
        assert orjson.loads(observed.raw) == truth[id]
