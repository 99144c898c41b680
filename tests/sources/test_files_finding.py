"""Which files are found, and what kind each is taken for."""

from __future__ import annotations

import os
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from apache_beam.io.filesystem import FileMetadata, FileSystem
from apache_beam.io.filesystems import FileSystems

from pipeline.errors import UsageError
from pipeline.sources.files import UNKNOWN, ReadOptions, find_files, read_file
from pipeline.sources.files.finding import kind_of
from tests.sources.made_files import COMPRESSIONS, GOOD, entries, problems


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in (
        "a.jsonl",
        "b.json.gz",
        "deep/er/c.csv",
        "deep/d.txt",
        ".hidden.json",
        "_SUCCESS",
        "deep/_state/ledger.json",
        "deep/.git/e.json",
        "deep/f.json.tmp",
        "deep/.part-1.avro.owner.tmp",
        "deep/g.json~",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"{}")
    return tmp_path


def names(root: Path, *patterns: str) -> list[str]:
    found = find_files([str(root / pattern) for pattern in patterns])
    return [str(Path(file.path).relative_to(root)) for file in found]


class TestFinding:
    def test_a_folder_means_everything_below_it(self, tree: Path) -> None:
        assert names(tree, "") == ["a.jsonl", "b.json.gz", "deep/d.txt", "deep/er/c.csv"]

    def test_patterns(self, tree: Path) -> None:
        assert names(tree, "*.jsonl") == ["a.jsonl"]
        assert names(tree, "**/*.csv") == ["deep/er/c.csv"]
        assert names(tree, "deep/?.txt") == ["deep/d.txt"]
        assert names(tree, "**.txt") == ["deep/d.txt"]

    def test_a_folder_that_a_pattern_finds_means_everything_below_it_too(self, tree: Path) -> None:
        assert names(tree, "d*") == ["deep/d.txt", "deep/er/c.csv"]

    def test_sorted_and_each_once(self, tree: Path) -> None:
        assert names(tree, "deep", "a.jsonl", "*.jsonl", "deep/d.txt") == [
            "a.jsonl",
            "deep/d.txt",
            "deep/er/c.csv",
        ]

    def test_a_file_that_is_named_is_taken_whatever_its_name(self, tree: Path) -> None:
        assert names(tree, ".hidden.json", "deep/f.json.tmp") == [".hidden.json", "deep/f.json.tmp"]
        assert names(tree, "deep/_state") == ["deep/_state/ledger.json"]

    def test_a_name_with_the_signs_of_a_pattern(self, tmp_path: Path) -> None:
        (tmp_path / "a[1]*.json").write_bytes(b"{}")
        assert names(tmp_path, "a[1]*.json") == ["a[1]*.json"]

    def test_relative_paths_become_absolute(
        self, tree: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tree)
        (file,) = find_files(["deep/../a.jsonl"])
        assert file.path == str(tree / "a.jsonl")
        assert find_files([f"file://{tree}/a.jsonl"]) == [file]

    @pytest.mark.parametrize("pattern", ["nothing.json", "*.nothing", "empty", "deep/_*"])
    def test_nothing_found(self, tree: Path, pattern: str) -> None:
        (tree / "empty").mkdir()
        with pytest.raises(UsageError, match="matches no file"):
            names(tree, pattern)

    def test_one_pattern_of_several_finds_nothing(self, tree: Path) -> None:
        with pytest.raises(UsageError, match="nothing"):
            names(tree, "a.jsonl", "nothing")

    @pytest.mark.parametrize("pattern", ["https://x.org/a.json", "nowhere://a/b"])
    def test_no_file_system_for_it(self, pattern: str) -> None:
        with pytest.raises(UsageError, match="cannot be looked up"):
            find_files([pattern])

    def test_an_empty_pattern(self) -> None:
        with pytest.raises(UsageError, match="empty"):
            find_files([""])

    def test_folders_pipes_and_dead_links_are_no_files(self, tmp_path: Path) -> None:
        (tmp_path / "folder.json").mkdir()
        (tmp_path / "folder.json" / "a.json").write_bytes(b"{}")
        os.mkfifo(tmp_path / "pipe.json")
        (tmp_path / "dead.json").symlink_to(tmp_path / "gone")
        assert names(tmp_path, "") == ["folder.json/a.json"]
        assert names(tmp_path, "**/*.json") == ["folder.json/a.json"]

    def test_a_link_is_the_file_it_leads_to(self, tree: Path) -> None:
        (tree / "a-link.json").symlink_to(tree / "a.jsonl")
        (tree / "circle").symlink_to(tree)
        (tree / "deep" / "an-other").symlink_to(tree / "deep" / "er")
        assert names(tree, "") == ["a.jsonl", "b.json.gz", "deep/d.txt", "deep/er/c.csv"]
        assert names(tree, "a-link.json", "a.jsonl") == ["a.jsonl"]

    def test_a_link_is_called_as_it_is_where_it_leads_outside(self, tree: Path) -> None:
        """Where it leads may change, as a mounted ConfigMap's does, and the file stay the same."""
        outside = tree / "_outside"
        outside.write_bytes(b"{}")
        for name in ("deep/z.jsonl", "deep/y.jsonl"):
            (tree / name).symlink_to(outside)
        assert names(tree, "deep/z.jsonl") == ["deep/z.jsonl"]
        assert names(tree, "deep/z.jsonl", "deep/y.jsonl") == ["deep/y.jsonl"]
        assert names(tree, "deep/y.jsonl", "deep/z.jsonl") == ["deep/y.jsonl"]

    def test_what_is_not_wanted_is_left_out(self, tree: Path) -> None:
        asked = []

        def wanted(base: str, path: str) -> bool:
            asked.append((base, Path(path).name))
            return path.endswith(".csv")

        (found,) = find_files([f"{tree}/d*/**"], wanted=wanted)
        assert found.path == f"{tree}/deep/er/c.csv"
        assert sorted(asked) == [(str(tree), "c.csv"), (str(tree), "d.txt")]
        with pytest.raises(UsageError, match="matches no file"):
            find_files([str(tree / "a.jsonl")], wanted=wanted)

    def test_pipes_and_devices(self, tree: Path) -> None:
        os.mkfifo(tree / "pipe.json")
        assert "pipe.json" not in names(tree, "")
        for path in (tree / "pipe.json", "/dev/zero"):
            with pytest.raises(UsageError, match="is a pipe or a device"):
                find_files([str(path)])

    def test_a_pipe_in_the_place_of_a_file(self, tree: Path) -> None:
        """Opening it would wait for somebody to write into it."""
        (file,) = find_files([str(tree / "a.jsonl")])
        (tree / "a.jsonl").unlink()
        os.mkfifo(tree / "a.jsonl")
        (entry,) = read_file(file, ReadOptions())
        assert entry.problem is not None
        assert entry.problem.error_type == "unreadable_file"
        assert "no ordinary file any more" in entry.problem.text

    def test_on_a_store(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """As FileSystems answers for gs://: a listing of objects, folders among them."""
        objects = [
            FileMetadata(f"gs://b/in/{name}", 2, 0.0)
            for name in ("", "a.jsonl", "deep/", "deep/b.json", "_tmp/c.json", "deep/.d.json")
        ]

        def match(patterns: list[str]) -> list[Any]:
            (pattern,) = patterns
            matches = re.compile(FileSystem.translate_pattern(pattern)).match
            return [SimpleNamespace(metadata_list=[o for o in objects if matches(o.path)])]

        monkeypatch.setattr(FileSystems, "match", match)

        def found(pattern: str) -> list[str]:
            return [file.path for file in find_files([pattern])]

        whole = ["gs://b/in/a.jsonl", "gs://b/in/deep/b.json"]
        assert found("gs://b/in") == found("gs://b/in/") == found("gs://b/in/**") == whole
        assert found("gs://b/in/*.jsonl") == ["gs://b/in/a.jsonl"]
        assert found("gs://b/in/_tmp/c.json") == ["gs://b/in/_tmp/c.json"]
        with pytest.raises(UsageError, match="matches no file"):
            found("gs://b/out")


class TestKind:
    @pytest.mark.parametrize(
        ("name", "kind", "compression"),
        [
            ("a.jsonl", "jsonl", None),
            ("a.NDJSON.GZ", "jsonl", "gzip"),
            ("a.json.zst", "json", "zstd"),
            ("a.b.txt.bz2", "text", "bzip2"),
            ("a.xhtml", "html", None),
            ("CC-NEWS-1.warc.gz", "warc", "gzip"),
            ("part-0.avro", "avro", None),
            ("a.snappy.parquet", "parquet", None),
            ("a.csv", "csv", None),
            ("a.tsv", "tsv", None),
        ],
    )
    def test_by_its_ending(
        self, name: str, kind: str, compression: str | None, tmp_path: Path
    ) -> None:
        (tmp_path / name).write_bytes(b"anything")
        (file,) = find_files([str(tmp_path)])
        assert (file.kind, file.compression, file.size) == (kind, compression, 8)

    @pytest.mark.parametrize("kind", sorted(GOOD))
    @pytest.mark.parametrize("compression", COMPRESSIONS)
    def test_by_its_first_bytes(self, kind: str, compression: str, tmp_path: Path) -> None:
        data = COMPRESSIONS[compression](GOOD[kind])
        for name in (f"part-00000{compression}", "part.000"):
            (tmp_path / name).write_bytes(data)
            (file,) = find_files([str(tmp_path / name)])
            # One object on one line is read alike as either.
            assert file.kind == ("jsonl" if kind == "json" else kind)
            assert problems(entries(file)) == []
            (tmp_path / name).unlink()

    @pytest.mark.parametrize(
        ("head", "kind"),
        [
            (b"", "text"),
            (b'{\n  "title": "x"\n}\n', "json"),
            (b'{"a": 1}\n{"a": 2}\n', "jsonl"),
            (b'\xef\xbb\xbf{"a": 1}\n', "jsonl"),
            ('{"a": 1}\n'.encode("utf-16"), "jsonl"),
            (b'[{"a": 1}]', "json"),
            (b"\n\n <HTML>", "html"),
            (b'<?xml version="1.0"?>\n<!DOCTYPE html>', "html"),
            (b"id;headline;text\n", "csv"),
            (b"Rain, wind and text\n", "text"),
            (b"\x00\x01\x02", UNKNOWN),
            (b"PK\x03\x04\x00", UNKNOWN),
        ],
    )
    def test_first_bytes(self, head: bytes, kind: str) -> None:
        assert kind_of(head) == kind

    def test_named(self, tmp_path: Path) -> None:
        (tmp_path / "a.json").write_bytes(b"{}\n{}\n")
        (file,) = find_files([str(tmp_path)], kind="jsonl")
        assert len(entries(file)) == 2

    def test_named_wrongly(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="'pdf'"):
            find_files([str(tmp_path)], kind="pdf")

    def test_of_an_unknown_kind(self, tmp_path: Path) -> None:
        (tmp_path / "a.bin").write_bytes(b"\0\1\2")
        (file,) = find_files([str(tmp_path)])
        (entry,) = entries(file)
        assert entry.problem is not None
        assert (entry.problem.error_type, entry.message.data) == ("unreadable_file", b"\0\1\2")
        assert "--kind" in entry.problem.text

    def test_a_file_that_went_away(self, tmp_path: Path) -> None:
        path = tmp_path / "a.jsonl"
        path.write_bytes(b"{}")
        (file,) = find_files([str(path)])
        path.unlink()
        (entry,) = read_file(file, ReadOptions())
        assert entry.problem is not None
        assert entry.problem.error_type == "unreadable_file"
        assert entry.problem.exception_class == "builtins.FileNotFoundError"
        assert str(path) in entry.problem.text
