"""`headwater target`: where managed consumers write. Secrets go in and never come out."""

from typing import Annotated, Any

import typer

from headwater.cli import choosing, inputs, options, show
from headwater.cli.client import Client, path
from headwater.cli.connection import connect
from headwater.cli.credentials import trouble
from headwater.cli.failures import Exit, Failure

commands = options.group("Databases, queues and the like that records and events are forwarded to.")

Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="A setting; NAME:=JSON for other than text. The value may be @FILE, - (stdin) or env:VARIABLE, "
        "so that secrets stay off the command line.",
    ),
]


@commands.command("kinds")
def kinds(
    kind: Annotated[
        str | None, typer.Argument(metavar="KIND", help="One kind, with all of its settings.")
    ] = None,
    json: options.Json = False,
) -> None:
    """List the kinds of target, or the settings of one."""
    found = list(connect().items("/v1/target-kinds"))
    if kind is not None:
        found = [one for one in found if one["kind"] == kind]
        if not found:
            raise Failure(
                f"There is no kind of target {kind}.",
                exit_code=Exit.NOT_FOUND,
                fix="See what there is: headwater target kinds",
            )
    if json:
        show.document(found if kind is None else found[0])
    elif kind is None:
        show.table(
            ("KIND", "WHAT IT IS", "PROMISES", "STREAMS", "BY URL", "DRIVER"),
            (
                (
                    one["kind"],
                    one["summary"],
                    one["guarantee"],
                    one["streams"],
                    [f"{scheme}://" for scheme in one["schemes"]],
                    "there" if one["installed"] else one["install"],
                )
                for one in found
            ),
        )
    else:
        explained(found[0])


@commands.command("create")
def create(
    kind: Annotated[
        str,
        typer.Argument(metavar="KIND_OR_URL", help="A kind, or a URL; also @FILE or env:VARIABLE of one."),
    ],
    settings: Settings = None,
    *,
    name: Annotated[str | None, typer.Option(help="What you call it.")] = None,
    external_id: options.ExternalId = None,
    metadata: options.Metadata = None,
    json: options.Json = False,
) -> None:
    """Make a target and see whether it can be written. One that cannot be reached is kept, and says why."""
    body = wanted(kind, settings=settings, name=name, external_id=external_id, metadata=metadata)
    target = connect().call("POST", "/v1/targets", body)
    if json:
        show.document(target)
    else:
        show.say(f"Target {target['id']} ({target['name']}) is kept.")
        trouble(target)


@commands.command("list")
def list_targets(
    kind: Annotated[str | None, typer.Option(help="Only of this kind.")] = None,
    external_id: options.ExternalId = None,
    json: options.Json = False,
) -> None:
    """List the targets."""
    found = list(connect().items("/v1/targets", {"kind": kind, "external_id": external_id}))
    if json:
        show.document(found)
        return
    show.table(
        ("ID", "NAME", "KIND", "HEALTH", "TENANT"),
        ((t["id"], t["name"], t["kind"], t["health"]["status"], t["external_id"]) for t in found),
    )


@commands.command("show")
def show_target(target: options.TargetName, json: options.Json = False) -> None:
    """Show a target, its secrets masked."""
    found = choosing.target(connect(), target)
    if json:
        show.document(found)
        return
    names = ("id", "name", "kind", "external_id", "metadata", "created_at")
    known = ((name, found[name]) for name in names)
    show.facts([*known, *found["settings"].items(), ("health", found["health"]["status"])])
    trouble(found)


@commands.command("update")
def update(
    target: options.TargetName,
    settings: Settings = None,
    *,
    name: Annotated[str | None, typer.Option(help="What you call it from now on.")] = None,
    metadata: options.Metadata = None,
    json: options.Json = False,
) -> None:
    """Change a target: give it a new password, say. Its consumers go on with it at once.

    Settings that are not named stay as they are; NAME:=null takes one out.
    """
    body = {
        "name": name,
        "settings": inputs.named(settings, "--set") if settings else None,
        "metadata": inputs.named(metadata, "--metadata") if metadata else None,
    }
    body = {member: value for member, value in body.items() if value is not None}
    if not body:
        raise Failure(
            "Nothing to change was given.", exit_code=Exit.USAGE, fix="Such as --set url=@FILE or --name."
        )
    client = connect()
    found = choosing.target(client, target)
    found = client.call("PATCH", path("v1", "targets", found["id"]), body)
    if json:
        show.document(found)
    else:
        show.say(f"Target {found['id']} ({found['name']}) is changed.")
        trouble(found)


@commands.command("check")
def check(target: options.TargetName, json: options.Json = False) -> None:
    """See whether a target can be reached and written. Exits with 1 when it cannot."""
    client = connect()
    found = choosing.target(client, target)
    found = client.call("POST", path("v1", "targets", found["id"], "check"))
    works = found["health"]["status"] == "ok"
    if json:
        show.document(found)
    elif works:
        show.say(f"{found['name']} can be written.")
    else:
        trouble(found)
    if not works:
        raise typer.Exit(Exit.FAILED)


@commands.command("setup")
def setup(target: options.TargetName, json: options.Json = False) -> None:
    """Print what a person runs at the target before it is written: the CREATE TABLE, say."""
    client = connect()
    found = choosing.target(client, target)
    answer = client.get(path("v1", "targets", found["id"], "setup"))
    if json:
        show.document(answer)
    elif answer["setup"] is None:
        show.note(f"Nothing has to be prepared for {found['name']}.")
    else:
        print(show.literal(answer["setup"]))


@commands.command("delete")
def delete(target: options.TargetName, yes: options.Yes = False) -> None:
    """Forget a target that no consumer writes to. What was written stays there."""
    client = connect()
    found = choosing.target(client, target)
    choosing.confirm(f"Forget the target {found['name']}?", yes=yes)
    client.call("DELETE", path("v1", "targets", found["id"]))
    show.say(f"Forgot {found['name']}.")


def wanted(
    kind: str,
    *,
    settings: list[str] | None = None,
    name: str | None = None,
    external_id: str | None = None,
    metadata: list[str] | None = None,
) -> dict[str, Any]:
    """Return the body that asks for a target of a kind, or the one that a URL tells."""
    text = inputs.value(kind)
    body = {
        "url" if is_url(text) else "kind": text,
        "name": name,
        "settings": inputs.named(settings, "--set") if settings else None,
        "external_id": external_id,
        "metadata": inputs.named(metadata, "--metadata") if metadata else None,
    }
    return {member: value for member, value in body.items() if value is not None}


def meant(client: Client, text: str, external_id: str | None) -> Any:
    """Return the target that is meant: one that there is, or that of a URL, made where there is none."""
    given = inputs.value(text)
    if not is_url(given):
        return choosing.target(client, given)
    body = {"url": given, "reuse": True} | ({"external_id": external_id} if external_id else {})
    return client.call("POST", "/v1/targets", body)


def is_url(text: str) -> bool:
    """Say whether a text is a URL, and not the name of something."""
    return "://" in text


def explained(kind: Any) -> None:
    """Print what a kind of target is and takes."""
    show.facts(
        [
            ("kind", kind["kind"]),
            ("what it is", kind["summary"]),
            ("promises", kind["guarantee"]),
            ("streams", kind["streams"]),
            ("by url", [f"{scheme}://" for scheme in kind["schemes"]]),
            ("driver", "there" if kind["installed"] else kind["install"]),
        ]
    )
    schema = kind["settings"]
    required = schema.get("required", [])
    show.table(
        ("SETTING", "DEFAULT", "WHAT IT IS"),
        (
            (
                name,
                "(must be given)" if name in required else field.get("default"),
                field.get("description"),
            )
            for name, field in schema.get("properties", {}).items()
        ),
    )
