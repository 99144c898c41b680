"""Other readers read what we write: Avro's own Java tools, polars where it can."""

from __future__ import annotations

import dataclasses
import datetime as dt
import io
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, cast

import fastavro
import pipeline.schemas as schemas
import polars
import pytest

from pipeline.option_list import CODECS
from pipeline.records import (
    Article,
    DeadLetter,
    Duplicate,
    Entity,
    Language,
    Mention,
    Processing,
    Record,
    Source,
    Tag,
    to_avro,
)
from pipeline.sinks.files import Form, write_durably

AVRO_TOOLS = "org/apache/avro/avro-tools/1.12.0/avro-tools-1.12.0.jar"
NOW = dt.datetime(2026, 11, 24, 8, 0, 0, 123456, tzinfo=dt.timezone.utc)

ARTICLE = Article(
    message_id="17",
    article_id="urn:x:1",
    content_hash="ab" * 32,
    ingested_at=NOW,
    publish_time=NOW,
    title="Zürich 🚆 opens",
    body="Zürich opened its station.\n\nTrains run.",
    body_content_type="text/plain",
    word_count=6,
    processing=Processing("0.1.0", "run", "model", "1.0", ("a warning",)),
    source=Source("The Post", "post.example"),
    language=Language("en", 0.98),
    authors=("A. Writer",),
    published_at=NOW,
    published_precision="second",
    attributes={"desk": "world"},
    ordering_key="k",
    delivery_attempt=2,
    entities=(Entity("Zürich", "LOC", 1, 1.0, (Mention("title", 0, 6, "Zürich", 0),)),),
    tags=(Tag("iso3166", "CH", "Switzerland", 0.5, "places", "1"),),
)
BARE = dataclasses.replace(
    ARTICLE, message_id="18", publish_time=None, title=None, entities=None, tags=None
)
RECORDS: dict[str, list[Record]] = {
    "articles": [ARTICLE, BARE],
    "duplicates": [Duplicate("19", "a", "b", "17", "b", "url", 1.0, None, NOW, BARE)],
    "dead_letters": [
        DeadLetter(
            *("20", "decode", "bomb", "too much", "x.Y", None, b"\x00\xff"),
            *({"k": "v"}, NOW, NOW, 1, "0.1.0"),
        )
    ],
}


def encoded(kind: str) -> list[bytes]:
    out = []
    for record in RECORDS[kind]:
        buffer = io.BytesIO()
        fastavro.schemaless_writer(buffer, schemas.load(kind), to_avro(record))
        out.append(buffer.getvalue())
    return out


FORMS = [Form(codec, pairs) for codec in CODECS for pairs in (False, True)]


@pytest.fixture(params=FORMS, ids=lambda f: f"{f.codec}-{'pairs' if f.pairs else 'map'}")
def form(request: pytest.FixtureRequest) -> Form:
    return cast(Form, request.param)


@pytest.fixture
def files(form: Form, tmp_path: Path) -> dict[str, Path]:
    """One file of each kind."""
    paths = {kind: f"{kind}/ingest_date=2026-11-24/part-0.avro" for kind in RECORDS}
    for kind, path in paths.items():
        write_durably(tmp_path, path, encoded(kind), form, owner="test")
    return {kind: tmp_path / path for kind, path in paths.items()}


@pytest.fixture(scope="session")
def avro_tools() -> Path:
    """The jar of Avro's Java tools, as Maven leaves it in its local repository."""
    if shutil.which("java") is None:
        pytest.skip("Java is not installed")
    jar = Path(os.environ.get("M2_REPOSITORY", Path.home() / ".m2/repository")) / AVRO_TOOLS
    if not jar.exists():
        pytest.skip(
            "avro-tools is missing: mvn dependency:get -Dartifact=org.apache.avro:avro-tools:1.12.0"
        )
    return jar


def expected(kind: str, form: Form) -> list[dict[str, Any]]:
    """The records as a reader finds them."""
    data = [to_avro(record) for record in RECORDS[kind]]
    for datum in data if form.pairs else []:
        holder = datum["article"] if kind == "duplicates" else datum
        holder["attributes"] = [{"key": k, "value": v} for k, v in holder["attributes"].items()]
    return data


def test_fastavro(files: dict[str, Path], form: Form) -> None:
    for kind, path in files.items():
        with path.open("rb") as file:
            assert list(fastavro.reader(file)) == expected(kind, form)


def test_polars(files: dict[str, Path], form: Form) -> None:
    """Polars knows neither maps nor zstandard (2.1)."""
    if not form.pairs or form.codec == "zstandard":
        with pytest.raises(polars.exceptions.ComputeError):
            polars.read_avro(files["articles"])
        return
    for kind, path in files.items():
        assert polars.read_avro(path).to_dicts() == expected(kind, form)


def test_avro_java_tools(files: dict[str, Path], form: Form, avro_tools: Path) -> None:
    for kind, path in files.items():
        read = subprocess.run(
            ["java", "-jar", str(avro_tools), "tojson", str(path)],
            capture_output=True,
            text=True,
            timeout=120,
            env={**os.environ, "JAVA_TOOL_OPTIONS": "-Dfile.encoding=UTF-8"},
        )
        assert read.returncode == 0, read.stderr
        found = [json.loads(line) for line in read.stdout.splitlines()]
        assert [one["message_id"] for one in found] == [r.message_id for r in RECORDS[kind]]
        if kind == "articles":
            assert found[0]["body"] == ARTICLE.body
            assert found[0]["attributes"] == expected(kind, form)[0]["attributes"]
