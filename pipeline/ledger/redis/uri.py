"""Where a Redis ledger is: `redis://[USER:PASSWORD@]HOST[:PORT][/DB][?prefix=NAME]`.

`rediss://` is the same over TLS. The password is for Redis alone: what is shown to anyone is
`RedisAt.shown`.
"""

from __future__ import annotations

import importlib.util
import re
from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote, urlsplit

from pipeline.errors import UsageError

SCHEMES = ("redis", "rediss")
PORT = 6379
# What may stand in a prefix: braces would name another hash slot, stars are patterns to SCAN.
PREFIX = re.compile(r"[A-Za-z0-9._:-]{1,100}")


@dataclass(frozen=True)
class RedisAt:
    """What a URI says.

    Args:
        prefix: in front of every key; None for one that the output has to itself.
        volatile: whether a Redis will do that keeps nothing on disk.
    """

    host: str
    port: int = PORT
    db: int = 0
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: bool = False
    prefix: str | None = None
    volatile: bool = False

    @property
    def shown(self) -> str:
        """The URI without user and password."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        query = "&".join(
            [f"prefix={self.prefix}"] * (self.prefix is not None)
            + ["volatile=allowed"] * self.volatile
        )
        scheme = SCHEMES[self.tls]
        return f"{scheme}://{host}:{self.port}/{self.db}{'?' if query else ''}{query}"


def is_redis(uri: str) -> bool:
    return uri.startswith(("redis://", "rediss://"))


def parse(uri: str) -> RedisAt:
    """What `uri` says. The message of an error shows no part that could be a password.

    Raises:
        UsageError: it is none, or the client for Redis is not installed.
    """
    if importlib.util.find_spec("redis") is None:
        raise UsageError(
            "--state redis://… needs a client: `pip install 'article-pipeline[redis]'`"
        )
    try:
        parts = urlsplit(uri)
        query = parse_qs(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
        host, port = parts.hostname, parts.port
        db = parts.path.strip("/")
        if not host or parts.fragment or not (db.isascii() and (db.isdecimal() or not db)):
            raise ValueError
        prefix = _one(query, "prefix")
        volatile = _one(query, "volatile")
        if query or volatile not in (None, "allowed"):
            raise ValueError
    except ValueError:
        # Without what led here: it would show the URI.
        raise UsageError(
            "--state redis://… is not of the form redis://[USER:PASSWORD@]HOST[:PORT][/DB]"
            "[?prefix=NAME][&volatile=allowed]; what has a special meaning in a URL is written "
            "as %XX in a password"
        ) from None
    if prefix is not None and not PREFIX.fullmatch(prefix):
        raise UsageError(
            f"--state redis://…?prefix={prefix!r}: a prefix is of letters, digits and ._:-"
        )
    return RedisAt(
        host,
        PORT if port is None else port,
        int(db or 0),
        unquote(parts.username) if parts.username else None,
        unquote(parts.password) if parts.password else None,
        parts.scheme == "rediss",
        prefix,
        volatile == "allowed",
    )


def _one(query: dict[str, list[str]], name: str) -> str | None:
    values = query.pop(name, [])
    if len(values) > 1:
        raise ValueError
    return values[0] if values else None
