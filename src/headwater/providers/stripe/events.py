"""What an event says, as news of collections. Pure.

An event carries its object as it was then, in the shape of the API version that was in force. Where that is
the pinned one and the object is whole, the object is taken; else the event is a hint, and the object is read.
Which collection it is of is told by the object, not by the event's type, so a new type of a known object is
news of a change. Thin events carry no object and are hints.

Source: https://docs.stripe.com/api/events/object (`api_version`, `data`, `account`),
https://docs.stripe.com/api/events/types, https://docs.stripe.com/event-destinations (thin events). Read
2026-11-24.
"""

from collections.abc import Mapping, Sequence

import msgspec

from headwater.errors import Reject
from headwater.kit import jsonbytes
from headwater.model.record import Observed
from headwater.providers import fetch
from headwater.providers.provider import News
from headwater.providers.stripe.access import VERSION
from headwater.providers.stripe.kinds import KINDS, Kind
from headwater.providers.stripe.nested import is_cut_off
from headwater.providers.stripe.reading import Reading

SECOND_US = 1_000_000
READINGS: Mapping[str, Reading] = {kind.name: Reading(kind) for kind in KINDS}
"""Every class of objects, by the collection's name."""

_ABOUT: Mapping[str, Mapping[str, str]] = {
    "discount": {"customer": "customer", "subscription": "subscription"},
    "fee_refund": {"fee": "application_fee"},
    "capability": {"account": "account"},
    "transfer_reversal": {"transfer": "transfer"},
    "invoice_payment": {"invoice": "invoice"},
}
"""Objects that are no collection, but part of others: member of the object to the collection that changed."""
_OF_PLATFORM = frozenset({"account", "person", "external_account"})
"""What a platform lists of its connected accounts; all else of theirs is not the platform's."""
_NO_OBJECT = frozenset({"invoice.upcoming"})
"""Types whose object does not exist yet, and has no id."""
_DELETED = ".deleted"


_NOTHING = msgspec.Raw(b"null")


class _Data(msgspec.Struct):
    object: msgspec.Raw = _NOTHING
    previous_attributes: msgspec.Raw = _NOTHING


class _Related(msgspec.Struct):
    id: str
    type: str


class Event(msgspec.Struct):
    """An event, as far as it matters here. `created` is text in thin events."""

    id: str
    type: str
    created: int | str | None = None
    api_version: str | None = None
    account: str | None = None
    livemode: bool = True
    data: _Data | None = None
    related_object: _Related | None = None

    @property
    def created_s(self) -> int:
        """When it happened, in whole seconds; 0 where it does not say so in seconds."""
        return self.created if isinstance(self.created, int) else 0


class _Object(msgspec.Struct):
    """What must be known of an event's object."""

    object: str = ""
    id: str | None = None
    customer: msgspec.Raw = _NOTHING
    account: msgspec.Raw = _NOTHING


class _Written(msgspec.Struct):
    """An object that was written out where its id could stand."""

    id: str | None = None


def read_event(raw: bytes) -> Event:
    """Decode an event. Raises: Reject (`item.unreadable`) for what is none."""
    try:
        if not raw.isascii():
            raw.decode("utf-8")  # the decoder does not look into what it skips
        return msgspec.json.decode(raw, type=Event)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Reject("It is not an event of Stripe.", code="item.unreadable") from error


def news_of(event: Event, account: str | None = None, *, late: bool = False) -> list[News]:
    """Return what an event says.

    `account`: the connected account that is synced; None for the key's own. `late`: younger news of the same
    object may have been taken in already, so it is only a hint.
    """
    if event.type in _NO_OBJECT:
        return []
    if event.related_object is not None:
        related = event.related_object
        kind = _kind(related.type.removeprefix("v2.core."), None)
        return [] if kind is None else [News(collection=kind.name, id=related.id)]
    if event.data is None:
        return []
    raw = bytes(event.data.object)
    found = _decoded(raw)
    if found is None or not found.id:
        return []
    owners = {"customer": _id_of(found.customer), "account": _id_of(found.account)}
    kind = _kind(found.object, owners)
    foreign = event.account is not None and event.account != account
    if kind is None:
        told = [] if foreign else _told(raw, found.object)
    elif foreign and kind.name not in _OF_PLATFORM:
        return []
    else:
        told = [_news(event, kind, raw, found.id, late=late or foreign)]
    return told


def _news(event: Event, kind: Kind, raw: bytes, id: str, *, late: bool) -> News:
    """Return the news of an object that is in a collection."""
    parent_id = _parent(event, kind, raw)
    upstream_id = f"{parent_id}{fetch.SCOPED}{id}" if kind.scoped and parent_id is not None else id
    observed: Observed | None = None
    if kind.deletes and event.type.endswith(_DELETED):
        observed = Observed(upstream_id, b"", b"", deleted=True)
    elif event.api_version == VERSION and not late and not is_cut_off(raw):
        observed = READINGS[kind.name].observed(jsonbytes.compact(raw), parent_id)
    return News(
        collection=kind.name,
        id=upstream_id,
        observed=observed,
        at_us=event.created_s * SECOND_US,
        exact_us=SECOND_US,
        parent_id=parent_id,
    )


def _parent(event: Event, kind: Kind, raw: bytes) -> str | None:
    """Return the id of an object's parent: also the one that it had before, as of a detached card."""
    if kind.owner is None:
        return None
    before = b"{}" if event.data is None else bytes(event.data.previous_attributes)
    for source in (raw, before):
        members = jsonbytes.members(source) if source[:1] == b"{" else {}
        if kind.owner in members and (found := _id_of(msgspec.Raw(members[kind.owner]))):
            return found
    return event.account if kind.owner == "account" else None


def _told(raw: bytes, object: str) -> list[News]:
    """Return hints of the objects that a part belongs to."""
    members = jsonbytes.members(raw)
    return [
        News(collection=collection, id=id)
        for member, collection in _ABOUT.get(object, {}).items()
        if member in members and (id := _id_of(msgspec.Raw(members[member])))
    ]


def _kind(object: str, owners: Mapping[str, str | None] | None) -> Kind | None:
    """Return the collection of objects called so; a card's is its owner's."""
    kinds: Sequence[Kind] = [kind for kind in KINDS if object in kind.objects]
    if len(kinds) > 1 or (kinds and kinds[0].scoped and owners is not None):
        kinds = [kind for kind in kinds if owners is not None and kind.owner and owners.get(kind.owner)]
    return kinds[0] if kinds else None


def _decoded(raw: bytes) -> _Object | None:
    try:
        return msgspec.json.decode(raw, type=_Object)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _id_of(raw: msgspec.Raw) -> str | None:
    """Return an id, also of an object that was written out in its place."""
    try:
        value = msgspec.json.decode(raw, type=str | _Written | None)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return value.id if isinstance(value, _Written) else value
