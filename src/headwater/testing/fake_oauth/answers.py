"""The fake's answers over HTTP.

| call | |
|---|---|
| `GET /authorize` | the user who is logged in agrees or declines at once: a redirect |
| `POST /token` | codes and refresh tokens become tokens |
| `GET /me` | whose the bearer token is; 401 where it is not good |
| `GET`, `PATCH /_control/switches` | what is switched how; turn some |
| `POST /_control/expire` | all access tokens end |
| `POST /_control/revoke?account=` | users take back what they agreed to |
| `GET /_control/count` | `exchanges`, `refreshes` that were carried out |
"""

import asyncio
from base64 import b64decode
from urllib.parse import parse_qsl, unquote, urlencode

import msgspec
import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from headwater.testing.fake_oauth.authority import Authority, Denied, Switches

_FAILED = 500
_BEARER = "bearer "


class Answers:
    """The routes of one authority."""

    def __init__(self, authority: Authority) -> None:
        self._authority = authority

    def app(self) -> Starlette:
        """Return the ASGI app."""
        return Starlette(
            routes=[
                Route("/authorize", self.authorize),
                Route("/token", self.token, methods=["POST"]),
                Route("/me", self.me),
                Route("/_control/switches", self.switches, methods=["GET", "PATCH"]),
                Route("/_control/expire", self.expire, methods=["POST"]),
                Route("/_control/revoke", self.revoke, methods=["POST"]),
                Route("/_control/count", self.count),
            ]
        )

    async def authorize(self, request: Request) -> Response:
        """Send the user back with a code, or with what went wrong."""
        authority, query = self._authority, dict(request.query_params)
        authority.asked.append(query)
        if query.get("client_id") != authority.client_id or "redirect_uri" not in query:
            return _json({"error": "invalid_client"}, 400)  # never sent on: the address is not to be trusted
        if authority.switches.denies:
            back = {"error": "access_denied", "error_description": "The user said no."}
        elif query.get("response_type") != "code":
            back = {"error": "unsupported_response_type"}
        elif authority.switches.pkce and query.get("code_challenge_method") != "S256":
            back = {"error": "invalid_request"}
        else:
            back = {"code": authority.agree(query)}
        if "state" in query:
            back["state"] = query["state"]
        sign = "&" if "?" in query["redirect_uri"] else "?"
        return RedirectResponse(f"{query['redirect_uri']}{sign}{urlencode(back)}", 302)

    async def token(self, request: Request) -> Response:
        """Give tokens."""
        authority = self._authority
        switches = authority.switches
        authority.asked_tokens += 1
        form = dict(parse_qsl((await request.body()).decode("ascii")))
        if switches.slow_seconds:
            await asyncio.sleep(switches.slow_seconds)
        if switches.failures > 0:
            authority.switches = msgspec.structs.replace(switches, failures=switches.failures - 1)
            return _json({"error": "server_error"}, _FAILED)
        try:
            self._authenticate(request, form)
            match form.get("grant_type"):
                case "authorization_code":
                    granted = authority.exchange(form)
                case "refresh_token":
                    granted = authority.renew(form)
                case _:
                    raise Denied("unsupported_grant_type")
        except Denied as denied:
            return _json({"error": denied.reason, "error_description": "No."}, switches.error_status)
        if switches.forgets > 0:
            authority.switches = msgspec.structs.replace(switches, forgets=switches.forgets - 1)
            return _json({"error": "server_error"}, _FAILED)
        return _json(granted)

    async def me(self, request: Request) -> Response:
        """Tell whose a token is."""
        header = request.headers.get("authorization", "")
        token = header[len(_BEARER) :] if header.lower().startswith(_BEARER) else ""
        agreement = self._authority.whose(token)
        if agreement is None:
            return _json({"error": "invalid_token"}, 401)
        return _json({"account": agreement.account, "scope": agreement.scope})

    async def switches(self, request: Request) -> Response:
        """Show the switches, or turn some."""
        if request.method == "PATCH":
            known = msgspec.to_builtins(self._authority.switches)
            try:
                wanted = msgspec.convert(known | orjson.loads(await request.body()), Switches)
            except (msgspec.ValidationError, ValueError, TypeError) as error:
                return _json({"error": str(error)}, 400)
            self._authority.switches = wanted
        return _json(msgspec.to_builtins(self._authority.switches))

    async def expire(self, _request: Request) -> Response:
        """End all access tokens."""
        self._authority.expire()
        return await self.count(_request)

    async def revoke(self, request: Request) -> Response:
        """Take back what users agreed to."""
        self._authority.revoke(request.query_params.get("account"))
        return await self.count(request)

    async def count(self, _request: Request) -> Response:
        """Tell what was carried out."""
        return _json({"exchanges": self._authority.exchanges, "refreshes": self._authority.refreshes})

    def _authenticate(self, request: Request, form: dict[str, str]) -> None:
        """Raise Denied unless the app proves who it is, where it should."""
        wanted = (self._authority.client_id, self._authority.client_secret)
        header = request.headers.get("authorization", "")
        place = self._authority.switches.client_in
        if header.lower().startswith("basic ") and place != "body":
            name, _, password = b64decode(header[6:]).decode().partition(":")
            given = (unquote(name), unquote(password))
        elif place != "basic":
            given = (form.get("client_id", ""), form.get("client_secret", ""))
        else:
            given = ("", "")
        if given != wanted:
            raise Denied("invalid_client")


def _json(body: object, status: int = 200) -> Response:
    headers = {"Cache-Control": "no-store"}
    return Response(orjson.dumps(body), status, headers=headers, media_type="application/json")
