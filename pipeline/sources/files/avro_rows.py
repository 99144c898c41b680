"""Avro: rows of any schema as JSON objects, and the records of our own outputs as what they are."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from typing import Any

import fastavro

import pipeline.schemas as schemas
from pipeline.records import Article, DeadLetter, Message, from_avro
from pipeline.sources.files.avro_frame import Block, Header, Marked, read_block, read_header
from pipeline.sources.files.entries import JSON, KEPT_BYTES, Broken, Entry, Maker, ReadOptions
from pipeline.sources.files.expanding import expand_block
from pipeline.sources.files.lines import too_long
from pipeline.sources.files.opening import Stored
from pipeline.sources.files.rows import to_json

NAMESPACE = "article_pipeline"
# What an article that is read as a message again says anew.
_COMPUTED = ("entities", "tags", "near_duplicate", "processing", "language", "attributes")
# They say what the payload was, which is JSON now.
_OF_THE_PAYLOAD = ("content_type", "content_encoding")

Convert = Callable[[str, dict[str, Any], int], Entry | None]

_LOG = logging.getLogger(__name__)


def read_avro(stored: Stored, maker: Maker, options: ReadOptions) -> Iterator[Entry]:
    """One entry for each record; for a block that cannot be read, one for the whole of it.

    A record of our own dead_letters/ gives the message it holds, with the attribute
    `replayed_from`, where it is one of `options.letters`; one of our own articles/ carries its
    article.
    """
    file = Marked(stored.data)
    if not stored.data.peek(1) and stored.failure is None:
        return
    try:
        header = read_header(file, options.max_columns)
        rows = _Rows(header, maker, options)
    except Exception as error:  # noqa: BLE001 - becomes an entry, whatever a schema made a library do
        if maker.mine():
            yield _broken_file(maker, stored, "the header", error)
        return
    number = blocks = 0
    while True:
        try:
            block = read_block(file, header, options.max_block_bytes)
        except Broken as error:
            if maker.mine():
                yield _broken_file(
                    maker, stored, f"block {blocks + 1} (from record {number + 1})", error
                )
            if stored.failure is not None or not file.go_behind(header.sync):
                return
            blocks += 1
            continue
        if block is None:
            break
        blocks += 1
        number = yield from rows.of(block, blocks, number, stored)
    if rows.left_out:
        _LOG.info(
            "%d dead letters of %s left out: replayed before, or not asked for",
            *(rows.left_out, stored.path),
        )
    if stored.failure is not None and maker.mine():
        where = f"block {blocks + 1} (from record {number + 1})"
        yield maker.failed(where, b"", stored.failure, stored.position)


def _broken_file(maker: Maker, stored: Stored, where: str, error: Exception) -> Entry:
    """Why the store ended counts for more than that the data did."""
    if stored.failure is not None:
        return maker.failed(where, b"", stored.failure, stored.position)
    error_type = error.error_type if isinstance(error, Broken) else "unreadable_file"
    return maker.broken(where, b"", stored.position, error_type, error)


class _Rows:
    """The records in the blocks of one file; `left_out` counts those that are not wanted."""

    def __init__(self, header: Header, maker: Maker, options: ReadOptions) -> None:
        self._maker = maker
        self._options = options
        self._codec = header.codec
        self.left_out = 0
        own = _own_kind(header.schema)
        written = _with_maps(header.schema) if own else header.schema
        self._written: Any = fastavro.parse_schema(written)
        self._wanted: Any = schemas.load(own) if own else None
        self._convert: Convert = {
            "articles": self._article,
            "dead_letters": self._dead_letter,
        }.get(own or "", self._row)

    def of(
        self, block: Block, blocks: int, number: int, stored: Stored
    ) -> Generator[Entry, None, int]:
        """The entries of a block; returns the number of its last record.

        Args:
            blocks: the number of the block.
            number: that of the last record before it.
        """
        options = self._options
        kept = block.data[:KEPT_BYTES]
        problem: Exception | None = None
        first = number + 1
        try:
            data = expand_block(block.data, self._codec, options.max_block_bytes)
            if block.records > len(data):
                raise Broken("torn_file", f"it says that it has {block.records} records")
            file = io.BytesIO(data)
            for _ in range(block.records):
                start = file.tell()
                row = fastavro.schemaless_reader(file, self._written, self._wanted)
                number += 1
                if self._maker.mine():
                    entry = self._entry(row, number, data[start : file.tell()], stored.position)
                    if entry is not None:
                        yield entry
            if file.tell() != len(data):
                raise Broken("torn_file", "it holds more than the records that it says it has")
        except Exception as error:  # noqa: BLE001 - becomes an entry; fastavro raises what it meets
            problem = error
        if problem is not None:
            if self._maker.mine():
                where = f"block {blocks} (from record {first})"
                error_type = problem.error_type if isinstance(problem, Broken) else "torn_file"
                yield self._maker.broken(where, kept, stored.position, error_type, problem)
            # Those that are lost count too, as far as the block can be believed.
            number = max(number, first - 1 + min(block.records, options.max_block_bytes))
        return number

    def _entry(self, row: Any, number: int, data: bytes, position: int) -> Entry | None:
        where = f"record {number}"
        try:
            # Before it is made JSON, which takes many times as much: numbers have a byte each.
            if self._convert == self._row and len(data) > self._options.max_message_bytes:
                raise too_long("the record", self._options.max_message_bytes)
            return self._convert(where, row, position)
        except Broken as error:
            return self._maker.broken(where, data, position, error.error_type, error)

    def _row(self, where: str, row: dict[str, Any], position: int) -> Entry:
        data = to_json(row, self._options.max_message_bytes)
        return self._maker.entry(where, data, position, content_type=JSON)

    def _article(self, where: str, row: dict[str, Any], position: int) -> Entry:
        article = from_avro(Article, row)
        said = {name: value for name, value in row.items() if name not in _COMPUTED}
        if article.published_precision == "day" and article.published_at is not None:
            said["published_at"] = article.published_at.date()
        # The longest article may be a little longer as JSON than the message it came from.
        data = to_json(said, self._options.max_expanded_bytes)
        attributes = {
            name: value
            for name, value in article.attributes.items()
            if name.lower().replace("-", "_") not in _OF_THE_PAYLOAD
        }
        entry = self._maker.entry(where, data, position, content_type=JSON, attributes=attributes)
        if not self._options.reprocess:
            return replace(entry, article=article)
        message = Message(
            data,
            article.message_id,
            article.publish_time,
            article.attributes,
            article.ordering_key or "",
            article.delivery_attempt,
        )
        return replace(entry, article=article, message=message)

    def _dead_letter(self, where: str, row: dict[str, Any], position: int) -> Entry | None:
        letter = from_avro(DeadLetter, row)
        if not self._options.letters.takes(letter):
            self.left_out += 1
            return None
        return self._maker.entry(
            where,
            letter.payload,
            position,
            attributes={**letter.attributes, "replayed_from": letter.key},
            ordering_key=letter.ordering_key or "",
        )


def _own_kind(schema: dict[str, Any]) -> str | None:
    """articles or dead_letters, where the file is of an output of ours."""
    name = str(schema.get("name"))
    space = str(schema.get("namespace") or name.rpartition(".")[0])
    if space != NAMESPACE:
        return None
    last = name.rpartition(".")[2]
    return {"Article": "articles", "DeadLetter": "dead_letters"}.get(last)


def _with_maps(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with a map where attributes are written as pairs; both are encoded the same."""
    if not schemas.has_pairs(schema):
        return schema
    fields = [
        {**field, "type": {"type": "map", "values": "string"}, "default": {}}
        if field["name"] == schemas.MAP
        else field
        for field in schema["fields"]
    ]
    return {**schema, "fields": fields}
