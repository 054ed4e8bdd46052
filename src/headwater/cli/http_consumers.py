"""`headwater consumer http`: consumers whose messages are fetched and acknowledged; made here, and tried out.

Listed, shown, begun anew and removed like the managed ones (`consumers`). A real worker uses the HTTP API.
"""

from typing import Annotated, Any

import typer

from headwater.cli import choosing, inputs, options, show
from headwater.cli.client import Client, path
from headwater.cli.connection import connect
from headwater.cli.failures import Exit, Failure

commands = options.group("Consumers whose messages are fetched and acknowledged over HTTP.")

Tokens = Annotated[list[str], typer.Argument(metavar="ACK_TOKEN", help="Tokens that came with messages.")]
Many = Annotated[int, typer.Option("--batch", "-n", help="Messages at most, up to 1000.")]
AckWait = Annotated[
    int | None, typer.Option(help="Milliseconds that a worker has for a message; 30000 where left out.")
]
MaxAckPending = Annotated[
    int | None, typer.Option(help="How many messages may be out at once; 1000 where left out.")
]


@commands.command("create")
def create(
    *,
    stream: options.StreamName = options.StreamWord.EVENTS,
    filters: options.Filters = None,
    deliver_policy: Annotated[
        str | None,
        typer.Option("--deliver", help="`all` that there is, `new`, `last`, or a duration back such as 1h."),
    ] = None,
    ack_wait_ms: AckWait = None,
    max_deliver: options.MaxDeliver = None,
    max_ack_pending: MaxAckPending = None,
    name: Annotated[str | None, typer.Option(help="What you call it.")] = None,
    external_id: options.ExternalId = None,
    metadata: options.Metadata = None,
    json: options.Json = False,
) -> None:
    """Make a consumer over HTTP."""
    given = {
        "stream": stream.value,
        "filters": inputs.many(filters, "--filter"),
        "deliver_policy": deliver_policy,
        "ack_wait_ms": ack_wait_ms,
        "max_deliver": max_deliver,
        "max_ack_pending": max_ack_pending,
        "name": name,
        "external_id": external_id,
        "metadata": inputs.named(metadata, "--metadata") if metadata else None,
    }
    body = {key: value for key, value in given.items() if value is not None}
    consumer = connect().call("POST", "/v1/http-consumers", body)
    if json:
        show.document(consumer)
    else:
        show.say(
            f"Consumer {consumer['id']} ({consumer['name']}) hands out {consumer['stream']}. Take some with: "
            f"headwater consumer http next {consumer['id']}"
        )


@commands.command("update")
def update(
    consumer: options.ConsumerName,
    *,
    filters: options.Filters = None,
    ack_wait_ms: AckWait = None,
    max_deliver: options.MaxDeliver = None,
    max_ack_pending: MaxAckPending = None,
    name: Annotated[str | None, typer.Option(help="What you call it.")] = None,
    metadata: options.Metadata = None,
    json: options.Json = False,
) -> None:
    """Change a consumer over HTTP; it goes on from where it stands."""
    given = {
        "filters": inputs.many(filters, "--filter"),
        "ack_wait_ms": ack_wait_ms,
        "max_deliver": max_deliver,
        "max_ack_pending": max_ack_pending,
        "name": name,
        "metadata": inputs.named(metadata, "--metadata") if metadata else None,
    }
    change = {key: value for key, value in given.items() if value is not None}
    if not change:
        raise Failure("Give what is to be changed.", exit_code=Exit.USAGE)
    client = connect()
    found = client.call("PATCH", path("v1", choosing.OVER_HTTP, fetched(client, consumer)["id"]), change)
    if json:
        show.document(found)
    else:
        show.say(f"{found['name']} is changed.")


@commands.command("next")
def take(
    consumer: options.ConsumerName,
    batch: Many = 1,
    wait: Annotated[float, typer.Option(help="Seconds to wait for a message when there is none.")] = 0,
    ack: Annotated[bool, typer.Option("--ack", help="Acknowledge them once they are printed.")] = False,
) -> None:
    """Take messages and print them, one JSON line each; without --ack they come again after a while."""
    client = connect()
    found = fetched(client, consumer)
    body = {"batch_size": batch, "wait_for": round(wait * 1000)}
    answer = client.call("POST", path("v1", choosing.OVER_HTTP, found["id"], "next"), body)
    printed(answer)
    if ack and answer["data"]:
        tokens = [message["ack_token"] for message in answer["data"]]
        settled(client, found["id"], "ack", {"ack_tokens": tokens})


@commands.command("peek")
def peek(consumer: options.ConsumerName, batch: Many = 1) -> None:
    """Print what comes next, one JSON line each, and take nothing."""
    client = connect()
    found = fetched(client, consumer)
    printed(client.get(path("v1", choosing.OVER_HTTP, found["id"], "peek"), {"batch_size": batch}))


@commands.command("ack")
def acknowledge(consumer: options.ConsumerName, tokens: Tokens) -> None:
    """Acknowledge messages: they are never handed out again."""
    client = connect()
    settled(client, fetched(client, consumer)["id"], "ack", {"ack_tokens": tokens})


@commands.command("nack")
def give_back(
    consumer: options.ConsumerName,
    tokens: Tokens,
    delay: Annotated[float, typer.Option(help="Seconds before they are handed out again.")] = 0,
) -> None:
    """Give messages back, to be handed out again."""
    client = connect()
    body = {"ack_tokens": tokens, "delay_ms": round(delay * 1000)}
    settled(client, fetched(client, consumer)["id"], "nack", body)


@commands.command("extend")
def extend(consumer: options.ConsumerName, tokens: Tokens) -> None:
    """Ask for more time for messages."""
    client = connect()
    settled(client, fetched(client, consumer)["id"], "extend", {"ack_tokens": tokens})


def fetched(client: Client, text: str) -> Any:
    """Return the consumer over HTTP that is meant. Raises: Failure, also for a managed one."""
    family, found = choosing.consumer(client, text)
    if family != choosing.OVER_HTTP:
        raise Failure(
            f"{found['name']} is a managed consumer: its messages go to its target.",
            exit_code=Exit.USAGE,
            fix="Make one over HTTP with: headwater consumer http create",
        )
    return found


def printed(answer: Any) -> None:
    """Print messages, and what is left beside them."""
    for message in answer["data"]:
        show.line(message)
    left = answer["info"]
    at_most = "at most " if left["num_pending_is_estimate"] else ""
    show.note(
        f"{at_most}{show.count(left['num_pending'])} to come, {show.count(left['num_ack_pending'])} out"
    )


def settled(client: Client, consumer_id: str, call: str, body: dict[str, Any]) -> None:
    """Answer for messages, and say of how many that counted. Raises: Failure when it did of none."""
    answer = client.call("POST", path("v1", choosing.OVER_HTTP, consumer_id, call), body)
    done, unknown = answer[f"{call}ed"], len(answer["unknown"])
    said = f"{call}ed {done}" + (f"; {unknown} had run out, or were used" if unknown else "")
    if not done:
        raise Failure(f"Nothing was {call}ed: the tokens had run out, or were used.", exit_code=Exit.REFUSED)
    show.note(said)
