"""How GitHub shows its objects: facts of the world into JSON values, as the OpenAPI document has them.

Lists and single reads differ, as they do at GitHub: a pull request, a branch or a commit that is read alone
has more members. Pure. Not here: what there is (`world`).
"""

from collections.abc import Mapping, Sequence
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


def label(at: At, facts: Facts) -> Shape:
    """Return a label."""
    return {
        "id": facts["id"],
        "node_id": node("LA", facts["id"]),
        "url": f"{at.url}/labels/{facts['name']}",
        "name": facts["name"],
        "color": facts["color"],
        "default": False,
        "description": facts["description"],
    }


def milestone(at: At, facts: Facts) -> Shape:
    """Return a milestone."""
    url = f"{at.url}/milestones/{facts['number']}"
    return {
        "url": url,
        "html_url": f"{at.html}/milestone/{facts['number']}",
        "labels_url": f"{url}/labels",
        "id": facts["id"],
        "node_id": node("MI", facts["id"]),
        "number": facts["number"],
        "title": facts["title"],
        "description": facts["description"],
        "creator": user(at.base, facts["user"]),
        "open_issues": 0,
        "closed_issues": 0,
        "state": facts["state"],
        "created_at": instant(facts["created_at"]),
        "updated_at": instant(facts["updated_at"]),
        "due_on": None,
        "closed_at": instant(facts["closed_at"]),
    }


def reactions(url: str) -> Shape:
    """Return that nobody has reacted."""
    kinds = ("+1", "-1", "laugh", "confused", "heart", "hooray", "eyes", "rocket")
    return {"url": f"{url}/reactions", "total_count": 0, **dict.fromkeys(kinds, 0)}


def issue(at: At, facts: Facts) -> Shape:
    """Return an issue, also one that is a pull request."""
    number = facts["number"]
    url = f"{at.url}/issues/{number}"
    shown = {
        "url": url,
        "repository_url": at.url,
        "labels_url": f"{url}/labels{{/name}}",
        "comments_url": f"{url}/comments",
        "events_url": f"{url}/events",
        "html_url": f"{at.html}/issues/{number}",
        "id": facts["id"],
        "node_id": node("I", facts["id"]),
        "number": number,
        "title": facts["title"],
        "user": user(at.base, facts["user"]),
        "labels": [label(at, each) for each in facts["labels"]],
        "state": facts["state"],
        "locked": False,
        "assignee": None,
        "assignees": [],
        "milestone": None,
        "comments": facts["comments"],
        "created_at": instant(facts["created_at"]),
        "updated_at": instant(facts["updated_at"]),
        "closed_at": instant(facts["closed_at"]),
        "author_association": "MEMBER",
        "active_lock_reason": None,
        "body": facts["body"],
        "reactions": reactions(url),
        "timeline_url": f"{url}/timeline",
        "performed_via_github_app": None,
        "state_reason": "completed" if facts["state"] == "closed" else None,
    }
    if facts["pull"] is not None:
        html = f"{at.html}/pull/{number}"
        shown |= {
            "html_url": html,
            "draft": False,
            "pull_request": {
                "url": f"{at.url}/pulls/{number}",
                "html_url": html,
                "diff_url": f"{html}.diff",
                "patch_url": f"{html}.patch",
                "merged_at": instant(facts["pull"]["merged_at"]),
            },
        }
    return shown


def issue_alone(at: At, facts: Facts) -> Shape:
    """Return an issue that is read alone: it says who closed it."""
    closed = facts["state"] == "closed"
    return issue(at, facts) | {"closed_by": user(at.base, facts["user"]) if closed else None}


def issue_comment(at: At, facts: Facts) -> Shape:
    """Return a comment of an issue or a pull request."""
    url = f"{at.url}/issues/comments/{facts['id']}"
    return {
        "url": url,
        "html_url": f"{at.html}/issues/{facts['of']}#issuecomment-{facts['id']}",
        "issue_url": f"{at.url}/issues/{facts['of']}",
        **_comment(at, facts, "IC", url),
        "performed_via_github_app": None,
    }


def commit_comment(at: At, facts: Facts) -> Shape:
    """Return a comment of a commit."""
    url = f"{at.url}/comments/{facts['id']}"
    return {
        "url": url,
        "html_url": f"{at.html}/commit/{facts['of']}#commitcomment-{facts['id']}",
        **_comment(at, facts, "CC", url),
        "position": None,
        "line": None,
        "path": None,
        "commit_id": facts["of"],
    }


def review_comment(at: At, facts: Facts) -> Shape:
    """Return a comment on lines of a pull request."""
    url = f"{at.url}/pulls/comments/{facts['id']}"
    html = f"{at.html}/pull/{facts['of']}#discussion_r{facts['id']}"
    pull = f"{at.url}/pulls/{facts['of']}"
    return {
        "url": url,
        "html_url": html,
        "pull_request_url": pull,
        **_comment(at, facts, "PRRC", url),
        "pull_request_review_id": None,
        "diff_hunk": "@@ -1 +1 @@",
        "path": "README.md",
        "position": 1,
        "original_position": 1,
        "commit_id": facts["sha"],
        "original_commit_id": facts["sha"],
        "_links": {"self": {"href": url}, "html": {"href": html}, "pull_request": {"href": pull}},
    }


def _comment(at: At, facts: Facts, kind: str, url: str) -> Shape:
    return {
        "id": facts["id"],
        "node_id": node(kind, facts["id"]),
        "user": user(at.base, facts["user"]),
        "created_at": instant(facts["created_at"]),
        "updated_at": instant(facts["updated_at"]),
        "author_association": "MEMBER",
        "body": facts["body"],
        "reactions": reactions(url),
    }


def pull_request(at: At, facts: Facts) -> Shape:
    """Return a pull request as lists show it."""
    number, pull = facts["number"], facts["pull"]
    url, html = f"{at.url}/pulls/{number}", f"{at.html}/pull/{number}"
    links = {
        "self": url,
        "html": html,
        "issue": f"{at.url}/issues/{number}",
        "comments": f"{at.url}/issues/{number}/comments",
        "review_comments": f"{url}/comments",
        "review_comment": f"{at.url}/pulls/comments{{/number}}",
        "commits": f"{url}/commits",
        "statuses": f"{at.url}/statuses/{pull['sha']}",
    }
    return {
        "url": url,
        "id": facts["id"] + 1,
        "node_id": node("PR", facts["id"] + 1),
        "html_url": html,
        "diff_url": f"{html}.diff",
        "patch_url": f"{html}.patch",
        "issue_url": links["issue"],
        "number": number,
        "state": facts["state"],
        "locked": False,
        "title": facts["title"],
        "user": user(at.base, facts["user"]),
        "body": facts["body"],
        "created_at": instant(facts["created_at"]),
        "updated_at": instant(facts["updated_at"]),
        "closed_at": instant(facts["closed_at"]),
        "merged_at": instant(pull["merged_at"]),
        "merge_commit_sha": None,
        "assignee": None,
        "assignees": [],
        "requested_reviewers": [],
        "requested_teams": [],
        "labels": [label(at, each) for each in facts["labels"]],
        "milestone": None,
        "draft": False,
        "commits_url": links["commits"],
        "review_comments_url": links["review_comments"],
        "review_comment_url": links["review_comment"],
        "comments_url": links["comments"],
        "statuses_url": links["statuses"],
        "head": _end(at, pull["head"], pull["sha"]),
        "base": _end(at, at.repo["default_branch"], pull["base_sha"]),
        "_links": {name: {"href": link} for name, link in links.items()},
        "author_association": "MEMBER",
        "auto_merge": None,
        "active_lock_reason": None,
    }


def pull_request_alone(at: At, facts: Facts) -> Shape:
    """Return a pull request that is read alone."""
    merged = facts["pull"]["merged_at"] is not None
    return pull_request(at, facts) | {
        "merged": merged,
        "mergeable": None if merged else True,
        "rebaseable": None if merged else True,
        "mergeable_state": "unknown" if merged else "clean",
        "merged_by": user(at.base, facts["user"]) if merged else None,
        "comments": facts["comments"],
        "review_comments": 0,
        "maintainer_can_modify": False,
        "commits": 1,
        "additions": 1,
        "deletions": 0,
        "changed_files": 1,
    }


def _end(at: At, ref: str, sha: str) -> Shape:
    return {
        "label": f"{at.owner['login']}:{ref}",
        "ref": ref,
        "sha": sha,
        "user": user(at.base, at.owner),
        "repo": {key: value for key, value in minimal_repository(at).items() if key != "permissions"},
    }


def review(at: At, facts: Facts) -> Shape:
    """Return a review of a pull request."""
    pull = f"{at.url}/pulls/{facts['of']}"
    html = f"{at.html}/pull/{facts['of']}#pullrequestreview-{facts['id']}"
    return {
        "id": facts["id"],
        "node_id": node("PRR", facts["id"]),
        "user": user(at.base, facts["user"]),
        "body": facts["body"],
        "state": facts["state"],
        "html_url": html,
        "pull_request_url": pull,
        "author_association": "MEMBER",
        "_links": {"html": {"href": html}, "pull_request": {"href": pull}},
        "submitted_at": instant(facts["created_at"]),
        "commit_id": facts["sha"],
    }


def commit(at: At, facts: Facts) -> Shape:
    """Return a commit as lists show it."""
    sha = facts["sha"]
    url = f"{at.url}/commits/{sha}"
    who = {
        "name": facts["user"]["login"],
        "email": f"{facts['user']['login']}@users.noreply.github.com",
        "date": instant(facts["created_at"]),
    }
    return {
        "sha": sha,
        "node_id": node("C", sha),
        "commit": {
            "author": who,
            "committer": who,
            "message": facts["message"],
            "tree": {"sha": sha[::-1], "url": f"{at.url}/git/trees/{sha[::-1]}"},
            "url": f"{at.url}/git/commits/{sha}",
            "comment_count": 0,
        },
        "url": url,
        "html_url": f"{at.html}/commit/{sha}",
        "comments_url": f"{url}/comments",
        "author": user(at.base, facts["user"]),
        "committer": user(at.base, facts["user"]),
        "parents": [
            {"sha": each, "url": f"{at.url}/commits/{each}", "html_url": f"{at.html}/commit/{each}"}
            for each in facts["parents"]
        ],
    }


def commit_alone(at: At, facts: Facts) -> Shape:
    """Return a commit that is read alone."""
    return commit(at, facts) | {"stats": {"total": 1, "additions": 1, "deletions": 0}, "files": []}


def comparison(
    at: At,
    base: Facts,
    head: Facts,
    common: Facts,
    ahead: Sequence[Facts],
    shown: Sequence[Facts],
    behind: int,
) -> Shape:
    """Return what lies between two commits; `shown` is a page of those that are ahead."""
    status = "diverged" if ahead and behind else "ahead" if ahead else "behind" if behind else "identical"
    ends = f"{base['sha']}...{head['sha']}"
    return {
        "url": f"{at.url}/compare/{ends}",
        "html_url": f"{at.html}/compare/{ends}",
        "permalink_url": f"{at.html}/compare/{ends}",
        "diff_url": f"{at.html}/compare/{ends}.diff",
        "patch_url": f"{at.html}/compare/{ends}.patch",
        "base_commit": commit(at, base),
        "merge_base_commit": commit(at, common),
        "status": status,
        "ahead_by": len(ahead),
        "behind_by": behind,
        "total_commits": len(ahead),
        "commits": [commit(at, each) for each in shown],
        "files": [],
    }


def branch(at: At, facts: Facts) -> Shape:
    """Return a branch as lists show it."""
    sha = facts["sha"]
    return {
        "name": facts["name"],
        "commit": {"sha": sha, "url": f"{at.url}/commits/{sha}"},
        "protected": facts["protected"],
    }


def branch_alone(at: At, facts: Facts, head: Facts) -> Shape:
    """Return a branch that is read alone."""
    url = f"{at.url}/branches/{facts['name']}"
    return {
        "name": facts["name"],
        "commit": commit(at, head),
        "_links": {"self": url, "html": f"{at.html}/tree/{facts['name']}"},
        "protected": facts["protected"],
        "protection": {
            "enabled": False,
            "required_status_checks": {"enforcement_level": "off", "contexts": [], "checks": []},
        },
        "protection_url": f"{url}/protection",
    }


def tag(at: At, facts: Facts) -> Shape:
    """Return a tag."""
    name, sha = facts["name"], facts["sha"]
    return {
        "name": name,
        "zipball_url": f"{at.url}/zipball/refs/tags/{name}",
        "tarball_url": f"{at.url}/tarball/refs/tags/{name}",
        "commit": {"sha": sha, "url": f"{at.url}/commits/{sha}"},
        "node_id": node("REF", name),
    }


def reference(at: At, full: str, sha: str) -> Shape:
    """Return a git reference."""
    return {
        "ref": full,
        "node_id": node("REF", full),
        "url": f"{at.url}/git/{full}",
        "object": {"type": "commit", "sha": sha, "url": f"{at.url}/git/commits/{sha}"},
    }


def release(at: At, facts: Facts) -> Shape:
    """Return a release."""
    url = f"{at.url}/releases/{facts['id']}"
    return {
        "url": url,
        "assets_url": f"{url}/assets",
        "upload_url": f"{url}/assets{{?name,label}}",
        "html_url": f"{at.html}/releases/tag/{facts['tag_name']}",
        "id": facts["id"],
        "author": user(at.base, facts["user"]),
        "node_id": node("RE", facts["id"]),
        "tag_name": facts["tag_name"],
        "target_commitish": at.repo["default_branch"],
        "name": facts["name"],
        "draft": facts["draft"],
        "prerelease": facts["prerelease"],
        "created_at": instant(facts["created_at"]),
        "published_at": None if facts["draft"] else instant(facts["created_at"]),
        "assets": [],
        "tarball_url": f"{at.url}/tarball/{facts['tag_name']}",
        "zipball_url": f"{at.url}/zipball/{facts['tag_name']}",
        "body": facts["body"],
    }


def deployment(at: At, facts: Facts) -> Shape:
    """Return a deployment."""
    url = f"{at.url}/deployments/{facts['id']}"
    return {
        "url": url,
        "id": facts["id"],
        "node_id": node("DE", facts["id"]),
        "task": "deploy",
        "original_environment": facts["environment"],
        "environment": facts["environment"],
        "description": facts["description"],
        "created_at": instant(facts["created_at"]),
        "updated_at": instant(facts["updated_at"]),
        "statuses_url": f"{url}/statuses",
        "repository_url": at.url,
        "creator": user(at.base, facts["user"]),
        "sha": facts["sha"],
        "ref": facts["ref"],
        "payload": {},
        "transient_environment": False,
        "production_environment": False,
    }


def workflow(at: At, facts: Facts) -> Shape:
    """Return a workflow."""
    return {
        "id": facts["id"],
        "node_id": node("W", facts["id"]),
        "name": facts["name"],
        "path": facts["path"],
        "state": facts["state"],
        "created_at": instant(facts["created_at"]),
        "updated_at": instant(facts["updated_at"]),
        "url": f"{at.url}/actions/workflows/{facts['id']}",
        "html_url": f"{at.html}/blob/{at.repo['default_branch']}/{facts['path']}",
        "badge_url": f"{at.html}/workflows/{facts['name']}/badge.svg",
    }


def workflow_run(at: At, facts: Facts) -> Shape:
    """Return a run of a workflow."""
    url = f"{at.url}/actions/runs/{facts['id']}"
    return {
        "id": facts["id"],
        "name": "CI",
        "node_id": node("WFR", facts["id"]),
        "head_branch": at.repo["default_branch"],
        "head_sha": facts["sha"],
        "path": ".github/workflows/ci.yml",
        "display_title": facts["title"],
        "run_number": facts["number"],
        "event": "push",
        "status": facts["status"],
        "conclusion": facts["conclusion"],
        "workflow_id": facts["workflow"],
        "check_suite_id": facts["id"],
        "url": url,
        "html_url": f"{at.html}/actions/runs/{facts['id']}",
        "pull_requests": [],
        "created_at": instant(facts["created_at"]),
        "updated_at": instant(facts["updated_at"]),
        "actor": user(at.base, facts["user"]),
        "run_attempt": 1,
        "run_started_at": instant(facts["created_at"]),
        "jobs_url": f"{url}/jobs",
        "logs_url": f"{url}/logs",
        "check_suite_url": f"{at.url}/check-suites/{facts['id']}",
        "artifacts_url": f"{url}/artifacts",
        "cancel_url": f"{url}/cancel",
        "rerun_url": f"{url}/rerun",
        "previous_attempt_url": None,
        "workflow_url": f"{at.url}/actions/workflows/{facts['workflow']}",
        "head_commit": None,
        "repository": _bare(at),
        "head_repository": _bare(at),
    }


def _bare(at: At) -> Shape:
    """Return a repository as it stands inside of others: without what changes by itself."""
    shown = {
        key: value
        for key, value in minimal_repository(at).items()
        if key.endswith("_url") or key in ("id", "node_id", "name", "full_name", "private", "owner", "url")
    }
    return shown | {"description": at.repo["description"], "fork": False}


def stargazer(at: At, facts: Facts) -> Shape:
    """Return a star, with its time."""
    return {"starred_at": instant(facts["created_at"]), "user": user(at.base, facts["user"])}


def watcher(at: At, facts: Facts) -> Shape:
    """Return who watches."""
    return user(at.base, facts["user"])


def member(at: At, facts: Facts) -> Shape:
    """Return who may read or write."""
    rights = {"admin": False, "maintain": False, "push": True, "triage": True, "pull": True}
    return user(at.base, facts["user"]) | {"permissions": rights, "role_name": facts["role"]}


def team(at: At, facts: Facts) -> Shape:
    """Return a team."""
    url = f"{at.base}/organizations/1/team/{facts['id']}"
    return {
        "id": facts["id"],
        "node_id": node("T", facts["id"]),
        "url": url,
        "html_url": f"https://github.com/orgs/{at.owner['login']}/teams/{facts['name']}",
        "name": facts["name"],
        "slug": facts["name"],
        "description": facts["description"],
        "privacy": "closed",
        "notification_setting": "notifications_enabled",
        "permission": "push",
        "members_url": f"{url}/members{{/member}}",
        "repositories_url": f"{url}/repos",
        "type": "organization",
        "parent": None,
    }
