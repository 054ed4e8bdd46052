"""Our own answers are timed by route."""

from starlette.types import Message, Receive, Scope, Send

from headwater.api.timing import Timing


class Route:
    """A route as the application notes it."""

    path = "/v1/records/{sync_id}"


async def test_an_answer_is_told_with_its_route() -> None:
    """Method, the route as it is published, and the status; never the path with its ids."""
    told: list[tuple[str, str, int]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope["route"] = Route()
        await send({"type": "http.response.start", "status": 404})
        await send({"type": "http.response.body"})

    timing = Timing(app, lambda method, route, status, _seconds: told.append((method, route, status)))
    await timing({"type": "http", "method": "GET", "path": "/v1/records/secret"}, _nothing, _drop)
    assert told == [("GET", "/v1/records/{sync_id}", 404)]


async def _nothing() -> Message:
    return {"type": "http.request"}


async def _drop(message: Message) -> None:
    """Send it nowhere."""
