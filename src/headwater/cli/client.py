"""Headwater's HTTP API as the commands call it, over the standard library. Knows paths of none of them.

Not the door to other people's APIs (`kit.http`): this one talks to our own server only, and needs no budget.
"""

import http.client
import json
import ssl
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import quote, urlencode, urlsplit

from headwater.cli.failures import Exit, Failure, from_problem

Query = Mapping[str, Any]
"""Values are texts, numbers, booleans or lists of them; None leaves a parameter out."""

PAGE = 100


@dataclass(frozen=True, slots=True)
class SentEvent:
    """One server-sent event."""

    id: str
    event: str
    data: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A server and the key that opens it."""

    url: str
    key: str | None
    timeout: float = 60.0
    """Seconds without a byte after which the server counts as not reachable. Streams send heartbeats."""

    def get(self, path: str, query: Query | None = None) -> Any:
        """Return what a GET answers."""
        return self.call("GET", path, query=query)

    def call(self, method: str, path: str, body: Any = None, query: Query | None = None) -> Any:
        """Return the JSON of an answer; None where it has no body. A body that is text goes as YAML.

        Raises: Failure.
        """
        with self._open(method, path, query, body=body) as answer:
            content = answer.read()
        return json.loads(content) if content else None

    def items(self, path: str, query: Query | None = None) -> Iterator[Any]:
        """Give the items of a list of the Management API, page by page."""
        asked: dict[str, Any] = {"limit": PAGE, **(query or {})}
        while True:
            answer = self.get(path, asked)
            yield from answer["data"]
            if not answer.get("has_more"):
                return
            asked["after_cursor"] = answer["cursor"]

    def lines(self, path: str, query: Query | None = None) -> Iterator[bytes]:
        """Give the lines of a newline-delimited JSON answer, as they come."""
        with self._open("GET", path, query, accept="application/x-ndjson") as answer:
            while line := answer.readline():
                yield line.rstrip(b"\n")

    def sent_events(
        self, path: str, query: Query | None = None, last_id: str | None = None
    ) -> Iterator[SentEvent]:
        """Give server-sent events as they come, until the server hangs up; heartbeats, too, for their ids.

        Source: https://html.spec.whatwg.org/multipage/server-sent-events.html, read 2026-11-24.
        """
        headers = {"Last-Event-ID": last_id} if last_id else {}
        with self._open("GET", path, query, accept="text/event-stream", headers=headers) as answer:
            yield from parse_sent_events(iter(answer.readline, b""), last_id or "")

    @contextmanager
    def _open(
        self,
        method: str,
        path: str,
        query: Query | None,
        *,
        body: Any = None,
        accept: str = "application/json",
        headers: Mapping[str, str] | None = None,
    ) -> Generator[http.client.HTTPResponse]:
        sent = {"Accept": accept, "User-Agent": "headwater-cli", **(headers or {})}
        if self.key:
            sent["Authorization"] = f"Bearer {self.key}"
        content = None
        if body is not None:
            is_text = isinstance(body, str)
            content = (body if is_text else json.dumps(body)).encode()
            sent["Content-Type"] = "application/yaml" if is_text else "application/json"
        connection = self._connection()
        try:
            connection.request(
                method, urlsplit(self.url).path.rstrip("/") + with_query(path, query), content, sent
            )
            answer = connection.getresponse()
            if answer.status >= 400:
                raise refused(answer)
            yield answer
        except (OSError, http.client.HTTPException) as error:
            raise Failure(
                f"No answer from the server at {self.url} ({reason(error)}).",
                exit_code=Exit.UNREACHABLE,
                fix="Start it with `headwater serve`, or say where it is with HEADWATER_URL.",
            ) from error
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        place = urlsplit(self.url)
        if place.scheme not in {"http", "https"} or not place.hostname:
            raise Failure(
                f"HEADWATER_URL is not a web address: {self.url}",
                exit_code=Exit.USAGE,
                fix="It looks like http://127.0.0.1:8080.",
            )
        if place.scheme == "https":
            secure = ssl.create_default_context()
            return http.client.HTTPSConnection(
                place.hostname, place.port, timeout=self.timeout, context=secure
            )
        return http.client.HTTPConnection(place.hostname, place.port, timeout=self.timeout)


def path(*parts: str) -> str:
    """Return a path of parts, each escaped: ids of other people's objects may hold anything."""
    return "/" + "/".join(quote(part, safe=":") for part in parts)


def with_query(path: str, query: Query | None) -> str:
    """Return a path with its query; lists repeat their parameter."""
    pairs: list[tuple[str, str]] = []
    for name, value in (query or {}).items():
        values = cast("list[Any]", value) if isinstance(value, list) else [] if value is None else [value]
        pairs += [(name, str(one).lower() if isinstance(one, bool) else str(one)) for one in values]
    return f"{path}?{urlencode(pairs)}" if pairs else path


def parse_sent_events(lines: Iterator[bytes], last_id: str) -> Iterator[SentEvent]:
    """Give the events that lines of an event stream make. One without data only moves the id: a heartbeat."""
    name, data, moved = "", list[str](), False
    for raw in lines:
        line = raw.decode().rstrip("\r\n")
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            if data or moved:
                yield SentEvent(last_id, name or "message" if data else "heartbeat", "\n".join(data))
            name, data, moved = "", [], False
        elif field == "id":
            last_id, moved = value, True
        elif field == "event":
            name = value
        elif field == "data":
            data.append(value)


def refused(answer: http.client.HTTPResponse) -> Failure:
    """Return the failure that an error answer means, whoever wrote it."""
    content = answer.read()
    try:
        problem = json.loads(content)
    except ValueError:
        problem = None
    if isinstance(problem, dict):
        return from_problem(answer.status, cast("dict[str, Any]", problem))
    said = f"{answer.status} {answer.reason}"
    return from_problem(answer.status, {"detail": f"The server answered {said}, not as Headwater does."})


def reason(error: Exception) -> str:
    """Return why there was no answer, in few words."""
    if isinstance(error, TimeoutError):
        return "timed out"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
