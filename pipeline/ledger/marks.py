"""Marks as they stand in the database: a letter for the kind, and a part of the digest."""

from __future__ import annotations

KINDS = {"id": b"i", "url": b"u", "content": b"c"}
KIND_NAMES = {prefix: kind for kind, prefix in KINDS.items()}
DIGEST_BYTES = 16
MARK_BYTES = 1 + DIGEST_BYTES


def mark_of(kind: str, digest: bytes) -> bytes:
    """The mark of a kind with this digest."""
    return KINDS[kind] + digest[:DIGEST_BYTES]
