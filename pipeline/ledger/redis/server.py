"""A connection to Redis, what its failures mean, and whether it keeps what it is told."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    AuthenticationWrongNumberOfArgsError,
    AuthorizationError,
    ConnectionError,
    NoPermissionError,
    NoScriptError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TimeoutError,
)
from redis.retry import Retry

from pipeline.ledger import LedgerError, LedgerUnavailable
from pipeline.ledger.redis.uri import RedisAt

logger = logging.getLogger(__name__)

CONNECT_SECONDS = 5.0
# Above what the largest script takes on a busy machine, with an fsync.
ANSWER_SECONDS = 20.0

# What Redis says of what may pass: loading its file, a script that does not end, a disk that is
# full (MISCONF), a failover. https://redis.io/docs/latest/develop/reference/protocol-spec/
PASSING = (
    *("LOADING", "BUSY", "MISCONF", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "NOREPLICAS"),
    *("READONLY", "OOM"),
)
# ... of keys that another program has written to.
DAMAGE = ("WRONGTYPE", "hash value is not")


def connect(at: RedisAt) -> redis.Redis:
    """A client; it connects when it is first used, and any thread may use it."""
    return redis.Redis(
        host=at.host,
        port=at.port,
        db=at.db,
        username=at.username,
        password=at.password,
        ssl=at.tls,
        socket_connect_timeout=CONNECT_SECONDS,
        socket_timeout=ANSWER_SECONDS,
        # A script must not be sent twice without our knowing: the first may have been heard.
        retry=Retry(NoBackoff(), 0),
        client_name="article-pipeline",
    )


@contextlib.contextmanager
def told(at: RedisAt, remedy: str) -> Iterator[None]:
    """Failures of Redis, told as what they mean.

    Args:
        remedy: what helps where the ledger is damaged.

    Raises:
        LedgerUnavailable: it may pass.
        LedgerError: it will not.
    """
    try:
        yield
    except RedisError as error:
        raise _ledger_error(error, at, remedy) from error


def _ledger_error(error: RedisError, at: RedisAt, remedy: str) -> LedgerError:
    where, text = f"the ledger {at.shown}", str(error)
    if isinstance(error, AuthenticationError | AuthenticationWrongNumberOfArgsError) or (
        isinstance(error, AuthorizationError) or "NOAUTH" in text
    ):
        return LedgerError(
            f"{where} does not let us in ({text}): give user and password in --state, as in "
            "redis://USER:PASSWORD@HOST"
        )
    if isinstance(error, NoPermissionError):
        return LedgerError(
            f"{where} does not let this user do what a ledger needs ({text}): allow "
            "+@read +@write +@scripting +@connection and the keys of its prefix"
        )
    if isinstance(error, ConnectionError | TimeoutError | ReadOnlyError):
        return LedgerUnavailable(f"{where} cannot be used just now: {text}")
    # The client takes OOM off in front, or not, by its version.
    if isinstance(error, NoScriptError) or text.startswith(PASSING) or "'maxmemory'" in text:
        return LedgerUnavailable(f"{where} cannot be used just now: {text}")
    if any(part in text for part in DAMAGE):
        return LedgerError(f"{where} is damaged ({text}): {remedy}")
    return LedgerError(f"{where} failed: {text}")


def check_durable(client: redis.Redis, at: RedisAt) -> None:
    """Refuses a Redis that would forget what it was told.

    Raises:
        LedgerError: it writes no file, or throws keys away when memory is short.
    """
    try:
        settings = {
            **_setting(client, "appendonly"),
            **_setting(client, "appendfsync"),
            **_setting(client, "no-appendfsync-on-rewrite"),
            **_setting(client, "maxmemory-policy"),
        }
    except NoPermissionError as error:
        _warn_unknown(at, error)
        return
    except ResponseError as error:
        # Managed services have no CONFIG.
        if "unknown command" not in str(error).lower():
            raise
        _warn_unknown(at, error)
        return
    policy = settings.get("maxmemory-policy", "noeviction")
    if policy != "noeviction":
        raise LedgerError(
            f"the ledger {at.shown} throws keys away when memory is short (maxmemory-policy "
            f"{policy}), and a message of theirs would be written again: set "
            "`maxmemory-policy noeviction`, or give the ledger a Redis of its own"
        )
    if settings.get("appendonly") != "yes":
        if at.volatile:
            logger.warning(
                "the ledger %s is lost with its Redis, by ?volatile=allowed: what comes again "
                "then is written again",
                at.shown,
            )
            return
        raise LedgerError(
            f"the ledger {at.shown} keeps nothing on disk (appendonly no): set `appendonly yes` "
            "and `appendfsync always`, or add ?volatile=allowed to --state if it may be lost"
        )
    later = settings.get("no-appendfsync-on-rewrite") == "yes"
    if settings.get("appendfsync") != "always" or later:
        logger.warning(
            "the ledger %s is not on disk when it says so (appendfsync %s%s): where its machine "
            "fails, the last second is lost and runs end; set `appendfsync always`",
            *(at.shown, settings.get("appendfsync")),
            ", no-appendfsync-on-rewrite yes" if later else "",
        )


def _setting(client: redis.Redis, name: str) -> dict[str, str]:
    found: Any = client.config_get(name)
    return {_text(key): _text(value) for key, value in found.items()}


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _warn_unknown(at: RedisAt, error: RedisError) -> None:
    logger.warning(
        "whether the ledger %s keeps what it is told cannot be asked (%s): it must have appendonly "
        "yes, appendfsync always and maxmemory-policy noeviction",
        *(at.shown, error),
    )
