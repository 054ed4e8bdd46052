"""What the driver's errors mean: wait, or call a person. Pure; the only texts used are those of a table here.

The server's own words may repeat what was sent, and the driver's may quote whole commands, so neither is
shown nor kept as the cause, except for lost connections (P8).
"""

import ssl
from collections.abc import Generator
from contextlib import contextmanager

import redis.exceptions as driver

from headwater.errors import Halt, HeadwaterError, Retry


@contextmanager
def mapped_errors() -> Generator[None]:
    """Turn the driver's errors into ours."""
    try:
        yield
    except (driver.ConnectionError, driver.TimeoutError, OSError) as error:
        raise meaning(error) from error
    except (driver.RedisError, driver.RedisClusterException) as error:
        raise meaning(error) from None  # P8: may quote what was sent


def meaning(error: BaseException) -> HeadwaterError:
    """Return what an error of the driver, or an answer that is an error, asks for."""
    if isinstance(error, driver.RedisClusterException) and (behind := error.__cause__ or error.__context__):
        return meaning(behind)  # no node could be asked, for this reason
    for kinds, made in _BY_CLASS:
        if isinstance(error, kinds):
            return made(error)
    return _by_word(error)


def _unreachable(error: BaseException) -> HeadwaterError:
    if "max number of clients" in str(error):
        return _busy(error)
    if _is_tls(error):
        return Retry(
            "There is no safe connection to Redis.",
            code="target.certificate",
            fix="Look at the certificate; where a private authority signed it, give that one's as ca.",
            context=_context(error),
        )
    return Retry(
        "Redis cannot be reached, or the connection was lost.",
        code="target.unreachable",
        fix="Check that the server runs, and the host, the port and rediss:// in the target's URL.",
        context=_context(error),
    )


def _timeout(error: BaseException) -> HeadwaterError:
    return Retry(
        "Redis did not answer in time.",
        code="target.timeout",
        fix="Look at how busy the server is and at the network between; or raise the target's timeout.",
        context=_context(error),
    )


def _credentials(error: BaseException) -> HeadwaterError:
    return Halt(
        "Redis refuses user or password.",
        code="target.refused",
        fix="Give the target a URL with the right user and password.",
        context=_context(error),
    )


def _forbidden(error: BaseException) -> HeadwaterError:
    return Halt(
        "Redis does not let this user do what a target needs.",
        code="target.forbidden",
        fix="Give the user the rights that docs/targets/redis.md lists, on keys that begin with the prefix.",
        context=_context(error),
    )


def _full(error: BaseException) -> HeadwaterError:
    return Halt(
        "Redis is full: it has reached its `maxmemory`.",
        code="target.full",
        fix="Give the server more memory, remove keys, or lower the target's max_events or ttl.",
        context=_context(error),
    )


def _disk(error: BaseException) -> HeadwaterError:
    return Halt(
        "Redis cannot save its data to disk, and takes no writes meanwhile.",
        code="target.full",
        fix="Look at the server's log and at its disk.",
        context=_context(error),
    )


def _busy(error: BaseException) -> HeadwaterError:
    return Retry(
        "Redis takes no writes just now: it loads its data, changes roles, moves slots or is busy.",
        code="target.busy",
        fix="Wait. If it stays, check that the URL names a primary, not a replica, and look at the cluster.",
        context=_context(error),
    )


def _wrong_mode(error: BaseException) -> HeadwaterError:
    return Halt(
        "Redis is not of the kind that the target's setting `cluster` says.",
        code="target.unusable",
        fix="Set `cluster` to true for a Redis Cluster, to false for a single server.",
        context=_context(error),
    )


def _wrong_type(error: BaseException) -> HeadwaterError:
    return Halt(
        "A key that the target needs holds something of another type.",
        code="target.unusable",
        fix="Give the target a prefix of its own, or remove the keys that others wrote under it.",
        context=_context(error),
    )


def _wrong_database(error: BaseException) -> HeadwaterError:
    return Halt(
        "Redis has no database of this number.",
        code="target.unusable",
        fix="Correct the number at the end of the URL; servers have 0 to 15 unless set otherwise.",
        context=_context(error),
    )


def _too_large(error: BaseException) -> HeadwaterError:
    return Halt(
        "A record or event is larger than this server takes.",
        code="target.unusable",
        fix="Lower the target's max_value_bytes to the server's `proto-max-bulk-len`, or raise that one.",
        context=_context(error),
    )


def _other(error: BaseException) -> HeadwaterError:
    return Halt(
        "Redis refuses what a target needs to do.",
        code="target.unusable",
        fix="Check that it is a Redis 5 or later that allows scripts and streams, and the target's settings.",
        context=_context(error),
    )


_BY_CLASS = (
    # What is a connection error to the driver but says more comes first.
    (
        (
            driver.AuthenticationError,
            driver.AuthenticationWrongNumberOfArgsError,
            driver.AuthorizationError,
            driver.ExternalAuthProviderError,
        ),
        _credentials,
    ),
    (driver.NoPermissionError, _forbidden),
    (driver.OutOfMemoryError, _full),
    ((driver.MovedError, driver.ClusterCrossSlotError), _wrong_mode),
    (
        (
            driver.BusyLoadingError,
            driver.ReadOnlyError,
            driver.MasterDownError,
            driver.ClusterDownError,
            driver.SlotNotCoveredError,
            driver.TryAgainError,
            driver.AskError,
            driver.NoScriptError,  # it was loaded a moment ago: someone flushes, or a node took over
        ),
        _busy,
    ),
    ((driver.TimeoutError, TimeoutError), _timeout),
    ((driver.ConnectionError, driver.InvalidResponse, OSError), _unreachable),
)

_BY_WORD = (
    ("BUSY", _busy),
    ("NOREPLICAS", _busy),
    ("MISCONF", _disk),
    ("OOM", _full),
    ("NOPERM", _forbidden),
    ("WRONGPASS", _credentials),
    ("NOAUTH", _credentials),
    ("WRONGTYPE", _wrong_type),
    ("DB index", _wrong_database),
    ("invalid bulk length", _too_large),
    ("Cluster mode is not enabled", _wrong_mode),
    ("TTL exhausted", _busy),  # a cluster that keeps moving slots: the driver has followed long enough
)
"""What answers and errors without a class of their own say."""


def _by_word(error: BaseException) -> HeadwaterError:
    said = str(error)[:200]  # an answer says what is wrong first; what was sent comes after that
    for word, made in _BY_WORD:
        if word in said:
            return made(error)
    return _other(error)


def _is_tls(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLError) or "CERTIFICATE_VERIFY_FAILED" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def _context(error: BaseException) -> dict[str, str]:
    return {"error": type(error).__name__}
