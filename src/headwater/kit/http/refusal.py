"""What it means when an API answers with a status that is not the answer: wait, or call a person. Pure."""

from datetime import timedelta

from headwater.errors import Halt, HeadwaterError, Retry
from headwater.kit.http.said import Said

_LATER = frozenset({408, 425, 429})


def is_limit(status: int, said: Said) -> bool:
    """Say whether a status means that too much was asked, so that everybody should wait."""
    return (
        status == 429
        or (status == 403 and said.exhausted)
        or (status == 503 and said.retry_after is not None)
    )


def refusal(status: int, said: Said, asked: str) -> HeadwaterError:
    """Return the error for a status; `asked` is method and path, without values (P8)."""
    context = {"asked": asked, "status": str(status)}
    after = None if said.wait is None else timedelta(seconds=said.wait)
    if is_limit(status, said):
        which = f" ({said.limited_by})" if said.limited_by else ""
        message = f"The API answered {asked} with {status}: its limit of requests is reached{which}."
        return Retry(message, after=after, code="provider.rate_limited", context=context)
    if status in _LATER or status >= 500:
        message = f"The API answered {asked} with {status}: it cannot do that just now."
        after = None if said.retry_after is None else timedelta(seconds=said.retry_after)
        return Retry(message, after=after, code="provider.unavailable", context=context)
    if 200 <= status < 300:
        message = f"The API answered {asked} with {status}, which is no answer to that."
        return Retry(message, code="provider.broken_answer", context=context)
    message = f"The API refused {asked} with {status}."
    if status == 401:
        fix = "Check the credential, or make a new one at the API and store it here."
        return Halt(message, code="provider.credential_refused", fix=fix, context=context)
    if status == 403:
        fix = "Give the credential the right to read this at the API, or leave the collection out."
        return Halt(message, code="provider.forbidden", fix=fix, context=context)
    if status in (404, 410):
        fix = "Check the base URL and the path, and that the API still has this."
        return Halt(message, code="provider.path_not_found", fix=fix, context=context)
    if status < 400:
        fix = "Set the base URL to the address that the API redirects to."
        return Halt(message, code="provider.redirected", fix=fix, context=context)
    fix = "Compare the path, its parameters and the credential with the API's documentation."
    return Halt(message, code="provider.request_refused", fix=fix, context=context)
