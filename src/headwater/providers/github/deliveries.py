"""Deliveries that did not arrive: GitHub keeps them for a while, and sends them again when it is asked to.

It does not do so by itself. Which of them arrived it knows by the answer that it got.

Source: https://docs.github.com/webhooks/using-webhooks/handling-failed-webhook-deliveries,
https://docs.github.com/rest/repos/webhooks#list-deliveries-for-a-repository-webhook (`cursor`, newest first),
https://docs.github.com/rest/repos/webhooks#redeliver-a-delivery-for-a-repository-webhook (202).
Read 2026-11-24.
"""

from urllib.parse import parse_qs, urlsplit

import msgspec

from headwater.kit.http import Registrar
from headwater.providers import paging
from headwater.providers.fetch import ISO
from headwater.providers.provider import JSON

_PAGES = 50
"""Pages of a hundred that are looked through at most."""
_ATTEMPTS = 5
"""So often a delivery is asked for again; what it tells is found by polling as well."""
MOST = 50
"""Of one call: GitHub lets eighty things be made in a minute, and counts each of them as five requests."""
_ACCEPTED = frozenset({202, 400, 404, 422})
"""It may have passed out of the log meanwhile."""


class _Delivery(msgspec.Struct):
    id: int
    guid: str
    delivered_at: str
    status: str


async def redeliver(http: Registrar, kept: JSON, since_us: int) -> int:
    """Ask for what was delivered to no avail since an instant, the oldest first; return how many that were.

    `kept` is what registering the hooks gave. Deliveries of one guid are attempts at the same; one that
    arrived is enough. Where it is `MOST`, there may be more for the next call. Raises: Retry, Halt.
    """
    failed = [(hook, id) for hook in kept["hooks"] for id in await _failed(http, hook, since_us)]
    asked = 0
    for hook, id in failed[:MOST]:
        answer = await http.post_json(f"{hook}/deliveries/{id}/attempts", {}, accept=_ACCEPTED)
        asked += answer.status == 202
    return asked


async def _failed(http: Registrar, hook: str, since_us: int) -> list[int]:
    """Return the last attempts of those deliveries that never arrived, the oldest first."""
    attempts: dict[str, list[_Delivery]] = {}
    query = {"per_page": "100"}
    for _ in range(_PAGES):
        answer = await http.get(f"{hook}/deliveries", query=query)
        try:
            found = msgspec.json.decode(answer.body, type=list[_Delivery])
            times = [ISO.read(one.delivered_at) for one in found]
        except ValueError as error:
            raise paging.broken("is no list of deliveries") from error
        for one, at_us in zip(found, times, strict=True):
            if at_us >= since_us:
                attempts.setdefault(one.guid, []).append(one)
        cursor = _cursor(answer.headers.get("link", ""))
        if cursor is None or not times or min(times) < since_us:
            break
        query = {"per_page": "100", "cursor": cursor}
    return [
        tries[0].id
        for tries in reversed(attempts.values())
        if len(tries) < _ATTEMPTS and all(one.status != "OK" for one in tries)
    ]


def _cursor(link: str) -> str | None:
    following = paging.links(link).get("next", "")
    return parse_qs(urlsplit(following).query).get("cursor", [None])[0]
