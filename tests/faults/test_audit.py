"""The judge finds what it is there to find."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import fastavro
import pytest

from tests.faults import audit
from tests.faults.audit import Finding, Judge, judge


def schema(*fields: str) -> Any:
    return {
        "type": "record",
        "name": "Record",
        "fields": [{"name": name, "type": "string"} for name in fields],
    }


def write(path: Path, records: Iterable[dict[str, str]], fields: tuple[str, ...]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        fastavro.writer(file, schema(*fields), list(records))
    return path


class Output:
    """A small sound output: five articles, a duplicate, a dead letter."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.published = [str(number) for number in range(7)]
        self.articles = self.add("articles", "1", self.published[:5])
        self.duplicate("2", "5", canonical="0")
        self.add("dead_letters", "3", ["6"])

    def add(self, kind: str, name: str, ids: Iterable[str]) -> Path:
        path = self.root / kind / "ingest_date=2026-11-24" / f"part-{name}.avro"
        return write(path, ({"message_id": one} for one in ids), ("message_id",))

    def duplicate(self, name: str, message_id: str, canonical: str) -> Path:
        path = self.root / "duplicates" / "ingest_date=2026-11-24" / f"part-{name}.avro"
        record = {"message_id": message_id, "canonical_message_id": canonical}
        return write(path, [record], ("message_id", "canonical_message_id"))

    def judge(self) -> Finding:
        return judge(self.root, self.published)


@pytest.fixture
def output(tmp_path: Path) -> Output:
    return Output(tmp_path)


def test_finds_nothing_in_a_sound_output(output: Output) -> None:
    assert output.judge() == Finding({"articles": 5, "duplicates": 1, "dead_letters": 1})
    assert output.judge().sound


def test_finds_what_was_lost_in_order_of_publishing(output: Output) -> None:
    output.published += ["9", "8"]
    finding = output.judge()
    assert finding.lost == ["9", "8"]
    assert not finding.sound


def test_finds_an_id_that_is_twice_in_one_file(output: Output) -> None:
    output.add("articles", "1", [*output.published[:5], "3"])
    assert output.judge().twice == ["3"]


def test_finds_an_id_that_is_in_two_kinds(output: Output) -> None:
    output.add("dead_letters", "4", ["0", "1"])
    finding = output.judge()
    assert finding.twice == ["0", "1"]
    assert not finding.sound


def test_finds_an_id_that_was_never_published(output: Output) -> None:
    output.add("articles", "4", ["77"])
    finding = output.judge()
    assert finding.strangers == ["77"]
    assert not finding.sound


def test_finds_every_way_a_file_can_be_torn(output: Output) -> None:
    data = output.articles.read_bytes()
    for length in range(len(data)):
        output.articles.write_bytes(data[:length])
        finding = output.judge()
        assert [line.partition(":")[0] for line in finding.torn] == [
            "articles/ingest_date=2026-11-24/part-1.avro"
        ]
        assert not finding.sound


def test_finds_a_file_without_records(output: Output) -> None:
    output.add("articles", "4", [])
    assert output.judge().torn == [
        "articles/ingest_date=2026-11-24/part-4.avro: it holds no record"
    ]


def test_finds_what_was_left_over(output: Output) -> None:
    (output.articles.parent / ".part-9.avro.owner.tmp").touch()
    (output.articles.parent / "part-9.avro.tmp").touch()
    assert output.judge().torn == [
        "articles/ingest_date=2026-11-24/.part-9.avro.owner.tmp: left over",
        "articles/ingest_date=2026-11-24/part-9.avro.tmp: left over",
    ]


def test_finds_a_duplicate_of_nothing(output: Output) -> None:
    output.published += ["7", "8"]
    output.duplicate("4", "7", canonical="99")
    # What ended as a dead letter, or is a duplicate itself, is no article.
    output.duplicate("5", "8", canonical="6")
    finding = output.judge()
    assert finding.dangling == ["7", "8"]
    assert not finding.sound


def test_looks_at_new_files_only_and_not_at_temporary_ones(output: Output) -> None:
    judging = Judge(output.root)
    assert judging.look().sound
    assert judging.has_seen("0")
    assert not judging.has_seen("7")
    output.add("articles", "4", ["0"])
    (output.articles.parent / "part-5.avro").write_bytes(b"Obj\x01")
    (output.articles.parent / ".part-6.avro.owner.tmp").touch()
    found = judging.look()
    assert found.twice == ["0"]
    assert [line.partition(":")[0] for line in found.torn] == [
        "articles/ingest_date=2026-11-24/part-5.avro"
    ]
    assert judging.look().sound
    assert judging.judge(output.published).twice == ["0"]


def test_an_output_that_is_not_there_has_lost_all(tmp_path: Path) -> None:
    assert judge(tmp_path / "nowhere", ["1", "2"]).lost == ["1", "2"]


def test_it_shares_no_code_with_the_pipeline() -> None:
    tree = ast.parse(Path(audit.__file__).read_text(encoding="utf-8"))
    imported = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            imported.add((node.module or "").partition(".")[0])
    assert imported - sys.stdlib_module_names == {"fastavro"}
