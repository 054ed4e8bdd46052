"""Where things are and whose: accounts, repositories, times, ids."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

Facts = Mapping[str, Any]
Shape = dict[str, Any]

_REPOSITORY_URLS = (
    "archive_url", "assignees_url", "blobs_url", "branches_url", "collaborators_url", "comments_url",
    "commits_url", "compare_url", "contents_url", "contributors_url", "deployments_url", "downloads_url",
    "events_url", "forks_url", "git_commits_url", "git_refs_url", "git_tags_url", "hooks_url",
    "issue_comment_url", "issue_events_url", "issues_url", "keys_url", "labels_url", "languages_url",
    "merges_url", "milestones_url", "notifications_url", "pulls_url", "releases_url", "stargazers_url",
    "statuses_url", "subscribers_url", "subscription_url", "tags_url", "teams_url", "trees_url",
)  # fmt: skip
_USER_URLS = (
    "events_url", "followers_url", "following_url", "gists_url", "organizations_url", "received_events_url",
    "repos_url", "starred_url", "subscriptions_url",
)  # fmt: skip


class At(NamedTuple):
    """Where the API is, and a repository in it."""

    base: str
    repo: Facts
    owner: Facts

    @property
    def full_name(self) -> str:
        """Such as `octo/hello`."""
        return f"{self.owner['login']}/{self.repo['name']}"

    @property
    def url(self) -> str:
        """Of the repository in the API."""
        return f"{self.base}/repos/{self.full_name}"

    @property
    def html(self) -> str:
        """Of the repository's page."""
        return f"https://github.com/{self.full_name}"


def instant(seconds: float | None) -> str | None:
    """Return an instant as GitHub writes it, in whole seconds."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def node(kind: str, id: Any) -> str:
    """Return a node id. Its form is nobody's business."""
    return f"{kind}_{id}"


def user(base: str, facts: Facts) -> Shape:
    """Return a person or an organization, as it is shown inside of others."""
    url = f"{base}/users/{facts['login']}"
    return {
        "login": facts["login"],
        "id": facts["id"],
        "node_id": node("U", facts["id"]),
        "avatar_url": f"https://avatars.githubusercontent.com/u/{facts['id']}?v=4",
        "gravatar_id": "",
        "url": url,
        "html_url": f"https://github.com/{facts['login']}",
        **{name: f"{url}/{name.removesuffix('_url')}" for name in _USER_URLS},
        "type": facts["type"],
        "site_admin": False,
    }


def organization(base: str, facts: Facts) -> Shape:
    """Return an organization that is read alone."""
    url = f"{base}/orgs/{facts['login']}"
    return {
        "login": facts["login"], "id": facts["id"], "node_id": node("O", facts["id"]), "url": url,
        "repos_url": f"{url}/repos", "events_url": f"{url}/events", "hooks_url": f"{url}/hooks",
        "issues_url": f"{url}/issues", "members_url": f"{url}/members{{/member}}",
        "public_members_url": f"{url}/public_members{{/member}}",
        "avatar_url": f"https://avatars.githubusercontent.com/u/{facts['id']}?v=4", "description": None,
        "html_url": f"https://github.com/{facts['login']}", "has_organization_projects": True,
        "has_repository_projects": True, "public_repos": 0, "public_gists": 0, "followers": 0,
        "following": 0, "type": "Organization", "created_at": instant(0), "updated_at": instant(0),
        "archived_at": None,
    }  # fmt: skip


def minimal_repository(at: At) -> Shape:
    """Return a repository as lists show it."""
    repo = at.repo
    return {
        "id": repo["id"],
        "node_id": node("R", repo["id"]),
        "name": repo["name"],
        "full_name": at.full_name,
        "private": repo["private"],
        "owner": user(at.base, at.owner),
        "html_url": at.html,
        "description": repo["description"],
        "fork": False,
        "url": at.url,
        **{name: f"{at.url}/{name.removesuffix('_url')}" for name in _REPOSITORY_URLS},
        "git_url": f"git://github.com/{at.full_name}.git",
        "ssh_url": f"git@github.com:{at.full_name}.git",
        "clone_url": f"{at.html}.git",
        "svn_url": at.html,
        "mirror_url": None,
        "homepage": None,
        "size": repo["size"],
        "stargazers_count": repo["stars"],
        "watchers_count": repo["stars"],
        "language": None,
        "forks_count": 0,
        "open_issues_count": repo["open_issues"],
        "default_branch": repo["default_branch"],
        "has_issues": repo["has_issues"],
        "has_projects": True,
        "has_wiki": True,
        "has_pages": False,
        "has_discussions": False,
        "has_downloads": True,
        "archived": repo["archived"],
        "disabled": False,
        "visibility": "private" if repo["private"] else "public",
        "pushed_at": instant(repo["pushed_at"]),
        "created_at": instant(repo["created_at"]),
        "updated_at": instant(repo["updated_at"]),
        "license": None,
        "forks": 0,
        "open_issues": repo["open_issues"],
        "watchers": repo["stars"],
        "topics": [],
        "permissions": {"admin": True, "maintain": True, "push": True, "triage": True, "pull": True},
    }


def repository(at: At) -> Shape:
    """Return a repository that is read alone."""
    return {
        **minimal_repository(at),
        "temp_clone_token": "",
        "allow_squash_merge": True,
        "allow_merge_commit": True,
        "allow_rebase_merge": True,
        "network_count": 0,
        "subscribers_count": at.repo["watchers"],
    }


def bare_repository(at: At) -> Shape:
    """Return a repository as it stands inside of others: without what changes by itself."""
    shown = {
        key: value
        for key, value in minimal_repository(at).items()
        if key.endswith("_url") or key in ("id", "node_id", "name", "full_name", "private", "owner", "url")
    }
    return shown | {"description": at.repo["description"], "fork": False}
