"""Under CI=true a skipped test is a failed one: what CI did not run, nobody ran.

Elsewhere a skip stays a skip, since a developer's machine may lack a server. Expected failures (xfail)
stay what they are.
"""

import os
from collections.abc import Generator

import pytest

REASON = "skipped, and under CI=true a skipped test counts as a failure"


def in_ci() -> bool:
    return os.environ.get("CI", "").lower() in {"1", "true"}


def refuse(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turn a skip into a failure that tells why it was skipped."""
    if not report.skipped or hasattr(report, "wasxfail") or not in_ci():
        return
    where = report.longrepr
    why = where[2] if isinstance(where, tuple) else where
    report.outcome = "failed"
    report.longrepr = f"{report.nodeid}: {REASON}: {why}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    refuse(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    refuse(report)
    return report
