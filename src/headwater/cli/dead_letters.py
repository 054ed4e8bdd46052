"""`headwater consumer dead-letters`: messages that a consumer gave up, managed or over HTTP."""

from typing import Annotated

import typer

from headwater.cli import choosing, options, show
from headwater.cli.client import path
from headwater.cli.connection import connect
from headwater.cli.failures import Exit, Failure

commands = options.group("Messages that were given up: look at them, have them delivered once more, let go.")

Ids = Annotated[
    list[str] | None, typer.Argument(metavar="ID", help="Ids of dead letters; or --all.", show_default=False)
]
All = Annotated[bool, typer.Option("--all", help="All of the consumer's.")]


@commands.command("list")
def list_dead_letters(consumer: options.ConsumerName, json: options.Json = False) -> None:
    """List the dead letters of a consumer, each with its reason."""
    client = connect()
    family, found = choosing.consumer(client, consumer)
    letters = list(client.items(path("v1", family, found["id"], "dead-letters")))
    if json:
        show.document(letters)
        return
    show.table(
        ("ID", "COLLECTION", "UPSTREAM ID", "VERSION", "TRIED", "SINCE", "WHY"),
        (
            (
                one["id"],
                one["collection_id"],
                one["upstream_id"],
                one["updated_idx"],
                one["deliveries"],
                "comes again" if one["redrive"] else show.ago(one["dead_at"]),
                one["error"],
            )
            for one in letters
        ),
    )


@commands.command("show")
def show_dead_letter(
    consumer: options.ConsumerName,
    dead_letter: Annotated[str, typer.Argument(metavar="ID", help="The id of a dead letter.")],
    json: options.Json = False,
) -> None:
    """Show a dead letter with the message in it."""
    client = connect()
    family, found = choosing.consumer(client, consumer)
    letter = client.get(path("v1", family, found["id"], "dead-letters", dead_letter))
    if json:
        show.document(letter)
        return
    show.facts((name, value) for name, value in letter.items() if name not in ("record", "event"))
    message = letter.get("record") or letter.get("event")
    if message is None:
        show.note("The message itself had passed out of retention.")
    else:
        show.document(message)


@commands.command("redrive")
def redrive(
    consumer: options.ConsumerName, ids: Ids = None, everything: All = False, json: options.Json = False
) -> None:
    """Have dead letters delivered once more."""
    ordered(consumer, "redrive", ids, everything=everything, json=json)


@commands.command("discard")
def discard(
    consumer: options.ConsumerName,
    ids: Ids = None,
    everything: All = False,
    yes: options.Yes = False,
    json: options.Json = False,
) -> None:
    """Let dead letters go for good."""
    which = "all dead letters" if everything else show.number_of(len(ids or ()), "dead letter")
    choosing.confirm(f"Let {which} of {consumer} go for good?", yes=yes)
    ordered(consumer, "discard", ids, everything=everything, json=json)


def ordered(consumer: str, order: str, ids: list[str] | None, *, everything: bool, json: bool) -> None:
    """Say what is to become of dead letters, and of how many it will."""
    if everything == bool(ids):
        raise Failure("Give ids of dead letters, or --all.", exit_code=Exit.USAGE)
    client = connect()
    family, found = choosing.consumer(client, consumer)
    body = {"all": True} if everything else {"ids": ids}
    answer = client.call("POST", path("v1", family, found["id"], "dead-letters", order), body)
    if json:
        show.document(answer)
        return
    (count,) = answer.values()
    done = "will be delivered once more" if order == "redrive" else "gone"
    show.say(f"{show.number_of(count, 'message')} {done}.")
