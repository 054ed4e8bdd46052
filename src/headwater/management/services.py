"""Everything of management, put together: what the API and the console are given."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from headwater.consumers.dead_letters import DeadLetters
from headwater.consumers.pull import Pulls
from headwater.kit.clock import Clock
from headwater.management.consumer_views import ConsumerViews
from headwater.management.consumers import Advice, Consumers
from headwater.management.credentials import Check, CheckLinked, Credentials
from headwater.management.doors import Doors
from headwater.management.hooks import Hooks
from headwater.management.http_consumers import HttpConsumers
from headwater.management.keys import Keys
from headwater.management.links import Links
from headwater.management.oauth_apps import OAuthApps
from headwater.management.orders import Orders
from headwater.management.providers import Providers
from headwater.management.public import PublicUrl
from headwater.management.removal import Removal
from headwater.management.selections import Selections
from headwater.management.starts import Starts
from headwater.management.sync_views import SyncViews
from headwater.management.syncs import Syncs
from headwater.management.targets import Targets
from headwater.management.undelivered import Undelivered
from headwater.management.webhooks import Webhooks
from headwater.providers.catalogue import Catalogue
from headwater.store.database import Database
from headwater.store.revisions import Revisions
from headwater.store.vault import Vault
from headwater.streams.cursor import Cursors
from headwater.streams.engine import StreamEngine
from headwater.streams.reading import Streams
from headwater.streams.slots import SlotTable
from headwater.targets.table import KINDS
from headwater.targets.target import Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The services of management. One set for each process: they share what they have looked up."""

    keys: Keys
    providers: Providers
    credentials: Credentials
    syncs: Syncs
    orders: Orders
    removal: Removal
    slots: SlotTable
    selections: Selections
    targets: Targets
    consumers: Consumers
    http_consumers: HttpConsumers
    pulls: Pulls
    undelivered: Undelivered
    webhooks: Webhooks
    hooks: Hooks
    oauth_apps: OAuthApps
    links: Links
    streams: Streams
    """The streams as consumers read them."""
    revisions: Revisions
    """What tells running work of changes; those of this process show at once."""


def services(
    *,
    database: Database,
    engine: StreamEngine,
    vault: Vault,
    catalogue: Catalogue,
    check: Check,
    doors: Doors,
    clock: Clock,
    check_linked: CheckLinked | None = None,
    public_url: str | None = None,
    kinds: Sequence[Kind] = KINDS,
    event_retention: timedelta = timedelta(days=7),
    pushed: Callable[[str], None] = lambda _sync_id: None,
    created_event_name: str = "created",
) -> Services:
    """Put the services together.

    `check` tries a credential at its API, `check_linked` one whose token is kept; `doors` open APIs for what
    a person asks; `public_url` is where browsers and APIs reach us; `kinds` are those of targets; `pushed` is
    told of each sync for which a push was stored; `created_event_name` is the word for a new record in
    events.
    """
    revisions, public = Revisions(database, clock), PublicUrl(public_url)
    slots = SlotTable(database, revisions)
    providers = Providers(database, revisions, catalogue, clock)
    views = SyncViews(database, engine, clock)
    targets = Targets(database, revisions, kinds, vault, clock)
    credentials = Credentials(database, revisions, providers, vault, check, check_linked, clock)
    hooks = Hooks(
        database=database,
        revisions=revisions,
        providers=providers,
        vault=vault,
        doors=doors,
        clock=clock,
        public=public,
    )
    apps = OAuthApps(database=database, providers=providers, vault=vault, clock=clock, public=public)
    selections = Selections(providers, slots)
    streams = Streams(
        engine=engine, slots=slots, cursors=Cursors(vault), created_event_name=created_event_name
    )
    pulls = Pulls(database=database, streams=streams, clock=clock, event_retention=event_retention)
    advice = Advice(targets=targets, selections=selections, starts=Starts(engine, event_retention))
    return Services(
        keys=Keys(database, revisions, clock),
        providers=providers,
        credentials=credentials,
        syncs=Syncs(database, revisions, providers, views, engine.partitions, clock),
        orders=Orders(database, revisions, clock),
        removal=Removal(revisions, slots, engine, hooks.delete, clock),
        slots=slots,
        selections=selections,
        targets=targets,
        consumers=Consumers(database, revisions, advice, ConsumerViews(database, engine, clock), clock),
        http_consumers=HttpConsumers(database, revisions, selections, pulls, clock),
        pulls=pulls,
        undelivered=Undelivered(database, DeadLetters(database, revisions, streams)),
        webhooks=Webhooks(database=database, providers=providers, vault=vault, clock=clock, told=pushed),
        hooks=hooks,
        oauth_apps=apps,
        links=Links(
            database=database,
            apps=apps,
            credentials=credentials,
            vault=vault,
            doors=doors,
            clock=clock,
            public=public,
        ),
        streams=streams,
        revisions=revisions,
    )
