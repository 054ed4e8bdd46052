"""Issues, pull requests, and what is said of them."""

from headwater.testing.fake_github.shapes.place import (
    At,
    Facts,
    Shape,
    instant,
    minimal_repository,
    node,
    user,
)


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
