"""How GitHub shows its objects: facts of the world into JSON values, as the OpenAPI document has them.

Lists and single reads differ, as they do at GitHub: a pull request, a branch or a commit that is read alone
has more members. Pure. Not here: what there is (`world`).
"""

from headwater.testing.fake_github.shapes.activity import (
    deployment,
    member,
    stargazer,
    team,
    watcher,
    workflow,
    workflow_run,
)
from headwater.testing.fake_github.shapes.git import (
    branch,
    branch_alone,
    commit,
    commit_alone,
    comparison,
    reference,
    release,
    tag,
)
from headwater.testing.fake_github.shapes.issues import (
    commit_comment,
    issue,
    issue_alone,
    issue_comment,
    label,
    milestone,
    pull_request,
    pull_request_alone,
    reactions,
    review,
    review_comment,
)
from headwater.testing.fake_github.shapes.place import (
    At,
    Facts,
    Shape,
    bare_repository,
    instant,
    minimal_repository,
    node,
    organization,
    repository,
    user,
)

__all__ = [
    "At",
    "Facts",
    "Shape",
    "bare_repository",
    "branch",
    "branch_alone",
    "commit",
    "commit_alone",
    "commit_comment",
    "comparison",
    "deployment",
    "instant",
    "issue",
    "issue_alone",
    "issue_comment",
    "label",
    "member",
    "milestone",
    "minimal_repository",
    "node",
    "organization",
    "pull_request",
    "pull_request_alone",
    "reactions",
    "reference",
    "release",
    "repository",
    "review",
    "review_comment",
    "stargazer",
    "tag",
    "team",
    "user",
    "watcher",
    "workflow",
    "workflow_run",
]
