"""The catalogue as users see and extend it: built-in providers, and `rest` documents that they store.

Not here: what a document may say (`providers.rest`), what the catalogue is made of (`providers.catalogue`).
"""

import difflib

from sqlalchemy import exists, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from headwater.errors import Forbidden, InUse, Invalid, NotFound
from headwater.kit.clock import Clock
from headwater.management.caller import Caller, Permission
from headwater.providers import rest
from headwater.providers.catalogue import Catalogue
from headwater.providers.provider import Provider
from headwater.store import schema
from headwater.store.database import Database
from headwater.store.revisions import Revisions


class Providers:
    """The providers of one installation.

    Other processes' documents are noticed by the revision `providers`.
    """

    def __init__(self, database: Database, revisions: Revisions, catalogue: Catalogue, clock: Clock) -> None:
        """Keep `catalogue` in step with the documents in `database`."""
        self._database = database
        self._revisions = revisions
        self._catalogue = catalogue
        self._clock = clock
        self._revision = -1

    async def all(self) -> list[Provider]:
        """Return every provider, by name."""
        await self._keep_up()
        return sorted(self._catalogue.all(), key=lambda provider: provider.name)

    async def find(self, name: str) -> Provider | None:
        """Return a provider; None also where its stored document cannot be read any more."""
        await self._keep_up()
        return self._catalogue.get(name)

    async def get(self, name: str) -> Provider:
        """Return a provider. Raises: NotFound, with the name that was probably meant."""
        provider = await self.find(name)
        if provider is not None:
            return provider
        near = difflib.get_close_matches(name, [one.name for one in self._catalogue.all()], n=1)
        raise NotFound(
            "There is no such provider.",
            code="provider.not_found",
            fix=(f"Did you mean {near[0]}? " if near else "")
            + "List the providers with GET /v1/providers, or store a document with PUT /v1/providers/{name}.",
        )

    async def get_anew(self, name: str) -> Provider:
        """Return a provider as it is at this moment, whoever has stored its document. Raises: NotFound."""
        await self._revisions.now("providers")
        return await self.get(name)

    async def chosen(self, name: str) -> Provider:
        """Return the provider that a request names. Raises: Invalid, as for any other wrong field."""
        try:
            return await self.get(name)
        except NotFound as error:
            raise Invalid(
                "The provider does not exist.",
                errors=[("provider", "There is no such provider.")],
                fix=error.fix,
            ) from error

    async def put(self, caller: Caller, name: str, text: str) -> tuple[Provider, bool]:
        """Store a `rest` document as the newest version of a provider; return it and whether it is a new
        provider.

        The same text again is no new version. Raises: Invalid with the places of its mistakes, InUse for
        the name of a built-in provider.
        """
        _require_everybody(caller)
        document = rest.parse(text)
        if document.name != name:
            raise Invalid(
                "The document's name is not the one in the address.",
                errors=[("name", f"Is {document.name}, but the address says {name}.")],
                fix="Let the two agree: the name becomes the provider.",
            )
        table = schema.provider_documents
        async with self._revisions.changing("providers") as connection:
            newest = (
                await connection.execute(
                    select(table).where(table.c.name == name).order_by(table.c.version.desc()).limit(1)
                )
            ).one_or_none()
            if newest is None and self._catalogue.get(name) is not None:
                raise InUse(
                    "A built-in provider has this name.",
                    code="provider.builtin",
                    fix="Give the document another name.",
                )
            if newest is None or newest.retired or newest.document != text:
                version = 1 if newest is None else newest.version + 1
                await connection.execute(
                    insert(table).values(
                        name=name, version=version, document=text, created_us=self._clock.now_us()
                    )
                )
        return await self.get(name), newest is None or bool(newest.retired)

    async def delete(self, caller: Caller, name: str) -> None:
        """Remove a provider whose document was stored.

        Raises: NotFound, InUse while a sync or credential is its.
        """
        _require_everybody(caller)
        await self.get(name)
        table = schema.provider_documents
        async with self._revisions.changing("providers") as connection:
            stored = await connection.scalar(
                select(func.count()).where(table.c.name == name, table.c.retired.is_(False))
            )
            if not stored:
                raise InUse(
                    "A built-in provider cannot be removed.",
                    code="provider.builtin",
                    fix="Nothing needs to be done: it does nothing until a sync uses it.",
                )
            await _refuse_if_used(connection, name)
            await connection.execute(update(table).where(table.c.name == name).values(retired=True))
        await self._keep_up()

    async def _keep_up(self) -> None:
        """Read the documents anew when somebody has changed one."""
        revision = await self._revisions.recent("providers")
        if revision == self._revision:
            return
        self._catalogue.reload(await documents(self._database))
        self._revision = revision


async def documents(database: Database) -> list[tuple[str, int, str]]:
    """Return the newest `rest` document of each provider: name, version, text."""
    table = schema.provider_documents
    newest = (
        select(table.c.name, func.max(table.c.version).label("version")).group_by(table.c.name).subquery()
    )
    query = (
        select(table.c.name, table.c.version, table.c.document)
        .join(newest, (newest.c.name == table.c.name) & (newest.c.version == table.c.version))
        .where(table.c.retired.is_(False))
        .order_by(table.c.name)
    )
    async with database.read() as connection:
        return [(row.name, row.version, row.document) for row in await connection.execute(query)]


def _require_everybody(caller: Caller) -> None:
    """Providers are shared by all tenants, so a tenant's key may not change them (P12)."""
    caller.require(Permission.ADMIN)
    if caller.external_id is not None:
        raise Forbidden(
            "Providers are shared by all tenants, and this API key is bound to one.",
            code="key.tenant",
            fix="Use an admin key that is not bound to a tenant.",
        )


async def _refuse_if_used(connection: AsyncConnection, name: str) -> None:
    for table, what in ((schema.syncs, "sync"), (schema.credentials, "credential")):
        if await connection.scalar(select(exists().where(table.c.provider == name))):
            raise InUse(
                f"A {what} uses this provider.",
                code="provider.in_use",
                fix=f"Remove its {what}s first: GET /v1/{what}s?provider={name} lists them.",
            )
