"""Who is asking: the scopes and the tenant of an API key."""

from dataclasses import dataclass
from enum import StrEnum

from headwater.errors import Forbidden


class Permission(StrEnum):
    """What an API key may do. `admin` includes the other two."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """An API key in use. `external_id` not None: only this tenant's objects exist for it (P12)."""

    key_id: str
    permissions: frozenset[Permission]
    external_id: str | None = None

    def require(self, permission: Permission) -> None:
        """Raise Forbidden unless the key has the permission."""
        if permission not in self.permissions and Permission.ADMIN not in self.permissions:
            how = f"headwater key create --scope {permission}"
            raise Forbidden(
                f"This API key lacks the {permission} scope.",
                fix=f"Use a key with the {permission} scope, or make one: {how}.",
            )
