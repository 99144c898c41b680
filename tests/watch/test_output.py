from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import UsageError
from pipeline.sinks.files import Form
from pipeline.watch import output
from tests.watch.outputs import make_output, some, write


def test_a_folder_that_is_no_output(tmp_path: Path) -> None:
    (tmp_path / "articles").write_text("a file")
    for folder in (tmp_path, tmp_path / "none", tmp_path / "articles"):
        with pytest.raises(UsageError, match="holds no records"):
            output.open_output(str(folder))


@pytest.mark.parametrize("kind", ["articles", "duplicates", "dead_letters"])
def test_one_kind_is_enough(tmp_path: Path, kind: str) -> None:
    (tmp_path / kind).mkdir()
    assert output.open_output(str(tmp_path)) == tmp_path
    assert list(output.records(tmp_path, kind)) == []


def test_only_finished_files_are_read(tmp_path: Path) -> None:
    path = make_output(tmp_path)["articles"]
    (path.parent / f".{path.name}.owner.tmp").write_bytes(b"half a")
    assert output.files(tmp_path, "articles") == [path]


def test_partitions_are_read_in_order(tmp_path: Path) -> None:
    path = write(tmp_path, "articles", some("articles", "later"))
    earlier = tmp_path / "articles/ingest_date=2026-11-23" / path.name
    earlier.parent.mkdir()
    earlier.write_bytes(path.read_bytes())
    assert output.files(tmp_path, "articles") == [earlier, path]


def test_what_came_before_a_damaged_file_is_yielded(tmp_path: Path) -> None:
    make_output(tmp_path)
    (tmp_path / "articles/ingest_date=2026-11-24/part-z.avro").write_bytes(b"damaged")
    records = output.records(tmp_path, "articles")
    assert [next(records)["message_id"] for _ in range(3)] == ["a1", "a2", "a3"]
    with pytest.raises(output.Damaged, match=r"^articles/.*/part-z.avro cannot be read"):
        next(records)


def test_pairs_and_maps_read_alike(tmp_path: Path) -> None:
    for name, pairs in (("map", False), ("pairs", True)):
        make_output(tmp_path / name, Form("null", pairs=pairs))
    for kind in ("articles", "duplicates", "dead_letters"):
        assert list(output.records(tmp_path / "map", kind)) == list(
            output.records(tmp_path / "pairs", kind)
        )


@given(st.text())
def test_printable_is_one_line_of_the_same_length(text: str) -> None:
    shown = output.printable(text)
    assert len(shown) == len(text)
    assert len(shown.splitlines()) <= 1
    assert all(c.isprintable() for c in shown)


@given(st.text(alphabet=st.characters(categories=["L", "N", "P", "S"])))
def test_what_can_be_printed_stays(text: str) -> None:
    assert output.printable(text) == text
