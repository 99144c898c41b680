from __future__ import annotations

import io
import json
import time
import zlib
from pathlib import Path
from typing import Any

import fastavro
import pipeline.schemas as schemas
import pytest
from backports import zstd
from cramjam import snappy
from hypothesis import given
from hypothesis import strategies as st

from pipeline.option_list import CODECS
from pipeline.sinks.files import Form
from pipeline.watch import container
from pipeline.watch.container import check
from tests.watch.outputs import make_output

SYNC = b"s" * 16
STRING = {"type": "record", "name": "R", "fields": [{"name": "f", "type": "string"}]}


def long(value: int) -> bytes:
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, "long", value)
    return buffer.getvalue()


def sized(data: bytes) -> bytes:
    return long(len(data)) + data


def avro(
    data: bytes = b"", *, records: int = 1, codec: bytes = b"null", schema: Any = STRING,
    length: int | None = None,
) -> bytes:  # fmt: skip
    header = (
        b"Obj\x01" + long(2)
        + sized(b"avro.schema") + sized(json.dumps(schema).encode())
        + sized(b"avro.codec") + sized(codec)
        + long(0) + SYNC
    )  # fmt: skip
    return header + long(records) + long(len(data) if length is None else length) + data + SYNC


def refused(tmp_path: Path, content: bytes, why: str, **limits: int) -> None:
    path = tmp_path / "file.avro"
    path.write_bytes(content)
    began = time.monotonic()
    with pytest.raises(ValueError, match=why):
        check(path, **limits)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("codec", CODECS)
def test_our_own_files_pass(tmp_path: Path, codec: str) -> None:
    for path in make_output(tmp_path, Form(codec)).values():
        check(path)


def test_one_made_by_hand_passes(tmp_path: Path) -> None:
    path = tmp_path / "file.avro"
    path.write_bytes(avro(sized(b"text")))
    check(path)
    with path.open("rb") as file:
        assert list(fastavro.reader(file)) == [{"f": "text"}]


@given(st.lists(st.lists(st.text(), max_size=5), max_size=5), st.sampled_from(CODECS))
def test_what_fastavro_writes_passes(
    tmp_path_factory: pytest.TempPathFactory, blocks: list[list[str]], codec: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "fastavro.avro"
    with path.open("wb") as file:
        fastavro.writer(file, STRING, [], codec=codec)
    for block in blocks:
        with path.open("a+b") as file:
            fastavro.writer(file, None, [{"f": text} for text in block])
    check(path)


@pytest.mark.parametrize("length", [2**62, -1, -(2**62), container.MAX_BLOCK_BYTES + 1])
def test_a_length_beyond_all_bounds(tmp_path: Path, length: int) -> None:
    refused(tmp_path, avro(b"x", length=length), "a length in it is")


@pytest.mark.parametrize("records", [2**62, -1, 6])
def test_more_records_than_bytes(tmp_path: Path, records: int) -> None:
    refused(tmp_path, avro(b"\x00" * 5, records=records), "it has .* records")


def deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize(
    ("codec", "data"),
    [
        (b"deflate", deflated(bytes(2_000_000))),
        (b"zstandard", zstd.compress(bytes(2_000_000))),
        (b"snappy", bytes(snappy.compress_raw(bytes(2_000_000))) + b"crc!"),
    ],
)
def test_a_bomb(tmp_path: Path, codec: bytes, data: bytes) -> None:
    refused(tmp_path, avro(data, codec=codec), "expands to more", max_block_bytes=1_000_000)


def test_a_wrong_checksum(tmp_path: Path) -> None:
    data = bytes(snappy.compress_raw(sized(b"text"))) + b"\x00\x00\x00\x00"
    refused(tmp_path, avro(data, codec=b"snappy"), "checksum")


@pytest.mark.parametrize("codec", [b"deflate", b"zstandard"])
def test_a_stream_without_its_end(tmp_path: Path, codec: bytes) -> None:
    text = b"some text that is long enough " * 3
    whole = deflated(text) if codec == b"deflate" else zstd.compress(text)
    refused(tmp_path, avro(whole[:-3], codec=codec), "before its end")


def test_a_codec_that_is_none_of_ours(tmp_path: Path) -> None:
    refused(tmp_path, avro(codec=b"bzip2"), "codec 'bzip2' is none of")


def test_the_wrong_marker(tmp_path: Path) -> None:
    refused(tmp_path, avro(sized(b"a"))[:-1] + b"x", "sync marker")


def test_an_endless_number(tmp_path: Path) -> None:
    refused(tmp_path, b"Obj\x01" + b"\xff" * 100, "more than 64 bits")


def test_an_endless_header(tmp_path: Path) -> None:
    header = b"Obj\x01" + long(2**60) + long(0) * 3_000_000
    refused(tmp_path, header, "a length in it is")


def nested(depth: int) -> Any:
    schema: Any = "string"
    for _ in range(depth):
        schema = {"type": "array", "items": schema}
    return schema


def record(name: str, type_: Any) -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": [{"name": "f", "type": type_}]}


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        (record("R", ["null", "R"]), "holds itself"),
        (record("a.R", ["null", {"type": "array", "items": "a.R"}]), "holds itself"),
        (record("R", {"type": "map", "values": record("S", ["null", "R"])}), "holds itself"),
        (record("R", {"type": "array", "items": "null"}), "no bytes"),
        (record("R", {"type": "array", "items": {"type": "null"}}), "no bytes"),
        (record("R", {"type": "fixed", "name": "F", "size": 0}), "no bytes"),
        (record("R", {"type": "record", "name": "S", "fields": []}), "no bytes"),
        (record("R", nested(70)), "nested more than 64 deep"),
        (record("R", 3), "neither a name"),
        (record("R", {"type": "record", "name": "S", "fields": 1}), "without fields"),
    ],
)
def test_a_schema_made_to_do_harm(tmp_path: Path, schema: Any, why: str) -> None:
    refused(tmp_path, avro(schema=schema), why)


def test_a_schema_that_is_not_json(tmp_path: Path) -> None:
    content = avro().replace(json.dumps(STRING).encode(), b"[" * len(json.dumps(STRING)))
    refused(tmp_path, content, "not JSON")


@pytest.mark.parametrize("kind", schemas.KINDS)
@pytest.mark.parametrize("pairs", [False, True])
def test_our_own_schemas_pass(kind: str, pairs: bool) -> None:
    container._check_schema(json.dumps(schemas.load(kind, pairs=pairs)).encode())
