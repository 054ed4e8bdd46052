"""Commits, and what names them."""

from collections.abc import Sequence

from headwater.testing.fake_github.shapes.place import At, Facts, Shape, instant, node, user


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
