"""A small server that answers like Headwater's API, kept in memory: what the commands are tried against.

It knows the lists, the objects and the streams well enough to be told apart from the real one only by what it
forgets. `requests` says what it was asked.
"""

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import UUID

KEY = "hw_good"
NOW = "2026-11-24T08:00:00.000000Z"


def uuid(number: int) -> str:
    return str(UUID(int=number))


def health(status: str = "ok", *texts: str) -> dict[str, Any]:
    notes = [{"code": "credential.refused", "text": text, "about": ""} for text in texts]
    return {"status": status, "notes": notes, "since": NOW}


def provider(name: str, version: int = 1) -> dict[str, Any]:
    collection = {
        "collection_id": f"{name}:contact",
        "description": "People.",
        "changes": "since",
        "deletes": "sweep",
    }
    return {
        "name": name,
        "title": name.title(),
        "docs_url": None,
        "version": version,
        "credential_kinds": [
            {"name": "bearer", "fields": {"properties": {"token": {"type": "string"}}}, "secret": ["token"]}
        ],
        "config_fields": {"properties": {"base_url": {"type": "string"}}},
        "rate_limit": {"allowed_requests": 5, "interval": 1, "max_concurrent_requests": 4},
        "collections": [collection],
    }


def sync(number: int, name: str, state: str = "live", **more: Any) -> dict[str, Any]:
    backfill = {
        "started_at": NOW,
        "completed_at": NOW,
        "records": 3,
        "estimated_total": 4,
        "eta_seconds": 2.0,
    }
    return {
        "id": uuid(number),
        "provider": "acme",
        "name": name,
        "credential_id": uuid(100),
        "collection_ids": ["acme:contact"],
        "rate_share": 1.0,
        "status": "active",
        "health": health(),
        "max_age_days": None,
        "sync_frequency": "continuous",
        "config": {},
        "external_id": None,
        "metadata": {},
        "initial_backfill_completed_at": NOW,
        "created_at": NOW,
        "updated_at": NOW,
        "collections": [
            {
                "collection_id": "acme:contact",
                "state": state,
                "backfill": backfill,
                "last_checked_at": NOW,
                "lag_seconds": 1.25,
                "records": 1234,
                "error": None,
            }
        ],
        **more,
    }


def credential(number: int, name: str, **more: Any) -> dict[str, Any]:
    return {
        "id": uuid(number),
        "provider": "acme",
        "kind": "bearer",
        "name": name,
        "properties": {"token": "********"},
        "oauth_app_id": None,
        "rate_limit": {"allowed_requests": 5, "interval": 1, "max_concurrent_requests": 4},
        "external_id": None,
        "metadata": {},
        "health": health(),
        "created_at": NOW,
        "updated_at": NOW,
        **more,
    }


def target(number: int, name: str, kind: str = "depot", **more: Any) -> dict[str, Any]:
    return {
        "id": uuid(number),
        "kind": kind,
        "name": name,
        "settings": {"url": "********", "shelf": "a"},
        "external_id": None,
        "metadata": {},
        "health": health(),
        "created_at": NOW,
        "updated_at": NOW,
    } | more


def filters(**more: Any) -> dict[str, Any]:
    return {"provider": "*", "sync_id": "*", "collection_id": "*", "event": "*"} | more


def consumer(number: int, name: str, **more: Any) -> dict[str, Any]:
    return {
        "id": uuid(number),
        "name": name,
        "stream": "records",
        "target_id": uuid(300),
        "filters": filters(),
        "start": "beginning",
        "on_gap": "halt",
        "max_deliver": -1,
        "batch": {"max_messages": 1000, "max_bytes": 8000000, "max_wait_ms": 0},
        "status": "active",
        "health": health(),
        "lag": {"messages": 1234, "seconds": 61.5},
        "dead_letters": 2,
        "external_id": None,
        "metadata": {},
        "created_at": NOW,
        "updated_at": NOW,
    } | more


def http_consumer(number: int, name: str, **more: Any) -> dict[str, Any]:
    return {
        "id": uuid(number),
        "name": name,
        "stream": "events",
        "filters": filters(),
        "ack_wait_ms": 30000,
        "max_deliver": -1,
        "max_ack_pending": 1000,
        "deliver_policy": "all",
        "external_id": None,
        "metadata": {},
        "created_at": NOW,
        "updated_at": NOW,
    } | more


def record(idx: int, **more: Any) -> dict[str, Any]:
    return {
        "id": uuid(1000 + idx),
        "sync_id": uuid(1),
        "sync_external_id": None,
        "provider": "acme",
        "collection_id": "acme:contact",
        "upstream_id": f"c{idx}",
        "upstream_created_at": None,
        "upstream_updated_at": NOW,
        "updated_idx": idx,
        "inserted_at": NOW,
        "data": {"id": f"c{idx}", "name": "Zoë [Łukasz]"},
        "deleted": False,
        **more,
    }


def event(idx: int, kind: str = "created", **more: Any) -> dict[str, Any]:
    made = record(idx) | {"event": kind, "event_id": uuid(2000 + idx), "event_inserted_at": NOW}
    for member in ("id", "inserted_at", "deleted", "upstream_created_at"):
        del made[member]
    return made | {"origin": "backfill"} | more


@dataclass
class World:
    """What the server holds, and what it was asked."""

    families: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    streams: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    requests: list[tuple[str, str, Any]] = field(default_factory=list)
    answers: dict[str, list[tuple[int, Any]]] = field(default_factory=dict)
    """Path -> answers given in place of the usual ones, one after another."""
    page: int = 100
    whole: bool = True
    """Whether a stream of lines comes to its end."""
    tails: list[bytes] = field(default_factory=list)
    """Each a connection's worth of server-sent events."""


class Handler(BaseHTTPRequestHandler):
    """One request."""

    world: World

    def log_message(self, *_: Any) -> None:
        """Print nothing."""

    def answer(self, status: int, body: Any = None, media_type: str = "application/json") -> None:
        content = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def problem(self, status: int, code: str, detail: str, **more: Any) -> None:
        self.answer(status, {"status": status, "code": code, "detail": detail, "fix": "Do better."} | more)

    def handle_any(self) -> None:
        place = urlsplit(self.path)
        query = parse_qs(place.query)
        size = int(self.headers.get("Content-Length") or 0)
        content = self.rfile.read(size).decode()
        is_json = self.headers.get("Content-Type") == "application/json"
        body = json.loads(content) if content and is_json else content or None
        parts = [unquote(part) for part in place.path.strip("/").split("/")]
        self.world.requests.append((self.command, self.path, body))
        if place.path == "/health/ready":
            self.answer(200, {"status": "ok"})
        elif self.headers.get("Authorization") != f"Bearer {KEY}":
            self.problem(401, "key.invalid", "This API key is not known.")
        elif self.world.answers.get(place.path):
            status, given = self.world.answers[place.path].pop(0)
            self.answer(status, given)
        elif parts[1] in ("records", "events"):
            self.stream(parts, query)
        else:
            self.family(parts, query, body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

    def stream(self, parts: list[str], query: dict[str, list[str]]) -> None:
        name = parts[1]
        entries = self.world.streams.get(name, [])
        if parts[-1] == "tail":
            if not self.world.tails:
                self.problem(401, "key.invalid", "This API key was revoked.")
                return
            self.answer(200, self.world.tails.pop(0), "text/event-stream")
            return
        start = int(query.get("after_cursor", ["0"])[0])
        if "x-ndjson" in self.headers.get("Accept", ""):
            lines = [json.dumps(entry) for entry in entries[start:]]
            lines += [json.dumps({"cursor": str(len(entries))})] if self.world.whole else []
            self.answer(200, "".join(f"{line}\n" for line in lines).encode(), "application/x-ndjson")
            return
        end = min(start + int(query.get("limit", ["100"])[0]), len(entries))
        self.answer(200, {name: entries[start:end], "cursor": str(end), "has_more": end < len(entries)})

    def family(self, parts: list[str], query: dict[str, list[str]], body: Any) -> None:
        things = self.world.families.setdefault(parts[1], [])
        if len(parts) == 2 and self.command == "GET":
            start = int(query.get("after_cursor", ["0"])[0])
            end = start + self.world.page
            data = things[start:end]
            self.answer(200, {"data": data, "cursor": str(end), "has_more": end < len(things)})
            return
        if len(parts) == 2:
            self.create(parts[1], things, body)
            return
        found = next((thing for thing in things if parts[2] in (thing.get("id"), thing["name"])), None)
        if self.command == "PUT":
            things.append(provider(parts[2]))
            self.answer(201, things[-1])
        elif found is None:
            self.problem(404, f"{parts[1]}.not_found", "There is no such thing.")
        elif self.command == "DELETE":
            things.remove(found)
            self.answer(204)
        elif self.command == "PATCH":
            found.update(body)
            self.answer(200, found)
        elif len(parts) == 4 and parts[3] != "check":
            self.answer(202, {"data": [], "asked": body})
        else:
            self.answer(200, found)

    def create(self, family: str, things: list[dict[str, Any]], body: Any) -> None:
        number = 500 + len(things)
        if family == "syncs":
            made = sync(number, body.get("name") or "Acme", provider=body["provider"])
        elif family == "credentials":
            made = credential(number, body.get("name") or "Acme", provider=body["provider"])
        elif family == "targets":
            made = target(number, body.get("name") or "Depot at host", body.get("kind") or "depot")
        elif family == "consumers":
            made = consumer(number, body.get("name") or "records to Depot", target_id=body["target_id"])
        else:
            made = {"id": uuid(number), "prefix": "hw_abcdef", "external_id": None, **body}
        things.append(made)
        self.answer(201, made | ({"key": "hw_abcdefghi"} if family == "api-keys" else {}))


class FakeServer:
    """The server, listening on a free port of this machine while the block runs."""

    def __init__(self, world: World) -> None:
        handler = type("Bound", (Handler,), {"world": world})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> "FakeServer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
