"""What is done with a repository, and by whom."""

from headwater.testing.fake_github.shapes.place import At, Facts, Shape, bare_repository, instant, node, user


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
        "repository": bare_repository(at),
        "head_repository": bare_repository(at),
    }


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
