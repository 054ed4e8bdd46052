"""The program `headwater`: its commands put together, and how it ends when one of them fails."""

import sys
from importlib.metadata import version as installed
from typing import Annotated, Any

import typer
from typer.main import get_command

from headwater.cli import (
    consumers,
    credentials,
    database,
    demo,
    doctor,
    keys,
    oauth_apps,
    probe,
    providers,
    serve,
    settings,
    show,
    streams,
    syncs,
    targets,
    webhooks,
)
from headwater.cli.failures import Exit, Failure
from headwater.errors import HeadwaterError, Invalid

commands = typer.Typer(
    help="Headwater syncs the data of third-party APIs into a record stream and an event stream.\n\n"
    "Most commands talk to the server at HEADWATER_URL (default http://127.0.0.1:8080) with the key in "
    "HEADWATER_API_KEY, or that of this machine's installation.\n\n"
    "Exit codes: 0 done, 1 failed, 2 wrong command line, 3 not found, 4 refused by the API, "
    "5 no server, 6 key refused, 7 the cursor is too old.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def print_version(wanted: bool) -> None:
    """Print the version and end."""
    if wanted:
        print(installed("headwater"))
        raise typer.Exit


@commands.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Take the options that stand before the command."""


commands.command("serve")(serve.serve)
commands.command("demo")(demo.demo)
commands.add_typer(providers.commands, name="providers")
commands.add_typer(credentials.commands, name="credential")
commands.add_typer(oauth_apps.commands, name="oauth-app")
commands.add_typer(syncs.commands, name="sync")
commands.add_typer(webhooks.commands, name="webhook")
commands.add_typer(targets.commands, name="target")
commands.add_typer(consumers.commands, name="consumer")
commands.command("records")(streams.records)
commands.command("events")(streams.events)
commands.add_typer(keys.commands, name="key")
commands.add_typer(probe.commands, name="rest")
commands.command("settings")(settings.show_settings)
commands.command("doctor")(doctor.doctor)
commands.add_typer(database.commands, name="db")


def run(arguments: list[str] | None = None) -> int:
    """Run a command line; return the exit code."""
    try:
        get_command(commands)(args=arguments, prog_name="headwater")
    except SystemExit as ended:
        return code_of(ended.code)
    except Failure as failed:
        show.failure(failed)
        return failed.exit_code
    except HeadwaterError as error:  # from the parts that work on this machine
        errors = error.errors if isinstance(error, Invalid) else ()
        show.failure(Failure(error.message, fix=error.fix, errors=errors))
        return Exit.REFUSED if isinstance(error, Invalid) else Exit.FAILED
    except BrokenPipeError:  # whoever read our output has had enough
        sys.stderr.close()
        return Exit.OK
    return Exit.OK


def code_of(code: Any) -> int:
    """Return what `sys.exit` was given as a number."""
    return code if isinstance(code, int) else Exit.OK if code is None else Exit.FAILED
