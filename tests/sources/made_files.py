"""Files of every kind, made in memory, and reading them."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.sources.files import Entry, InputFile, ReadOptions, find_files, read_file

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "": lambda data: data,
    ".gz": lambda data: gzip.compress(data, mtime=0),
    ".zst": zstd.compress,
    ".bz2": bz2.compress,
}

ROWS: list[dict[str, Any]] = [
    {
        "title": f"Headline {n}",
        "body": f"Text of article {n}, with a café.",
        "url": f"http://x.org/{n}",
    }
    for n in range(3)
]

SCHEMA = {
    "type": "record",
    "name": "Row",
    "fields": [{"name": name, "type": "string"} for name in ("title", "body", "url")],
}

PAGE = "<!doctype html><html><head><title>Héadline</title></head><body><p>Text.</p></body></html>"


def jsonl(rows: Sequence[dict[str, Any]] = ROWS) -> bytes:
    return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)


def csv(rows: Sequence[dict[str, Any]] = ROWS, delimiter: str = ",") -> bytes:
    lines = [delimiter.join(rows[0])]
    lines += [delimiter.join(f'"{value}"' for value in row.values()) for row in rows]
    return "".join(line + "\r\n" for line in lines).encode()


def avro(
    rows: Sequence[dict[str, Any]] = ROWS,
    schema: Any = SCHEMA,
    codec: str = "null",
    **settings: Any,
) -> bytes:
    file = io.BytesIO()
    fastavro.writer(file, schema, rows, codec=codec, sync_marker=b"0123456789abcdef", **settings)
    return file.getvalue()


def parquet(rows: Sequence[dict[str, Any]] = ROWS, **settings: Any) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(list(rows)), file, **settings)
    return file.getvalue()


def record(
    content: bytes = b"",
    kind: str = "response",
    uri: str = "http://x.org/page",
    length: int | None = None,
    content_type: str = "application/http; msgtype=response",
) -> bytes:
    """A record of a WARC file."""
    header = (
        f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Target-URI: {uri}\r\n"
        "WARC-Date: 2026-11-24T12:00:00Z\r\nWARC-Record-ID: <urn:uuid:1>\r\n"
        f"Content-Type: {content_type}\r\n"
        f"Content-Length: {len(content) if length is None else length}\r\n\r\n"
    )
    return header.encode() + content + b"\r\n\r\n"


def response(body: bytes, *headers: str, status: str = "200 OK", html: str = "text/html") -> bytes:
    """An HTTP response."""
    head = [f"HTTP/1.1 {status}", f"Content-Type: {html}", *headers]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def warc() -> bytes:
    """Three pages, and around them what is no page."""
    return b"".join(
        [
            record(b"software: tests\r\n", kind="warcinfo"),
            record(b"GET / HTTP/1.1\r\n\r\n", kind="request"),
            *(record(response(f"{PAGE}{n}".encode()), uri=f"http://x.org/{n}") for n in range(3)),
            record(b"", kind="revisit"),
        ]
    )


GOOD: dict[str, bytes] = {
    "jsonl": jsonl(),
    "json": json.dumps(ROWS[0]).encode(),
    "text": b" date 2025-01-21 Some text.\n\nMore of it.\n",
    "html": PAGE.encode(),
    "warc": warc(),
    "avro": avro(sync_interval=1),
    "parquet": parquet(),
    "csv": csv(),
    "tsv": csv(delimiter="\t"),
}
"""A good file of each kind: of three entries, or of one where it is a document."""

ENDING = {"text": "txt"}


def stored(folder: Path, name: str, data: bytes) -> InputFile:
    """The file, written and found by the ending of its name."""
    path = folder / name
    path.write_bytes(data)
    (found,) = find_files([str(path)])
    return found


def entries(file: InputFile, **options: Any) -> list[Entry]:
    return list(read_file(file, ReadOptions(**options)))


def problems(found: Sequence[Entry]) -> list[str]:
    return [entry.problem.error_type for entry in found if entry.problem is not None]


def payloads(found: Sequence[Entry]) -> list[bytes]:
    return [entry.message.data for entry in found if entry.problem is None]


def objects(found: Sequence[Entry]) -> list[Any]:
    return [json.loads(data) for data in payloads(found)]
