"""What a provider is: a value that names an API's collections and the functions that fetch them.

`syncs` calls these functions and nothing else of a provider. A collection that is regular gets its functions
from `fetch` (out of a declaration: path, paging, fields); an irregular one brings its own. They fetch; they
know nothing of streams.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from headwater.errors import Reject
from headwater.kit.budget import Bucket
from headwater.kit.http import Http, Registrar
from headwater.model.record import Observed
from headwater.providers.oauth import OAuth2

JSON = Any
"""A JSON value of a checkpoint or of settings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One answer of an API, cut into objects.

    `asked_us` is when its request was sent, in the API's clock (its `Date` header) where it gives one.
    `resume` lets a reader go on after this page: JSON, stored as it is. None says that this page ends the
    reading, which only the API itself may say: an iterator that stops without such a page is an error.

    """

    observed: Sequence[Observed]
    asked_us: int
    resume: JSON | None = None
    rejected: Sequence[Reject] = ()
    estimated_total: int | None = None
    """How many objects the API says there are in all, where it does."""
    unchanged: bool = False
    """The API answered that nothing has changed since it was last asked (304)."""
    validators: Mapping[str, str] | None = None
    """`ETag` and `Last-Modified` of the answer, by header name, to ask conditionally the next time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The parent record below which a collection is read, for collections that are read per parent.

    `id` is the parent's upstream id, `data` its object as JSON bytes.
    """

    id: str
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Since:
    """From where changes are asked for: everything whose update time is `updated_us` or later.

    `updated_us` None asks for everything. `validators` are those of the last answer to the same question.
    """

    updated_us: int | None = None
    validators: Mapping[str, str] | None = None


ReadAll = Callable[[Http, Scope | None, JSON | None], AsyncIterator[Page]]
"""`(http, scope, resume)`: every object, page by page, from the start or after the page that gave `resume`.

Raises: Retry (a failed page; the pages before it count), Halt (401, 403), Reject never.
"""

ReadSince = Callable[[Http, Scope | None, Since, JSON | None], AsyncIterator[Page]]
"""`(http, scope, since, resume)`: every object that has changed since, page by page."""

ReadOne = Callable[[Http, Scope | None, str], Awaitable[Page]]
"""`(http, scope, upstream_id)`: the object in its canonical shape as a page of one.

An object that is gone (404, 410) is a page with one `Observed` that is `deleted` and has an empty `raw`.
"""


ReadMany = Callable[[Http, Scope | None, Sequence[str]], Awaitable[Page]]
"""`(http, scope, upstream_ids)`: objects in their canonical shape; those that are gone are `deleted`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What a feed or a push says of one object.

    `observed` is the object in its collection's canonical shape, or its deletion. Without it the news is a
    hint: the object is fetched. It is fetched too where the streams may know something newer: where the
    object has no version of its own, and was asked for at `at_us` or later.
    """

    collection: str
    id: str
    observed: Observed | None = None
    at_us: int | None = None
    """When the object was as `observed` shows it, in the API's clock; None: when the page was asked for."""
    exact_us: int = 1
    """How exact `at_us` is: it may have been so much later (whole seconds: 1,000,000)."""
    parent_id: str | None = None
    """Upstream id of the parent record, where the collection is read per parent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedPage:
    """A part of a feed, oldest news first.

    `position` goes on after it: a JSON object whose `at` is the instant (µs) up to which the feed is known
    to be read whole. `more`: the feed goes on at once.
    """

    news: Sequence[News]
    asked_us: int
    position: Mapping[str, JSON]
    more: bool = False


ReadFeed = Callable[[Http, "Mapping[str, JSON] | None"], AsyncIterator[FeedPage]]
"""`(http, position)`: what the feed has after a position, to its end. Without one: a page with no news, whose
position is now.

Reads a trailing window again where the feed is late or out of order. Raises: Retry, Halt, and Gone when the
position is older than the feed reaches: then the collections must be listed anew.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """An API's own feed of changes, for all collections that are `fed`."""

    read: ReadFeed
    reaches: timedelta
    """How far back the API keeps it; a sync that is nearly as far behind says so in its health."""
    poll_every: tuple[timedelta, timedelta] = (timedelta(seconds=1), timedelta(seconds=10))


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """A webhook's request, understood. `delivery_id`: the same when the API sends it again.

    `account` is the upstream account that it speaks of, by which pushes to an app find their sync.
    """

    delivery_id: str
    topic: str
    news: Sequence[News] = ()
    account: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A webhook's request as it came. Header names are in lower case."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    received_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """What telling an API where to push came to.

    `kept` is JSON that is stored, and passed to `unregister`; it holds no secret. `secret` is what the API
    will sign with, where it makes that up itself.
    """

    kept: JSON
    secret: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """How an API pushes.

    `verify(received, secrets)` raises Refused `webhook.signature` unless one of the secrets made the
    signature, and it is fresh. `read(received)` is called only after that; it raises Reject for a body that
    it cannot read. Both are pure.
    """

    verify: Callable[[Received, Sequence[str]], None]
    read: Callable[[Received], Push]
    register: "Callable[[Registrar, str, str], Awaitable[Registered]] | None" = None
    """`(http, url, secret)`: have the API push there, signed with that secret where it takes one. None where
    only a person can."""
    unregister: "Callable[[Registrar, JSON], Awaitable[None]] | None" = None
    """`(http, kept)`: have it push there no more. One that is gone already is no error."""
    redeliver: "Callable[[Registrar, JSON, int], Awaitable[int]] | None" = None
    """`(http, kept, since_us)`: have it send again what it could not deliver since then; returns how many."""
    instructions: str = ""
    """What a person pastes where, in Markdown, with `{url}` and `{secret}`."""
    tolerance: timedelta = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """A class of objects of an API: how it is read and how its changes and deletes are seen."""

    name: str
    """Singular snake_case, without the provider."""
    description: str = ""
    read_all: ReadAll
    read_since: ReadSince | None = None
    """Where the API can filter by update time. Else every look reads the whole list."""
    read_removed: ReadSince | None = None
    """Where the API lists what was deleted: pages of `Observed` that are `deleted`."""
    read_one: ReadOne | None = None
    read_many: ReadMany | None = None
    """Where the API reads several objects by id in one request."""
    read_ids: ReadAll | None = None
    """A cheaper listing for sweeps, whose `Observed` carry ids and an empty `raw`. Default: `read_all`."""
    parent: str | None = None
    """Name of the collection whose records it is read below."""
    reads_whole: bool = False
    """`read_since` takes no time: it reads the whole list, and says when nothing has changed (304)."""
    since_in_order: bool = False
    """`read_since` gives objects by ascending update time, so that each page moves the checkpoint."""
    fed: bool = False
    """The provider's feed tells of every change: the list is read for backfills and sweeps only. With
    `read_since`, it is looked at for what the feed does not tell, too."""
    by_default: bool = True
    """A sync that names no collections has it. Not what few accounts have, or what costs many requests."""
    sees_deletes: bool = False
    """Deletes show as tombstones in `read_since` or `read_removed`; a sweep is then only a safety net."""
    updated_at_source: str = "upstream"
    """`upstream`, or `observed` where the API's objects have no update time."""
    overlap: timedelta = timedelta(seconds=10)
    """How far behind the last update time changes are read again: covers rows that become visible late."""
    poll_every: tuple[timedelta, timedelta] = (timedelta(seconds=1), timedelta(seconds=30))
    """The shortest and the longest wait between two looks while the collection is synced continuously."""
    sweep_every: timedelta = timedelta(hours=1)
    nested_fields: str | None = None
    """Name of the member one level down in which the API keeps an object's fields (`properties`)."""
    volatile: frozenset[str] = frozenset()
    """Top-level members that change at every read: stored, but no change by themselves."""
    fields: Mapping[str, JSON] = field(default_factory=dict[str, JSON])
    """JSON Schema of the object's members, where known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialKind:
    """One way to authenticate. `schema` is the JSON Schema of its properties; `secret` names those that are
    masked."""

    name: str
    schema: Mapping[str, JSON]
    secret: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """An API.

    It is opened by `kit.http.Client` with its base URL and what `authorize` makes of a credential; a sync
    first takes `configured(config)`.
    """

    name: str
    title: str
    docs_url: str | None = None
    base_url: str
    authorize: Callable[[str, Mapping[str, JSON]], Any]
    """`(credential kind, properties)` -> a `kit.http.Authorizer`."""
    credential_kinds: tuple[CredentialKind, ...]
    budget: tuple[Bucket, ...]
    """The default share of the API's quota that is taken."""
    collections: tuple[Collection, ...]
    check: Callable[[Http], Awaitable[str | None]] | None = None
    """Try a credential: returns the upstream account's name where the API tells. Raises: Halt, Retry."""
    oauth: OAuth2 | None = None
    """How users' accounts are linked; then there is a credential kind `oauth2`, of which `authorize` makes a
    plain bearer: the token is kept fresh elsewhere (`tokens`)."""
    feed: Feed | None = None
    webhook: Webhook | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    config_schema: Mapping[str, JSON] = field(default_factory=dict[str, JSON])
    version: int = 1
    """Of a `rest` document: counted up each time it is stored."""
    configure: "Callable[[Mapping[str, JSON]], Provider] | None" = None
    """Where addresses depend on a sync's `config`: returns this provider with it filled in."""
    for_credential: "Callable[[Provider, str, Mapping[str, JSON]], Provider] | None" = None
    """Where address, limits or account depend on the credential: `(provider, kind, properties)`, returns the
    provider as it is for one."""

    def opened(self, kind: str, properties: Mapping[str, JSON]) -> "Provider":
        """Return this provider as it is for a credential."""
        return self.for_credential(self, kind, properties) if self.for_credential else self

    def configured(self, config: Mapping[str, JSON]) -> "Provider":
        """Return this provider for a sync of this config. Raises: Invalid when a needed value is missing."""
        return self.configure(config) if self.configure else self

    def base_url_for(self, config: Mapping[str, JSON]) -> str:
        """Return the base URL for a sync of this config. Raises: Invalid when a needed value is missing."""
        return self.configured(config).base_url

    def collection(self, name: str) -> Collection | None:
        """Return the collection of this name (without the provider's)."""
        return next((c for c in self.collections if c.name == name), None)
