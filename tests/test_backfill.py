"""What a backfill says before it begins, and what it makes of records."""

from __future__ import annotations

import argparse
import dataclasses
import gzip
import json
import sys
from importlib.abc import MetaPathFinder
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pipeline
from pipeline import backfill
from pipeline.arguments import columns, fields_of_records
from pipeline.cli import main
from pipeline.errors import UsageError
from pipeline.estimate import Estimate, estimate, estimates, table
from pipeline.option_list import INPUT_KINDS, defaults
from pipeline.records import Processing, Tag
from pipeline.sources.files import KINDS, InputFile, ReadOptions, find_files
from pipeline.transforms.entities import NO_MODEL
from pipeline.transforms.renew import ready
from pipeline.version import __version__
from tests.articles import article

Captured = pytest.CaptureFixture[str]


def lines(path: Path, count: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps({"body": f"{n:09d}"}) + "\n" for n in range(count)))
    return path


class TestUsage:
    @pytest.mark.parametrize(
        ("given", "text"),
        [
            ([], "--input GLOB… is missing"),
            (["--input", "IN"], "--output DIR is missing"),
            (["--input", "IN/*.json", "--output", "OUT"], "matches no file"),
            (["--input", "IN", "--output", "gs://b/o"], "only a local folder can be written to"),
            (["--input", "IN", "--output", "OUT", "--kind", "xml"], "invalid choice: 'xml'"),
            (["--input", "IN", "--output", "OUT", "--csv_columns", "a"], "must be FIELD=COLUMN"),
            (["--input", "IN", "--output", "OUT", "--reprocess", "body"], "must be entities, tags"),
            (["--input", "IN", "--output", "OUT", "--reprocess", "tags"], "and IN/a.jsonl is none"),
            (
                ["--input", "IN", "--output", "OUT", "--reprocess", "entities", "--no_entities"],
                "exclude each other",
            ),
            (["--input", "IN", "--output", "OUT", "--frobnicate"], "unknown option --frobnicate"),
            (["--input", "IN", "--output", "OUT", "--subscription", "s"], "is no option of"),
            (["--input", "IN", "--output", "OUT", "--processes", "0"], "--processes 0 is neither"),
            (["--input", "IN", "--output", "OUT", "--processes", "999"], "8 for each core"),
            (["--input", "IN", "--output", "OUT", "--entity_workers", "999"], "8 for each core"),
            (["--input", "IN", "--output", "OUT", "--stage", "foo"], "invalid choice: 'foo'"),
            (["--input", "IN", "--output", "OUT", "--since", "foo"], "is neither a date"),
            (["--input", "IN", "--output", "IN/a.jsonl"], "IN/a.jsonl is a file, where a folder"),
            (["--input", "OUT/articles", "--output", "OUT"], "duplicates of themselves"),
            (["--input", "OUT/articles/*", "--output", "OUT"], "duplicates of themselves"),
            (["--input", "OUT/duplicates", "--output", "OUT"], "in duplicates/ of --output"),
            (["--input", "OUT", "--output", "OUT"], "so are the records of --output"),
            (
                ["--input", "OLD/dead_letters", "--output", "OUT", "--reprocess", "tags"],
                "reads the articles/*.avro of an earlier output",
            ),
        ],
    )  # fmt: skip
    def test_is_one_line_and_two(
        self, given: list[str], text: str, tmp_path: Path, capsys: Captured
    ) -> None:
        lines(tmp_path / "in" / "a.jsonl", 1)
        for kind in ("articles", "duplicates"):
            lines(tmp_path / "out" / kind / "a.jsonl", 1)
        lines(tmp_path / "old" / "dead_letters" / "ingest_date=2026-11-24" / "part-1.avro", 1)
        names = {folder.upper(): str(tmp_path / folder) for folder in ("in", "out", "old")}
        before = sorted(tmp_path.rglob("*"))
        for name, path in names.items():
            given = [one.replace(name, path) for one in given]
            text = text.replace(name, path)
        try:
            code = main(["backfill", *given])
        except SystemExit as ending:
            code = int(str(ending.code))
        said = capsys.readouterr()
        assert (code, said.out) == (2, "")
        news = [line for line in said.err.splitlines() if " INFO " not in line]
        assert len(news) == 1
        assert text in news[0]
        assert sorted(tmp_path.rglob("*")) == before

    def test_a_link_to_the_output_is_the_output(self, tmp_path: Path) -> None:
        lines(tmp_path / "out" / "articles" / "a.jsonl", 1)
        (tmp_path / "link").symlink_to(tmp_path / "out")
        given = {"input": [str(tmp_path / "link" / "articles")], "output": str(tmp_path / "out")}
        with pytest.raises(UsageError, match="duplicates of themselves"):
            backfill.files_of({**defaults(), **given})

    def test_records_of_the_output_are_no_input_on_the_way(self, tmp_path: Path) -> None:
        """They grow with each run: the second would read what the first said of its input."""
        lines(tmp_path / "a.jsonl", 1)
        for kind in ("articles", "duplicates", "dead_letters"):
            lines(tmp_path / "out" / kind / "b.jsonl", 1)
        lines(tmp_path / "out" / "in" / "c.jsonl", 1)
        for output in (tmp_path / "out", tmp_path / "link"):
            given = {"input": [str(tmp_path)], "output": str(output)}
            found = backfill.files_of({**defaults(), **given})
            assert [Path(file.path).name for file in found] == ["a.jsonl", "c.jsonl"]
            if not (tmp_path / "link").exists():
                (tmp_path / "link").symlink_to(tmp_path / "out")

    def test_records_made_anew_are_not_among_those_to_make_anew(self, tmp_path: Path) -> None:
        """A second try of a pattern that meets them, too."""
        for name in ("old", "new"):
            lines(tmp_path / name / "articles" / "part-1.avro", 1)
        given = {"output": str(tmp_path / "new"), "reprocess": ["tags"]}
        (file,) = backfill.files_of(
            {**defaults(), **given, "input": [f"{tmp_path}/*/articles/*.avro"]}
        )
        assert file.path == str(tmp_path / "old" / "articles" / "part-1.avro")
        with pytest.raises(UsageError, match="no id is written twice"):
            backfill.files_of({**defaults(), **given, "input": [str(tmp_path / "new/articles")]})

    def test_dead_letters_of_the_output_are_an_input(self, tmp_path: Path) -> None:
        file = lines(tmp_path / "out" / "dead_letters" / "a.jsonl", 1)
        given = {"input": [str(file)], "output": str(tmp_path / "out")}
        assert len(backfill.files_of({**defaults(), **given})) == 1


def test_interrupted_while_beam_is_imported_it_leaves_a_summary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    """That takes seconds; a file of the run before must not stay there as if it were of this."""

    class CtrlC(MetaPathFinder):
        def find_spec(self, name: str, *more: Any) -> None:
            if name == "pipeline.backfill":
                raise KeyboardInterrupt

    monkeypatch.delitem(sys.modules, "pipeline.backfill")
    monkeypatch.delattr(pipeline, "backfill")
    monkeypatch.setattr(sys, "meta_path", [CtrlC(), *sys.meta_path])
    summary = tmp_path / "summary.json"
    given = ["backfill", "--input", str(tmp_path), "--output", str(tmp_path / "out")]
    assert main([*given, "--summary_json", str(summary)]) == 1
    assert capsys.readouterr().err == "backfill: interrupted\n"
    found = json.loads(summary.read_text())
    assert (found["outcome"], found["exit_code"], found["error"]) == ("failed", 1, "interrupted")


class TestArguments:
    def test_kinds_are_those_that_can_be_read(self) -> None:
        assert INPUT_KINDS == KINDS

    @pytest.mark.parametrize("text", ["", "a", "a=", "=b", "a=b,", "a=b,c", "a=b,a=c"])
    def test_what_names_no_columns(self, text: str) -> None:
        with pytest.raises(argparse.ArgumentTypeError):
            columns(text)

    def test_a_column_may_have_any_name(self) -> None:
        assert columns("title = head=line ,body=the text") == {
            "title": "head=line", "body": "the text",
        }  # fmt: skip

    @pytest.mark.parametrize("text", ["", "body", "tags,", "tags;entities"])
    def test_what_cannot_be_made_anew(self, text: str) -> None:
        with pytest.raises(argparse.ArgumentTypeError):
            fields_of_records(text)


class TestEstimate:
    def test_a_small_file_is_counted(self, tmp_path: Path) -> None:
        (file,) = find_files([str(lines(tmp_path / "a.jsonl", 50))])
        assert estimate(file, ReadOptions()) == Estimate(50, exact=True)

    def test_of_a_large_one_the_beginning(self, tmp_path: Path) -> None:
        (file,) = find_files([str(lines(tmp_path / "a.jsonl", 20_000))])
        found = estimate(file, ReadOptions(), look_bytes=100_000)
        assert not found.exact
        assert found.entries == pytest.approx(20_000, rel=0.05)
        assert estimate(file, ReadOptions(), look_entries=10).entries is not None

    def test_an_empty_text_is_none(self, tmp_path: Path) -> None:
        for name, data in (("a.txt", b""), ("b.html.gz", gzip.compress(b"")), ("c.json", b"")):
            (tmp_path / name).write_bytes(data)
        found = [str(estimate(file, ReadOptions())) for file in find_files([str(tmp_path)])]
        assert found == ["0", "0", "1"]

    def test_a_document_is_one(self) -> None:
        assert estimate(InputFile("/gone.html", 10**9, "html", None), ReadOptions()).entries == 1

    def test_past_its_time_a_file_is_like_those_before(self, tmp_path: Path) -> None:
        for number in range(3):
            lines(tmp_path / f"{number}.jsonl", 100)
        files = [*find_files([str(tmp_path)]), InputFile("/gone.csv", 5, "csv", None)]
        times = iter([0.0, 0.5, 1.5, 1.5, 1.5])
        found = estimates(files, ReadOptions(), seconds=1.0, clock=lambda: next(times))
        assert [str(one) for one in found] == ["100", "~100", "~100", "?"]

    def test_the_table_ends_with_the_sum(self, tmp_path: Path) -> None:
        (tmp_path / "b\x1b[2J.json").write_text("{}")
        lines(tmp_path / "a.jsonl", 1_500)
        rows = list(table(find_files([str(tmp_path)]), ReadOptions()))
        assert rows[-1].split() == ["total", "33,002", "1,501", "2", "files"]
        assert "\x1b" not in "".join(rows)


def test_small_inputs_need_one_process() -> None:
    options: dict[str, Any] = {**defaults(), "processes": "auto"}
    assert backfill.shared_out(options, 1) == 1
    options = {**defaults(), "processes": "3"}
    assert backfill.shared_out(options, 1) == 3


WARNING = NO_MODEL.format(language="de")
TAGS = (
    Tag("keyword", "port", "port", source="publisher"),
    Tag("keyword", "ship", "ship", source="made by us"),
)


class TestRenew:
    old = article(
        "m",
        entities=(),
        tags=TAGS,
        processing=Processing("0.0.1", "old", "model", "1", ("title cut", WARNING)),
    )

    @given(st.sets(st.sampled_from(["entities", "tags"]), min_size=1))
    def test_what_is_not_named_stays(self, fields: set[str]) -> None:
        new = ready(self.old, fields, "new")
        for field in dataclasses.fields(self.old):
            if field.name not in (*fields, "processing"):
                assert getattr(new, field.name) == getattr(self.old, field.name)
        assert (new.processing.run_id, new.processing.pipeline_version) == ("new", __version__)
        assert "title cut" in new.processing.warnings

    def test_entities_go_with_what_was_said_about_them(self) -> None:
        new = ready(self.old, ["entities"], "new")
        assert (new.entities, new.tags) == (None, TAGS)
        assert (new.processing.model_name, new.processing.model_version) == (None, None)
        assert new.processing.warnings == ("title cut",)

    def test_the_publishers_own_tags_stay(self) -> None:
        new = ready(self.old, ["tags"], "new")
        assert (new.tags, new.entities) == (TAGS[:1], ())
        assert new.processing.model_name == "model"
        assert new.processing.warnings == ("title cut", WARNING)
        assert ready(article("n", tags=None), ["tags"], "new").tags == ()
