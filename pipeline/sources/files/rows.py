"""Rows of tables as JSON objects, so that decode reads them like any other."""

from __future__ import annotations

import base64
import datetime as dt
import decimal
import json
import math
import uuid
from collections.abc import Mapping
from typing import Any

from pipeline.sources.files.entries import Broken

# Deeper ones are refused by decode, whose bound is 64; this keeps Python from recursing endlessly.
MAX_DEPTH = 100


def to_json(row: Mapping[str, Any], most: int) -> bytes:
    """The JSON object of a row, in UTF-8.

    Dates and times become ISO 8601, decimals and UUIDs text, bytes the text that they are in UTF-8,
    or else base64. What JSON has no value for (NaN) is null.

    Args:
        most: bytes of it.

    Raises:
        Broken: too_large, or bad_row where a value is of no known type or nested too deeply.
    """
    try:
        text = json.dumps(_plain(row, MAX_DEPTH), ensure_ascii=False, separators=(",", ":"))
        data = text.encode("utf-8")
    except UnicodeEncodeError:
        raise Broken("bad_encoding", "the row has a text with half a character") from None
    if len(data) > most:
        raise Broken("too_large", f"the row has more than --max_message_bytes={most} as JSON")
    return data


def _plain(value: Any, depth: int) -> Any:
    if value is None or isinstance(value, str | bool | int):
        return value
    if depth == 0:
        raise Broken("bad_row", f"a value is nested more than {MAX_DEPTH} deep")
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(name): _plain(inner, depth - 1) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner, depth - 1) for inner in value]
    if isinstance(value, bytes | bytearray | memoryview):
        return _text(bytes(value))
    if isinstance(value, dt.datetime | dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, dt.timedelta):
        return value.total_seconds()
    if isinstance(value, decimal.Decimal | uuid.UUID):
        return str(value)
    raise Broken("bad_row", f"a value is of the type {type(value).__name__}")


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return base64.b64encode(data).decode("ascii")
