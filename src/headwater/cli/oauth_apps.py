"""`headwater oauth-app`: what APIs know you as, and links by which users' accounts become credentials."""

from typing import Annotated, Any

import typer

from headwater.cli import choosing, inputs, options, show
from headwater.cli.client import path
from headwater.cli.connection import connect
from headwater.cli.failures import Exit, Failure

commands = options.group("What APIs know you as where your customers link their accounts.")

ClientSecret = Annotated[
    str | None,
    typer.Option("--client-secret", metavar="SECRET", help="@FILE, - (stdin) or env:VARIABLE."),
]
WebhookSecret = Annotated[
    str | None,
    typer.Option(
        "--webhook-secret",
        metavar="SECRET",
        help="What the API signs with where it pushes for the app: @FILE, - (stdin) or env:VARIABLE.",
    ),
]
Scopes = Annotated[
    list[str] | None, typer.Option("--scope", help="What users are asked for; may be given several times.")
]
AppConfig = Annotated[
    list[str] | None,
    typer.Option("--config", metavar="NAME=VALUE", help="A setting of the app, such as the API's host."),
]
RedirectUrls = Annotated[
    list[str] | None,
    typer.Option("--redirect-url", help="Where a link may end; may be given several times."),
]


@commands.command("create")
def create(
    provider: options.ProviderName,
    client_id: Annotated[str, typer.Option("--client-id", help="As the API gave it.")],
    client_secret: Annotated[
        str, typer.Option("--client-secret", metavar="SECRET", help="@FILE, - (stdin) or env:VARIABLE.")
    ],
    *,
    webhook_secret: WebhookSecret = None,
    scopes: Scopes = None,
    config: AppConfig = None,
    redirect_urls: RedirectUrls = None,
    name: Annotated[str | None, typer.Option(help="What you call it.")] = None,
    external_id: options.ExternalId = None,
    json: options.Json = False,
) -> None:
    """Enter an OAuth app that you have registered at an API."""
    body = given(
        client_id=client_id,
        client_secret=client_secret,
        webhook_secret=webhook_secret,
        scopes=scopes,
        config=config,
        redirect_urls=redirect_urls,
        name=name,
    )
    body |= {"provider": provider} | ({} if external_id is None else {"external_id": external_id})
    app = connect().call("POST", "/v1/oauth-apps", body)
    if json:
        show.document(app)
        return
    show.say(f"OAuth app {app['id']} ({app['name']}) is kept.")
    if app["callback_url"]:
        show.note(f"Register this callback address at the API: {app['callback_url']}")
    else:
        show.note("Set HEADWATER_PUBLIC_URL, so that browsers find the server; no account can be linked yet.")


@commands.command("list")
def list_oauth_apps(
    provider: Annotated[str | None, typer.Option(help="Only of this provider.")] = None,
    external_id: options.ExternalId = None,
    json: options.Json = False,
) -> None:
    """List the OAuth apps."""
    found = list(connect().items("/v1/oauth-apps", {"provider": provider, "external_id": external_id}))
    if json:
        show.document(found)
        return
    show.table(
        ("ID", "NAME", "PROVIDER", "CLIENT ID", "TENANT"),
        ((a["id"], a["name"], a["provider"], a["client_id"], a["external_id"]) for a in found),
    )


@commands.command("show")
def show_oauth_app(app: options.OAuthAppName, json: options.Json = False) -> None:
    """Show an OAuth app, its secrets masked, with the addresses that the API must know."""
    found = choosing.oauth_app(connect(), app)
    if json:
        show.document(found)
    else:
        show.facts(found.items())


@commands.command("update")
def update(
    app: options.OAuthAppName,
    *,
    client_id: Annotated[str | None, typer.Option("--client-id", help="As the API gave it.")] = None,
    client_secret: ClientSecret = None,
    webhook_secret: WebhookSecret = None,
    scopes: Scopes = None,
    config: AppConfig = None,
    redirect_urls: RedirectUrls = None,
    name: Annotated[str | None, typer.Option(help="What you call it from now on.")] = None,
    json: options.Json = False,
) -> None:
    """Change an OAuth app: give it a new secret, say. Lists take the place of those that were there."""
    body = given(
        client_id=client_id,
        client_secret=client_secret,
        webhook_secret=webhook_secret,
        scopes=scopes,
        config=config,
        redirect_urls=redirect_urls,
        name=name,
    )
    if not body:
        raise Failure(
            "Nothing to change was given.",
            exit_code=Exit.USAGE,
            fix="Such as --client-secret @FILE or --redirect-url.",
        )
    client = connect()
    found = choosing.oauth_app(client, app)
    found = client.call("PATCH", path("v1", "oauth-apps", found["id"]), body)
    if json:
        show.document(found)
    else:
        show.say(f"OAuth app {found['id']} ({found['name']}) is changed.")


@commands.command("delete")
def delete(app: options.OAuthAppName, yes: options.Yes = False) -> None:
    """Forget an OAuth app whose accounts are all gone."""
    client = connect()
    found = choosing.oauth_app(client, app)
    choosing.confirm(f"Forget the OAuth app {found['name']}?", yes=yes)
    client.call("DELETE", path("v1", "oauth-apps", found["id"]))
    show.say(f"Forgot {found['name']}.")


@commands.command("link")
def link(
    app: options.OAuthAppName,
    *,
    external_id: options.ExternalId = None,
    redirect_url: Annotated[
        str | None, typer.Option("--redirect-url", help="Where the user goes afterwards.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="What you call the credential.")] = None,
    metadata: options.Metadata = None,
    json: options.Json = False,
) -> None:
    """Print an address by which a user links an account. It is good for half an hour."""
    client = connect()
    body: dict[str, Any] = {
        "oauth_app_id": choosing.oauth_app(client, app)["id"],
        "external_id": external_id,
        "redirect_url": redirect_url,
        "name": name,
        "metadata": inputs.named(metadata, "--metadata") if metadata else None,
    }
    made = client.call("POST", "/v1/link/token", {n: v for n, v in body.items() if v is not None})
    if json:
        show.document(made)
    else:
        print(made["url"])


def given(
    *,
    client_id: str | None,
    client_secret: str | None,
    webhook_secret: str | None,
    scopes: list[str] | None,
    config: list[str] | None,
    redirect_urls: list[str] | None,
    name: str | None,
) -> dict[str, Any]:
    """Return the body of what was given of an app."""
    body: dict[str, Any] = {
        "name": name,
        "client_id": client_id,
        "client_secret": None if client_secret is None else inputs.value(client_secret),
        "webhook_secret": None if webhook_secret is None else inputs.value(webhook_secret),
        "scopes": scopes or None,
        "config": inputs.named(config, "--config") if config else None,
        "redirect_urls": redirect_urls or None,
    }
    return {member: value for member, value in body.items() if value is not None}
