"""The public surface as a type checker sees it. Checked by `make check`, never run."""

from datetime import timedelta
from typing import assert_type

from headwater.errors import Halt, HeadwaterError, Invalid, Retry


def what_a_caller_may_ask_of_an_error(error: HeadwaterError) -> None:
    assert_type(error.message, str)
    assert_type(error.fix, str | None)
    assert_type(error.context, dict[str, str])


def errors_are_made_with_what_their_handler_needs() -> None:
    assert_type(Retry(after=timedelta(seconds=30)).after, timedelta | None)
    assert_type(Invalid(errors=[("items.path", "is empty")]).errors, list[tuple[str, str]])
    Halt("The token was revoked.", fix="Enter a new one.", context={"credential_id": "c1"})
