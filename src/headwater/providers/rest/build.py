"""A checked document into a provider. Not here: reading and checking it (`parse`)."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial

from headwater.kit import jsonbytes
from headwater.kit.budget import Bucket
from headwater.kit.http import Http
from headwater.providers import fetch, paging
from headwater.providers.provider import JSON, Collection, Provider
from headwater.providers.rest.authorize import authorize, credential_kind
from headwater.providers.rest.collection import CollectionPart
from headwater.providers.rest.declare import Declared
from headwater.providers.rest.document import Check, RestDocument
from headwater.providers.rest.settings import Settings, defaults, settings_of


def provider(document: RestDocument, version: int = 1) -> Provider:
    """Return the provider that a document describes, as it is for a sync without a config.

    Where a setting has no default, addresses keep its placeholder until `configured` fills it.
    """
    built = _build(document, version, defaults(document))
    if not document.config:
        return built

    def configure(config: Mapping[str, JSON]) -> Provider:
        return _build(document, version, settings_of(document, config))

    return replace(built, configure=configure)


def _build(document: RestDocument, version: int, settings: Settings) -> Provider:
    limit = document.rate_limit
    return Provider(
        name=document.name,
        title=document.title or document.name,
        docs_url=document.docs_url,
        base_url=settings.text(document.base_url).rstrip("/"),
        authorize=partial(authorize, document.auth),
        credential_kinds=(credential_kind(document.auth),),
        budget=(
            Bucket(allowed=limit.requests, per=timedelta(seconds=limit.seconds), concurrent=limit.concurrent),
        ),
        collections=tuple(
            _collection(name, part, Declared(document, part, settings))
            for name, part in document.collections.items()
        ),
        check=document.check and _check(document.check, settings),
        headers=settings.texts(document.headers),
        config_schema=_config_schema(document),
        version=version,
    )


def _collection(name: str, part: CollectionPart, declared: Declared) -> Collection:
    fields, listing, since = declared.fields(), declared.listing(), declared.since()
    one, ids, removed = declared.one(), declared.ids(), declared.removed()
    follows = since is not None or listing.validity is not fetch.Validity.NOTHING
    return Collection(
        name=name,
        description=part.description,
        read_all=fetch.read_all(listing, fields),
        read_since=fetch.read_since(listing, fields, since) if follows else None,
        read_removed=fetch.read_since(removed[0], removed[1], removed[2], gone=True) if removed else None,
        read_one=fetch.read_one(one, fields) if one else None,
        read_ids=fetch.read_ids(ids[0], ids[1]) if ids else None,
        parent=part.parent,
        reads_whole=follows and since is None,
        since_in_order=part.since is not None and part.since.order == "ascending",
        sees_deletes=part.deleted is not None,
        updated_at_source="upstream" if fields.updated_at else "observed",
        overlap=part.overlap,
        poll_every=(part.poll.shortest, part.poll.longest),
        sweep_every=part.sweep_every,
        nested_fields=part.fields_in,
        volatile=fields.volatile,
    )


def _check(check: Check, settings: Settings) -> Callable[[Http], Awaitable[str | None]]:
    """Return what tries a credential and tells the account's name, where the document says where it is."""
    path, account = settings.path(check.path), check.account

    async def ask(http: Http) -> str | None:
        answer = await http.get(path)
        if account is None:
            return None
        try:
            first, *steps = paging.steps(account)
            member = jsonbytes.members(answer.body).get(first)
            name = None if member is None else jsonbytes.get(member, steps)
        except (ValueError, RecursionError) as error:
            raise paging.broken("to the check is no JSON object") from error
        return None if name is None else str(name)

    return ask


def _config_schema(document: RestDocument) -> dict[str, JSON]:
    """Return the JSON Schema of a sync's config."""
    properties: dict[str, JSON] = {}
    for name, setting in document.config.items():
        properties[name] = {"type": "string"}
        if setting.title:
            properties[name]["title"] = setting.title
        if setting.default is not None:
            properties[name]["default"] = setting.default
    required = [name for name, setting in document.config.items() if setting.default is None]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
