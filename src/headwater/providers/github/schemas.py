"""The members of GitHub's objects, for the catalogue. Nothing is refused by them: GitHub adds members at any
time.

`schemas.json` holds name and types of each, taken from GitHub's OpenAPI document (MIT licence, version
2022-11-28 of the API); a test compares.
"""

import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

SOURCES: Mapping[str, str] = {
    "repository": "full-repository",
    "issue": "issue",
    "issue_comment": "issue-comment",
    "pull_request": "pull-request-simple",
    "review": "pull-request-review",
    "review_comment": "pull-request-review-comment",
    "commit": "commit",
    "commit_comment": "commit-comment",
    "release": "release",
    "tag": "tag",
    "branch": "short-branch",
    "label": "label",
    "milestone": "milestone",
    "deployment": "deployment",
    "workflow": "workflow",
    "workflow_run": "workflow-run",
    "stargazer": "stargazer",
    "watcher": "simple-user",
    "member": "collaborator",
    "team": "team",
}
"""Collections, and what GitHub's document calls their objects."""


@cache
def _members() -> Mapping[str, Mapping[str, list[str]]]:
    text = resources.files("headwater.providers.github").joinpath("schemas.json").read_text(encoding="utf-8")
    return json.loads(text)


def fields(collection: str) -> dict[str, Any]:
    """Return the JSON Schema of a collection's objects."""
    members = {
        name: {"type": types[0] if len(types) == 1 else types} if types else {}
        for name, types in _members()[collection].items()
    }
    return {"type": "object", "properties": members}
