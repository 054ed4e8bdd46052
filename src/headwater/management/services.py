"""Everything of management, put together: what the API and the console are given."""

from dataclasses import dataclass

from headwater.kit.clock import Clock
from headwater.management.credentials import Check, Credentials
from headwater.management.keys import Keys
from headwater.management.orders import Orders
from headwater.management.providers import Providers
from headwater.management.removal import Removal
from headwater.management.sync_views import SyncViews
from headwater.management.syncs import Syncs
from headwater.providers.catalogue import Catalogue
from headwater.store.database import Database
from headwater.store.revisions import Revisions
from headwater.store.vault import Vault
from headwater.streams.engine import StreamEngine
from headwater.streams.slots import SlotTable


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


def services(
    *,
    database: Database,
    engine: StreamEngine,
    vault: Vault,
    catalogue: Catalogue,
    check: Check,
    clock: Clock,
) -> Services:
    """Put the services together. `check` tries a credential at its API."""
    revisions = Revisions(database, clock)
    slots = SlotTable(database, revisions)
    providers = Providers(database, revisions, catalogue, clock)
    views = SyncViews(database, engine, clock)
    return Services(
        keys=Keys(database, revisions, clock),
        providers=providers,
        credentials=Credentials(database, revisions, providers, vault, check, clock),
        syncs=Syncs(database, revisions, providers, views, engine.partitions, clock),
        orders=Orders(database, revisions, clock),
        removal=Removal(revisions, slots, engine, clock),
        slots=slots,
    )
