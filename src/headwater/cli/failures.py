"""How a command ends: the exit codes, and the error that carries one. No printing."""

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any


class Exit(IntEnum):
    """The exit codes of `headwater`. They are stable: scripts may rely on them."""

    OK = 0
    FAILED = 1
    """It was tried and did not work: a check that found trouble, a server error, a backfill that failed."""
    USAGE = 2
    """The command line is wrong."""
    NOT_FOUND = 3
    """There is no such sync, credential, record, …"""
    REFUSED = 4
    """The request was refused: a field or document is wrong, or something's state does not allow it."""
    UNREACHABLE = 5
    """No server answers at `HEADWATER_URL`."""
    KEY = 6
    """The API key is missing, not known, or may not do that."""
    GAP = 7
    """What was asked for has left the stream: the cursor is older than the retention."""
    INTERRUPTED = 130
    """Ctrl-C."""


class Failure(Exception):
    """A command cannot go on: what happened, what to do, and how to exit."""

    def __init__(
        self,
        detail: str,
        *,
        exit_code: Exit = Exit.FAILED,
        fix: str | None = None,
        code: str | None = None,
        errors: Sequence[tuple[str, str]] = (),
    ) -> None:
        """`errors` are pairs of field and what is wrong with it; `code` is the API's stable code."""
        self.detail = detail
        self.exit_code = exit_code
        self.fix = fix
        self.code = code
        self.errors = list(errors)
        super().__init__(detail)


BY_STATUS = {
    401: Exit.KEY,
    403: Exit.KEY,
    404: Exit.NOT_FOUND,
    410: Exit.GAP,
    429: Exit.FAILED,
}


def from_problem(status: int, problem: Mapping[str, Any]) -> Failure:
    """Return the failure that a problem answer of the API means.

    Shape: `{"title", "status", "detail", "code", "fix", "errors": [{"field", "detail"}]}`
    """
    errors = [(str(e.get("field", "")), str(e.get("detail", ""))) for e in problem.get("errors") or ()]
    usual = Exit.REFUSED if 400 <= status < 500 else Exit.FAILED
    return Failure(
        str(problem.get("detail") or problem.get("title") or f"The server answered {status}."),
        exit_code=BY_STATUS.get(status, usual),
        fix=problem.get("fix"),
        code=problem.get("code"),
        errors=errors,
    )
