"""The marks of what was replayed, without a broker."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest

from pipeline.errors import Failed
from pipeline.replayed import BUSY_SECONDS, NAME, Marks
from pipeline.sinks.avro import encode
from pipeline.sinks.files import Form
from pipeline.watch.narrow import read_fields
from tests.articles import article, dead_letter
from tests.watch.outputs import duplicate, encoded, make_output, write


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """No wait for a lock that will not be given."""
    assert BUSY_SECONDS > 0
    monkeypatch.setattr("pipeline.replayed.BUSY_SECONDS", 0.0)


def known(root: Path, keys: Sequence[str], *, keep: bool = True) -> set[str]:
    with Marks(root, keep=keep) as marks:
        assert marks.learn() == []
        return {key for key in keys if key in marks}


class TestMarks:
    def test_are_there_the_next_time(self, tmp_path: Path) -> None:
        with Marks(tmp_path) as marks:
            assert "a@1" not in marks
            for key in ("a@1", "b\x1b'\n", "a@1"):
                marks.add(key)
        assert known(tmp_path, ["a@1", "b\x1b'\n", "c"]) == {"a@1", "b\x1b'\n"}

    def test_are_written_in_batches_and_whatever_ends_the_block(self, tmp_path: Path) -> None:
        def interrupted() -> None:
            with Marks(tmp_path, batch=2) as marks:
                for key in ("a", "b", "c"):
                    marks.add(key)
                assert ["c" in marks, "b" in marks] == [False, True]
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            interrupted()
        assert known(tmp_path, ["a", "b", "c"]) == {"a", "b", "c"}

    def test_a_look_changes_nothing(self, tmp_path: Path) -> None:
        write(
            tmp_path,
            "dead_letters",
            [encoded(dead_letter("l2", attributes={"replayed_from": "l1@5"}))],
        )
        assert known(tmp_path, ["l1@5"], keep=False) == {"l1@5"}
        assert not (tmp_path / NAME).exists()
        with Marks(tmp_path) as marks:
            marks.add("kept")
        before = (tmp_path / NAME).read_bytes()
        assert known(tmp_path, ["l1@5", "kept"], keep=False) == {"l1@5", "kept"}
        assert (tmp_path / NAME).read_bytes() == before

    @pytest.mark.usefixtures("hurried")
    def test_two_at_once(self, tmp_path: Path) -> None:
        with Marks(tmp_path) as marks:
            marks.add("a")
            for keep in (True, False):
                with pytest.raises(Failed, match=r"another replay of .* is at work"):
                    Marks(tmp_path, keep=keep)
        assert known(tmp_path, ["a"]) == {"a"}

    def test_a_damaged_file_says_what_to_do(self, tmp_path: Path) -> None:
        (tmp_path / NAME).parent.mkdir()
        (tmp_path / NAME).write_bytes(b"no database " * 1000)
        for keep in (True, False):
            with pytest.raises(Failed, match=r"replayed\.sqlite is damaged .*: remove it"):
                Marks(tmp_path, keep=keep)

    def test_a_later_version(self, tmp_path: Path) -> None:
        with Marks(tmp_path):
            pass
        connection = sqlite3.connect(tmp_path / NAME)
        connection.execute("PRAGMA user_version=7")
        connection.close()
        with pytest.raises(Failed, match="has version 7, this pipeline knows 1"):
            Marks(tmp_path)

    def test_a_folder_that_cannot_be_written(self, tmp_path: Path) -> None:
        (tmp_path / "_state").write_text("a file")
        with pytest.raises(Failed, match="cannot be"):
            Marks(tmp_path)


class TestLearning:
    @pytest.mark.parametrize("pairs", [False, True])
    def test_every_kind_of_record_tells(self, tmp_path: Path, pairs: bool) -> None:
        said = [{"replayed_from": f"l{n}@1", "id": "7"} for n in range(3)]
        files = {
            "articles": [
                encoded(article("a1", attributes=said[0])),
                encoded(article("a2", attributes={"other": "x"})),
            ],
            "duplicates": [encode(duplicate("d1", attributes=said[1]))[1]],
            "dead_letters": [encoded(dead_letter("l9", attributes=said[2]))],
        }
        for kind, records in files.items():
            write(tmp_path, kind, records, form=Form("deflate", pairs))
        keys = ["l0@1", "l1@1", "l2@1", "7", "x"]
        assert known(tmp_path, keys) == set(keys[:3])

    def test_each_file_is_read_once(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        read: list[Path] = []

        def counted(root: Path, kind: str, path: Path, fields: object) -> object:
            read.append(path)
            return read_fields(root, kind, path, fields)  # type: ignore[arg-type]

        monkeypatch.setattr("pipeline.replayed.read_fields", counted)
        monkeypatch.setattr("pipeline.replayed.FILES", 2)
        first = set(make_output(tmp_path).values())
        known(tmp_path, [])
        assert (set(read), len(read)) == (first, 3)
        letter = dead_letter("l2", attributes={"replayed_from": "l1@1"})
        new = write(tmp_path, "dead_letters", [encoded(letter)])
        assert known(tmp_path, ["l1@1"]) == {"l1@1"}
        assert read[3:] == [new]

    def test_the_database_can_be_made_again(self, tmp_path: Path) -> None:
        letter = dead_letter("l2", attributes={"replayed_from": "l1@1"})
        write(tmp_path, "dead_letters", [encoded(letter)])
        assert known(tmp_path, ["l1@1"]) == {"l1@1"}
        (tmp_path / NAME).unlink()
        assert known(tmp_path, ["l1@1"]) == {"l1@1"}

    def test_what_cannot_be_read_is_said_and_tried_again(self, tmp_path: Path) -> None:
        damaged = make_output(tmp_path)["articles"]
        whole = damaged.read_bytes()
        damaged.write_bytes(whole[:-20])
        letter = dead_letter("l2", attributes={"replayed_from": "l1@1"})
        write(tmp_path, "dead_letters", [encoded(letter)])
        for _ in range(2):
            with Marks(tmp_path) as marks:
                (line,) = marks.learn()
                assert line.startswith(f"{damaged.relative_to(tmp_path)} cannot be read: ")
                assert "l1@1" in marks
        damaged.write_bytes(whole)
        assert known(tmp_path, ["l1@1"]) == {"l1@1"}
