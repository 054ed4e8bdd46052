"""`/v1/link/token` and `/link/…`: users link their accounts, in their own browsers.

What a browser is shown is a redirect or a small page, also when something goes wrong. Addresses carry what
must not be known to others, so nothing keeps them: no cache, no referrer, no log.
"""

from html import escape
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from headwater.api.access import Admin
from headwater.api.oauth_app_inputs import LinkInput
from headwater.api.oauth_app_shapes import LinkShape
from headwater.api.parts import Here
from headwater.api.strict import JSON_TYPES, media_types
from headwater.errors import HeadwaterError, Refused
from headwater.management.links import STATE_LIVES, NewLink, Outcome, Returned

router = APIRouter(tags=["links"])

_COOKIE = "headwater_link"
_PATH = "/link"
_PRIVATE = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
}
_PAGE = """\
<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>body {{ font: 1.1rem/1.5 system-ui, sans-serif; max-width: 32rem; margin: 15vh auto; padding: 0 1rem }}
code {{ color: #666; font-size: 0.8rem }}</style>
<h1>{title}</h1>
<p>{text}</p>
{code}
</html>
"""
_TITLES = {"ok": "Linked", "denied": "Not linked", "failed": "That did not work"}


@router.post(
    "/v1/link/token",
    response_model=LinkShape,
    status_code=201,
    responses={409: {"description": "HEADWATER_PUBLIC_URL is not set."}},
    dependencies=[Depends(media_types(*JSON_TYPES))],
)
async def create_link_token(parts: Here, caller: Admin, body: LinkInput) -> object:
    """Make a link for a user's browser, by which an account at an API becomes a credential."""
    link = await parts.services.links.token(
        caller,
        NewLink(
            oauth_app_id=body.oauth_app_id,
            external_id=body.external_id,
            redirect_url=body.redirect_url,
            name=body.name,
            metadata=body.metadata,
        ),
    )
    return LinkShape.of(link)


@router.get("/link/start", response_class=Response, responses={302: {"description": "To the API."}})
async def start_link(parts: Here, token: Annotated[str, Query(max_length=65_536)]) -> Response:
    """Send a user's browser to where its user agrees."""
    try:
        started = await parts.services.links.start(token)
    except HeadwaterError as error:
        return _refused(error)
    base = urlsplit(parts.services.links.public.require())
    answer = RedirectResponse(started.address, 302, headers=_PRIVATE)
    answer.set_cookie(
        _COOKIE,
        started.browser,
        max_age=int(STATE_LIVES.total_seconds()),
        path=base.path + _PATH,
        secure=base.scheme == "https",
        httponly=True,
        samesite="lax",
    )
    return answer


@router.get(
    "/link/callback/{provider}",
    response_class=Response,
    responses={302: {"description": "To the link's redirect_url, with `status`, `credential_id`, `code`."}},
)
async def finish_link(parts: Here, request: Request, provider: str) -> Response:
    """Take a user's browser back from an API; the account becomes a credential."""
    query = request.query_params
    returned = Returned(
        provider=provider,
        state=query.get("state"),
        code=query.get("code"),
        error=query.get("error"),
        browser=request.cookies.get(_COOKIE),
    )
    try:
        outcome = await parts.services.links.finish(returned)
    except HeadwaterError as error:
        return _refused(error)
    answer = _went(outcome)
    base = urlsplit(parts.services.links.public.require())
    answer.delete_cookie(_COOKIE, path=base.path + _PATH)
    return answer


def _went(outcome: Outcome) -> Response:
    if outcome.address is not None:
        return RedirectResponse(outcome.address, 302, headers=_PRIVATE)
    status = 200 if outcome.status != "failed" else 502
    return _page(_TITLES[outcome.status], outcome.message, outcome.code, status)


def _refused(error: HeadwaterError) -> Response:
    status = error.status if isinstance(error, Refused) else 503
    return _page(_TITLES["failed"], f"{error.message} {error.fix or ''}", error.error_code, status)


def _page(title: str, text: str, code: str | None, status: int) -> Response:
    shown = "" if code is None else f"<p><code>{escape(code)}</code></p>"
    body = _PAGE.format(title=escape(title), text=escape(text), code=shown)
    return HTMLResponse(body, status, headers=_PRIVATE)
