"""A small door to HTTP for tests of providers: httpx, with what is needed of the errors that `kit.http`
promises.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from email.utils import parsedate_to_datetime

import httpx

from headwater.errors import Halt, Retry
from headwater.kit.clock import to_us
from headwater.kit.http import Answer, Authorizer

BASE = "https://api.test/v2"


@dataclass
class Door:
    """Sends requests and keeps their URLs."""

    client: httpx.AsyncClient
    base_url: str = BASE
    authorizer: Authorizer | None = None
    asked: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    async def get(
        self,
        url: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        accept: frozenset[int] = frozenset({200}),
        bucket: str = "default",
    ) -> Answer:
        where = httpx.URL(url if "://" in url else self.base_url + url)
        sent, added = dict(headers or {}), dict(query or {})
        if self.authorizer:
            await self.authorizer.apply(sent, added)
        where = where.copy_merge_params(added)
        self.asked.append(where.raw_path.decode())
        self.headers.append(sent)
        answer = await self.client.get(where, headers=sent)
        status = answer.status_code
        if status not in accept:
            if status == 429 or status >= 500:
                raise Retry(after=timedelta(seconds=int(answer.headers.get("retry-after", 0))) or None)
            raise Halt(code="provider.refused", context={"status": str(status)})
        date = answer.headers.get("date")
        return Answer(
            status=status,
            headers={name.lower(): value for name, value in answer.headers.items()},
            body=answer.content,
            url=str(where),
            asked_us=to_us(parsedate_to_datetime(date)) if date else 1_000_000,
        )
