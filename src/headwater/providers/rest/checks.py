"""Rules of a document that need more than one field. Each mistake is a place and a sentence; none stops the
others.
"""

from collections.abc import Iterator, Mapping

from headwater.providers.fetch import placeholders
from headwater.providers.rest.collection import CollectionPart, Deleted
from headwater.providers.rest.declare import Declared
from headwater.providers.rest.document import RestDocument
from headwater.providers.rest.paged import Ended, Paging
from headwater.providers.rest.readable import Readable
from headwater.providers.rest.sentences import nearest
from headwater.providers.rest.settings import defaults

Mistake = tuple[tuple[str | int, ...], str]
"""A place in the document, and what is wrong there."""


def mistakes(readable: Readable) -> Iterator[Mistake]:
    """Return the mistakes of a document, or of what can be read of it."""
    document = readable.document
    settings = {f"config.{name}" for name in readable.names("config")}
    if not readable.whole(("config",)) and not settings:
        settings = {"config.…"}
    yield from _address(("base_url",), document.base_url, settings)
    yield from _texts(("headers",), document.headers, settings)
    if document.check:
        yield from _address(("check", "path"), document.check.path, settings)
    if document.defaults.paging:
        yield from _paging(("defaults", "paging"), document.defaults.paging)
    for name, collection in document.collections.items():
        at = ("collections", name)
        yield from _collection(at, collection, readable, settings)
        yield from _parent(at, name, document, readable.names("collections"))


def _collection(
    at: tuple[str, ...], collection: CollectionPart, readable: Readable, settings: set[str]
) -> Iterator[Mistake]:
    def whole(*names: str) -> bool:
        return readable.whole(*((*at, name) for name in names))

    document = readable.document
    declared = Declared(document, collection, defaults(document))
    has_parent = collection.parent or not whole("parent")
    known = settings | ({"parent.…"} if has_parent else set[str]())
    yield from _address((*at, "path"), collection.path, known)
    yield from _texts((*at, "params"), collection.params, known)
    yield from _texts((*at, "headers"), collection.headers, known)
    addressed = (collection.path, *collection.params.values())
    if collection.parent and whole("path", "params") and not any("parent." in text for text in addressed):
        yield (
            (*at, "parent"),
            "is not used: neither path nor params have a {parent.…}, so all parents read the same list",
        )
    if collection.id_scope == "parent" and not has_parent:
        yield (*at, "id_scope"), "is parent, but the collection has none"
    if collection.paging:
        yield from _paging((*at, "paging"), collection.paging)
    times_read = whole("updated_at") and readable.whole(("defaults", "updated_at"))
    if collection.since and times_read and not declared.updated_at:
        yield (*at, "since"), "needs updated_at: without it nobody knows from where to ask on"
    if collection.since and "{value}" not in collection.since.template:
        yield (*at, "since", "template"), "has no {value}"
    if collection.poll.shortest > collection.poll.longest:
        yield (*at, "poll", "shortest"), "is longer than the longest wait"
    if readable.whole(at, ("defaults",)):
        yield from _paths(at, declared)
    if collection.one:
        one = (*at, "one")
        yield from _address((*one, "path"), collection.one.path, known | {"id"})
        yield from _texts((*one, "params"), collection.one.params, known | {"id"})
        addressed = (collection.one.path, *collection.one.params.values())
        if whole("one") and not any("{id}" in text for text in addressed):
            yield (*one, "path"), "has no {id}, so every object has the same address"
    if collection.ids:
        yield from _address((*at, "ids", "path"), collection.ids.path, known)
        yield from _texts((*at, "ids", "params"), collection.ids.params, known)
        if collection.ids.paging:
            yield from _paging((*at, "ids", "paging"), collection.ids.paging)
    if collection.deleted:
        yield from _deleted((*at, "deleted"), collection.deleted, known, whole=whole("deleted"))


def _deleted(at: tuple[str, ...], deleted: Deleted, known: set[str], *, whole: bool) -> Iterator[Mistake]:
    if whole and not deleted.field and not deleted.list:
        yield at, "needs a field or a list"
    if whole and deleted.equals is not None and not deleted.field:
        yield (*at, "equals"), "has no field to compare with"
    if deleted.list:
        inner = (*at, "list")
        yield from _address((*inner, "path"), deleted.list.path, known)
        yield from _texts((*inner, "params"), deleted.list.params, known)
        if deleted.list.paging:
            yield from _paging((*inner, "paging"), deleted.list.paging)
        if whole and deleted.list.since and not deleted.list.deleted_at:
            yield (*inner, "since"), "needs deleted_at: without it nobody knows from where to ask on"


def _parent(at: tuple[str, ...], name: str, document: RestDocument, names: set[str]) -> Iterator[Mistake]:
    parent = document.collections[name].parent
    if parent is None:
        return
    if parent not in names:
        yield (*at, "parent"), f"names no collection of this document; {nearest(parent, sorted(names))}"
    line = [name]
    while parent is not None and parent in document.collections:
        line.append(parent)
        if parent == name:
            yield (*at, "parent"), f"goes round in a circle: {' below '.join(line)}"
            return
        if parent in line[:-1]:
            return  # a circle further up, told at those in it
        parent = document.collections[parent].parent


def _paging(at: tuple[str, ...], paging: Paging) -> Iterator[Mistake]:
    if isinstance(paging, Ended) and paging.more and paging.done:
        yield (*at, "done"), "cannot be told beside more: one member says where the end is"


def _paths(at: tuple[str, ...], declared: Declared) -> Iterator[Mistake]:
    """Try the paths together: one may lead through another's end, or nothing may be around the items."""
    for where, attempt in declared.trials():
        try:
            attempt()
        except ValueError as error:
            yield (*at, *where), str(error)


def _address(at: tuple[str | int, ...], template: str, known: set[str]) -> Iterator[Mistake]:
    for name in placeholders(template):
        family, dot, member = name.partition(".")
        if name in known or (member and f"{family}{dot}…" in known):
            continue
        hint = "the collection has no parent" if name.startswith("parent.") else nearest(name, sorted(known))
        yield at, f"has an unknown placeholder {{{name}}}; {hint}"
    if template.replace("{value}", "").count("{") != template.count("}"):
        yield at, "has a brace without its partner"


def _texts(at: tuple[str, ...], texts: Mapping[str, str], known: set[str]) -> Iterator[Mistake]:
    for name, template in texts.items():
        yield from _address((*at, name), template, known)
