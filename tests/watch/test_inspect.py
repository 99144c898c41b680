from __future__ import annotations

import base64
import datetime as dt
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from pipeline.cli import main
from pipeline.records import Entity, Language, Mention, Source, Tag
from pipeline.sinks.files import Form
from pipeline.watch import inspect
from tests.articles import NOON, article, dead_letter
from tests.watch.outputs import encoded, make_output, some, write

Shown = Callable[..., str]


@pytest.fixture
def shown(tmp_path: Path) -> Shown:
    """What a terminal shows of the output, as `show` of a kind."""

    def text(kind: str = "articles", limit: int | None = None, **arguments: Any) -> str:
        console = Console(file=io.StringIO(), width=200, force_terminal=False)
        inspect.show(tmp_path, kind, limit, console, **arguments)
        assert isinstance(console.file, io.StringIO)
        return console.file.getvalue()

    return text


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


class TestJson:
    def test_one_object_a_record(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        make_output(tmp_path)
        assert main(["inspect", "--json", str(tmp_path)]) == 0
        records = lines(capsys)
        assert [one["message_id"] for one in records] == ["a1", "a2", "a3"]
        assert dt.datetime.fromisoformat(records[0]["publish_time"]) == NOON
        assert records[0]["publish_time"] == "2026-11-24T12:00:00+00:00"

    def test_bytes_are_base64(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        write(tmp_path, "dead_letters", [encoded(dead_letter("m", payload=b"\xff\x00"))])
        assert main(["inspect", "--json", "--dead_letters", str(tmp_path)]) == 0
        (record,) = lines(capsys)
        assert base64.b64decode(record["payload"]) == b"\xff\x00"

    def test_duplicates(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        make_output(tmp_path)
        assert main(["inspect", "--json", "--duplicates", str(tmp_path)]) == 0
        (record,) = lines(capsys)
        assert (record["kind"], record["article"]["message_id"]) == ("url", "d1")

    @pytest.mark.parametrize("kind", ["articles", "dead_letters"])
    def test_attributes_written_as_pairs_are_a_map(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
    ) -> None:
        attributes = {"a": "1", "b": "2"}
        make = article if kind == "articles" else dead_letter
        form = Form("null", pairs=True)
        write(tmp_path, kind, [encoded(make("m", attributes=attributes))], form=form)
        flags = [] if kind == "articles" else ["--dead_letters"]
        assert main(["inspect", "--json", *flags, str(tmp_path)]) == 0
        assert lines(capsys)[0]["attributes"] == attributes

    def test_limit(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        make_output(tmp_path)
        assert main(["inspect", "--json", "--limit", "2", str(tmp_path)]) == 0
        assert len(lines(capsys)) == 2

    @pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
    def test_every_locale_can_write_it(self, tmp_path: Path, encoding: str) -> None:
        write(tmp_path, "articles", [encoded(article("m", "Москва 北京 😀\n"))])
        out = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
        inspect.as_json(tmp_path, "articles", None, out)
        out.seek(0)
        assert json.loads(out.read())["body"] == "Москва 北京 😀\n"


class TestOverview:
    def test_counts_of_each_kind(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        make_output(tmp_path)
        write(
            tmp_path,
            "articles",
            [encoded(article("b", language=Language("en", 1.0)))],
        )
        assert main(["inspect", str(tmp_path)]) == 0
        table = [line.split() for line in capsys.readouterr().out.splitlines()[:4]]
        assert table == [
            ["records", "files", "what"],
            ["4", "articles", "2", "no", "language", "3,", "en", "1"],
            ["1", "duplicates", "1", "url", "1"],
            ["1", "dead_letters", "1", "decode/no_body", "1"],
        ]

    def test_of_one_kind_alone(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        write(tmp_path, "dead_letters", some("dead_letters", "l"))
        assert main(["inspect", str(tmp_path)]) == 0
        assert "0 articles" in capsys.readouterr().out


class TestWhy:
    def test_each_tag_with_what_it_was_given_for(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("COLUMNS", "120")
        tags = (
            Tag("iso3166", "RU", "Russia", 0.75, "places", "2", 2, True, ("Moscow", "Russia")),
            Tag("rule", "oil", "Oil", source="rule:oil", evidence=("crude",)),
        )
        write(tmp_path, "articles", [encoded(article("m", tags=tags)), encoded(article("n"))])
        assert main(["inspect", "--why", str(tmp_path)]) == 0
        said = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
        assert "iso3166 RU Russia (the story) 0.75 2 Moscow · Russia places 2" in said
        assert "rule oil Oil crude rule:oil" in said
        assert "no tags" in said


class TestShow:
    def test_an_article(self, tmp_path: Path, shown: Shown) -> None:
        one = article(
            "m",
            "Mr Putin spoke.\n\nThen he left.",
            source=Source("A paper", "paper.example"),
            published_at=NOON,
            language=Language("en", 0.9),
            entities=(Entity("Putin", "PERSON", 1, None, (Mention("body", 3, 8, "Putin"),)),),
            tags=(Tag("iso3166", "RU", "Russia", 1.0, "places", "1"),),
        )
        write(tmp_path, "articles", [encoded(one)])
        assert shown().strip().splitlines() == [
            "A title",
            "published 2026-11-24 · A paper · 2 words · en 0.90",
            one.article_id,
            "Mr Putin spoke. Then he left.",
            "PERSON Putin",
            "iso3166 RU",
        ]

    def test_a_duplicate(self, tmp_path: Path, shown: Shown) -> None:
        make_output(tmp_path)
        assert shown("duplicates").strip().splitlines()[0] == "A title"
        assert shown("duplicates").strip().splitlines()[-1] == (
            "url of c, message cm, similarity 1.00"
        )

    def test_a_dead_letter(self, tmp_path: Path, shown: Shown) -> None:
        make_output(tmp_path)
        assert shown("dead_letters").strip().splitlines() == [
            "decode/no_body message l1, failed 2026-11-24 12:00:00",
            "there is no body",
            "7 bytes, attributes {}",
        ]

    @pytest.mark.parametrize(
        "title", ["[bold]not[/bold]", "[/]", "[red]", "a\\", "[link=x]", ":smile:", "[/bold] \\["]
    )
    def test_markup_is_shown_as_it_is(self, tmp_path: Path, shown: Shown, title: str) -> None:
        write(tmp_path, "articles", [encoded(article("m", title, title=title))])
        found = shown().splitlines()
        assert found[1] == title
        assert found[4] == title

    def test_nothing_steers_the_terminal(self, tmp_path: Path, shown: Shown) -> None:
        text = "\x1b]0;owned\x07 \x9b2J \u202eabc\r"
        records = [encoded(article("m", text, title=text, article_id=text))]
        write(tmp_path, "articles", records)
        letter = dead_letter("l", error_message=text, attributes={text: text})
        write(tmp_path, "dead_letters", [encoded(letter)])
        for kind in ("articles", "dead_letters"):
            assert not set(shown(kind)) & set("\x1b\x07\x9b\u202e\r")

    @pytest.mark.parametrize("body", ["word " * 200_000, "x" * 1_000_000, " " * 900_000 + "x"])
    def test_huge_texts_are_shortened(self, tmp_path: Path, shown: Shown, body: str) -> None:
        write(tmp_path, "articles", [encoded(article("m", body, title=body))])
        text = shown()
        assert len(text) < 1_000
        assert "…" in text

    def test_of_one_language(self, tmp_path: Path, shown: Shown) -> None:
        of = {"one": Language("en", 1.0), "two": Language("de", 1.0), "three": None}
        write(
            tmp_path,
            "articles",
            [encoded(article(k, title=k, language=v)) for k, v in of.items()],
        )
        assert [t for t in of if t in shown(language="de")] == ["two"]

    def test_ten_by_default(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        write(tmp_path, "articles", some("articles", *map(str, range(12))))
        assert main(["inspect", str(tmp_path)]) == 0
        assert capsys.readouterr().out.count("A title") == 10


class TestCommand:
    @pytest.mark.parametrize("flags", [[], ["--json"]])
    def test_a_damaged_file(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str]
    ) -> None:
        path = make_output(tmp_path)["articles"]
        path.write_bytes(path.read_bytes()[:-5])
        assert main(["inspect", *flags, str(tmp_path)]) == 1
        complaint = capsys.readouterr().err
        assert complaint.count("\n") == 1
        assert complaint.startswith(f"inspect: {path.relative_to(tmp_path)} cannot be read: ")

    def test_no_output(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["inspect", str(tmp_path / "none")]) == 2
        assert capsys.readouterr().err.count("\n") == 1

    @pytest.mark.parametrize("flags", [["--json"], ["--limit", "5000"]], ids=["json", "text"])
    def test_a_reader_that_goes(self, tmp_path: Path, flags: list[str]) -> None:
        write(tmp_path, "articles", some("articles", *map(str, range(3000))))
        command = [sys.executable, "-m", "pipeline", "inspect", *flags, str(tmp_path)]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ}
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            assert process.stdout.readline()
            process.stdout.close()
            assert process.stderr.read() == b""
            assert process.wait(30) == 0

    def test_an_old_locale(self, tmp_path: Path) -> None:
        write(tmp_path, "articles", [encoded(article("m", "Москва", title="Москва"))])
        shown = subprocess.run(
            [sys.executable, "-m", "pipeline", "inspect", str(tmp_path)],
            env={**os.environ, "PYTHONIOENCODING": "ascii"},
            capture_output=True,
            timeout=60,
        )
        assert (shown.returncode, shown.stderr) == (0, b"")
        assert b"\\u041c" in shown.stdout
