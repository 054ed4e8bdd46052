"""Made-up kinds of target for tests, in memory: what was written, and how they fail."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import BaseModel, Field

from headwater.errors import HeadwaterError
from headwater.model.position import Stream
from headwater.model.secret import Secret
from headwater.targets.target import Delivery, Item, Kind, Mark, TargetSettings, Written


class Door(BaseModel):
    """How to get in."""

    model_config = {"extra": "forbid"}

    user: str
    password: Secret


class DepotSettings(TargetSettings):
    """Settings of a depot."""

    url: Secret
    """Where it is: `depot://host/place`."""
    shelf: Annotated[str, Field(min_length=1)] = "records"
    """First part of every name."""
    doors: Annotated[list[Door], Field(default_factory=list)]
    """Ways in, the first that opens is taken."""
    level: int = 0
    """How high, in metres."""
    cellar: bool = False
    """Whether it may be below the ground, where tenants have no business."""


class LedgerSettings(TargetSettings):
    """Settings of a ledger."""

    path: str
    """Where it lies."""


@dataclass
class Depots:
    """Every depot there is."""

    failure: HeadwaterError | None = None
    """What a check raises."""
    checked: list[Any] = field(default_factory=list[Any])
    """Settings that were tried."""
    silent: bool = False
    """Whether a check is never answered."""
    closed: int = 0

    def open(self, settings: Any, _delivery: Delivery | None) -> "Depot":
        """Make one."""
        return Depot(self, settings)

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The kinds, as a table has them."""
        return (
            Kind(
                name="depot",
                title="Depot",
                summary="Keeps everything on shelves.",
                settings=DepotSettings,
                open=self.open,
                schemes=("depot",),
                guarantee="at least once",
                setup=lambda settings: f"BUILD {settings.shelf};\nPAINT {settings.shelf};",
                reserved=frozenset({"cellar"}),
            ),
            Kind(
                name="ledger",
                title="Ledger",
                summary="Keeps events in a book.",
                settings=LedgerSettings,
                open=self.open,
                schemes=("ledger",),
                from_url=lambda url: {"path": url.partition("://")[2]},
                driver="headwater_no_such_driver",
                streams=frozenset({Stream.EVENTS}),
            ),
        )


class Depot:
    """An open depot."""

    transactional = False

    def __init__(self, depots: Depots, settings: Any) -> None:
        """Open it."""
        self._depots, self._settings = depots, settings

    async def check(self) -> None:
        """Fail as the test says."""
        self._depots.checked.append(self._settings)
        if self._depots.silent:
            await asyncio.Event().wait()
        if self._depots.failure is not None:
            raise self._depots.failure

    async def write(self, batch: Sequence[Item], mark: Mark) -> Written:
        """Take everything."""
        return Written(len(batch))

    async def close(self) -> None:
        """Count."""
        self._depots.closed += 1
