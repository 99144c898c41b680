"""Backfills, from the command to the records."""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import fastavro
import pytest

from pipeline.backfill import launch
from pipeline.samples import SampleMessage
from tests.endtoend.commands import Queue, counts, message_ids, records, said
from tests.endtoend.stories import story
from tests.faults.backfill import Backfill, comparable, corpus, differences, strike, verified
from tests.waiting import eventually

PATIENCE_SECONDS = 240.0
QUICK = ("--no_entities", "--no_progress", "--roll_seconds", "1")
LETTERS = "dead_letters"
ONE = (*QUICK, "--processes", "1")


def command(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pipeline", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Two articles, a copy of one, and two that cannot be read, in three kinds of files."""
    folder = tmp_path / "in"
    folder.mkdir()
    lines = [json.dumps(story("harbour")), "{torn", json.dumps(story("harbour"))]
    (folder / "a.jsonl").write_text("\n".join(lines))
    (folder / "b.json").write_text(json.dumps(story("budget")))
    (folder / "c.avro").write_bytes(b"Obj\x01 and then nothing of the kind")
    return folder


class TestOnce:
    @pytest.mark.parametrize("processes", ["1", "2"])
    def test_each_entry_comes_to_one_end(self, mixed: Path, tmp_path: Path, processes: str) -> None:
        output = tmp_path / "out"
        given = ("backfill", "--input", mixed, "--output", output, *QUICK)
        done = command(*given, "--processes", processes)
        assert said(done) == ("5 messages: 2 articles, 1 duplicates, 2 dead letters, 0 redelivered")
        assert counts(output) == {"articles": 2, "duplicates": 1, "dead_letters": 2}
        torn = {one["attributes"]["source_file"]: one for one in records(output, "dead_letters")}
        line = torn[str(mixed / "a.jsonl")]
        assert (line["payload"], line["error_type"]) == (b"{torn", "invalid_json")
        assert line["attributes"]["source_position"] == "line 2"
        assert str(mixed / "c.avro") in torn[str(mixed / "c.avro")]["error_message"]
        assert verified(output) == ""

        again = command(*given, "--processes", processes)
        assert said(again) == (
            "5 messages: 0 articles, 0 duplicates, 0 dead letters, 5 redelivered"
        )
        assert counts(output) == {"articles": 2, "duplicates": 1, "dead_letters": 2}

    def test_a_dry_run_lists_and_writes_nothing(self, mixed: Path, tmp_path: Path) -> None:
        output = tmp_path / "out"
        done = command("backfill", "--input", mixed, "--output", output, "--dry_run")
        assert done.returncode == 0, done.stderr
        head, *rows, total = (line.split() for line in done.stdout.splitlines())
        assert head == ["KIND", "PACKED", "BYTES", "ARTICLES", "FILE"]
        assert [(row[0], row[3]) for row in rows] == [("jsonl", "3"), ("json", "1"), ("avro", "1")]
        assert (total[0], total[2:]) == ("total", ["5", "3", "files"])
        assert not output.exists()


def test_a_stream_and_a_backfill_share_their_ledger(queue: Queue, tmp_path: Path) -> None:
    output, file = tmp_path / "out", tmp_path / "a.jsonl"
    file.write_text("".join(json.dumps(story(name)) + "\n" for name in ("harbour", "budget")))
    assert said(command("backfill", "--input", file, "--output", output, *ONE)).startswith("2 ")
    queue.publish(
        SampleMessage(json.dumps(story(name)).encode(), {}, "article", name)
        for name in ("budget", "river")
    )
    run = queue.run(
        *("run", "--subscription", queue.subscription, "--output", output, *ONE),
        *("--max_messages", "2"),
    )
    assert said(run) == "2 messages: 1 articles, 1 duplicates, 0 dead letters, 0 redelivered"
    file.write_text(json.dumps(story("river")))
    last = command("backfill", "--input", file, "--output", output, *ONE)
    assert said(last) == "1 messages: 0 articles, 1 duplicates, 0 dead letters, 0 redelivered"
    assert verified(output) == ""


class TestUnderFire:
    """See `tests.faults.backfill`, which does more of it."""

    def test_killed_and_started_again_it_gives_the_same_records(
        self, tmp_path: Path, record_property: Any
    ) -> None:
        seed = random.SystemRandom().randrange(1 << 32)
        chance = random.Random(seed)
        corpus(tmp_path / "in", 600, seed)
        quiet = Backfill((tmp_path / "in",), tmp_path / "quiet")
        struck = Backfill((tmp_path / "in",), tmp_path / "struck")
        assert quiet.run() == 0, quiet.log
        strikes = [strike(struck, chance, seconds=0.1) for _ in range(3)]
        kills = [where if killed else f"{where}: was done before" for where, killed in strikes]
        assert struck.run() == 0, struck.log
        record_property("said", f"seed {seed}: {'; '.join(kills)}")
        assert differences(quiet.output, struck.output) == [], seed
        assert len(comparable(quiet.output)) > 400
        assert verified(struck.output) == ""

    def test_with_several_processes_every_message_is_there_once(self, tmp_path: Path) -> None:
        options = (*QUICK, "--roll_records", "20", "--processes", "2")
        entries = corpus(tmp_path / "in", 300, 1)
        struck = Backfill((tmp_path / "in",), tmp_path / "out", options)
        assert struck.kill_after(1, 0.0), struck.log
        # At once: the processes of the one that was killed may be at work on their last file.
        assert struck.run() == 0, struck.log
        assert len(comparable(struck.output)) == entries
        assert verified(struck.output) == ""

    def test_sigterm_drains_and_the_same_command_goes_on(self, tmp_path: Path) -> None:
        entries = corpus(tmp_path / "in", 400, 2)
        # Each file takes a second: the end is far when the first is there.
        options = (*ONE, "--roll_records", "20")
        slow = Backfill((tmp_path / "in",), tmp_path / "out", options)
        process = slow.start("before_write=sleep:1")
        try:
            eventually(lambda: bool(slow.files()), PATIENCE_SECONDS)
            process.send_signal(signal.SIGTERM)
            text, _ = process.communicate(timeout=PATIENCE_SECONDS)
        finally:
            process.kill()
        assert process.returncode == 0, text
        assert "stopped before the end" in text
        assert 0 < len(message_ids(slow.output)) < entries
        assert verified(slow.output) == ""
        assert slow.run() == 0
        assert len(comparable(slow.output)) == entries
        assert "stopped" not in slow.log[-1]


class TestReprocessing:
    @pytest.fixture
    def old(self, mixed: Path, tmp_path: Path) -> Path:
        output = tmp_path / "old"
        said(command("backfill", "--input", mixed, "--output", output, *ONE, "--run_id", "old"))
        return output

    def test_entities_and_tags_are_made_anew_and_the_rest_stays(
        self, old: Path, mixed: Path, tmp_path: Path
    ) -> None:
        new = tmp_path / "new"
        given = ("--input", old / "articles", "--output", new, "--no_progress", "--run_id", "new")
        done = command("backfill", *given, "--reprocess", "entities,tags", "--processes", "1")
        assert said(done) == "2 messages: 2 articles, 0 duplicates, 0 dead letters, 0 redelivered"
        before = {one["message_id"]: one for one in records(old, "articles")}
        after = {one["message_id"]: one for one in records(new, "articles")}
        assert before.keys() == after.keys()
        made = {"entities", "tags", "processing"}
        for message_id, one in after.items():
            assert one["processing"]["run_id"] == "new"
            assert one["processing"]["model_name"]
            assert before[message_id]["entities"] is None
            same = before[message_id].keys() - made
            assert {k: one[k] for k in same} == {k: before[message_id][k] for k in same}
        places = {e["name"] for one in after.values() for e in one["entities"]}
        assert places & {"Aberdeen", "Ottawa"}
        assert verified(new) == ""

        again = command("backfill", *given, "--reprocess", "entities,tags", "--processes", "1")
        assert said(again).endswith(" 0 articles, 0 duplicates, 0 dead letters, 2 redelivered")
        # The new output goes on where the old one was: its articles are known.
        shutil.copy(mixed / "b.json", tmp_path / "copy.json")
        copy = command("backfill", "--input", tmp_path / "copy.json", "--output", new, *ONE)
        assert said(copy) == "1 messages: 0 articles, 1 duplicates, 0 dead letters, 0 redelivered"
        files = command("backfill", "--input", mixed / "b.json", "--output", new, *ONE)
        assert said(files).endswith(" 1 redelivered")

    def test_tags_alone_leave_entities_as_they_are(self, old: Path, tmp_path: Path) -> None:
        new = tmp_path / "new"
        given = ("--input", old / "articles", "--output", new, "--reprocess", "tags")
        said(command("backfill", *given, *ONE))
        assert [one["entities"] for one in records(new, "articles")] == [None, None]

    def test_what_is_no_record_is_a_dead_letter(self, tmp_path: Path) -> None:
        schema = {"type": "record", "name": "R", "fields": [{"name": "body", "type": "string"}]}
        with (tmp_path / "a.avro").open("wb") as file:
            fastavro.writer(file, schema, [{"body": "no record of ours"}])
        new = tmp_path / "new"
        given = ("--input", tmp_path / "a.avro", "--output", new, "--reprocess", "tags")
        said(command("backfill", *given, *ONE))
        (letter,) = records(new, "dead_letters")
        assert letter["error_type"] == "not_a_record"

    def test_not_into_the_same_output(self, old: Path) -> None:
        before = sorted(old.rglob("*"))
        given = ("--input", old / "articles", "--output", old, "--reprocess", "tags")
        done = command("backfill", *given, *ONE)
        assert (done.returncode, done.stdout) == (2, "")
        assert "no id is written twice. Give another folder" in done.stderr
        assert sorted(old.rglob("*")) == before

    def test_dead_letters_are_tried_again(self, old: Path) -> None:
        """Straight back into their output, with what they came with; each of them once."""
        given = ("backfill", "--input", old / "dead_letters", "--output", old, *ONE)
        done = command(*given)
        assert said(done) == "2 messages: 0 articles, 0 duplicates, 2 dead letters, 0 redelivered"
        letters = records(old, "dead_letters")
        keys = {one["message_id"] for one in letters}
        replayed = [one for one in letters if "replayed_from" in one["attributes"]]
        assert len(replayed) == 2
        assert {one["attributes"]["replayed_from"] for one in replayed} <= keys

        # What has been replayed is left alone; what failed again is offered anew.
        done = command(*given)
        assert said(done).startswith("2 messages: 0 articles, 0 duplicates, 2 dead letters, ")
        assert "2 dead letters of " in done.stderr
        assert " left out: replayed before, or not asked for" in done.stderr
        again = [one for one in records(old, "dead_letters") if one not in letters]
        assert {one["attributes"]["replayed_from"] for one in again} == {
            one["message_id"] for one in replayed
        }
        assert verified(old) == ""

    def test_of_dead_letters_those_that_are_asked_for(self, old: Path, tmp_path: Path) -> None:
        def launched(output: Path, **options: Any) -> None:
            given = {"input": [str(old / LETTERS)], "output": str(output), "no_entities": True}
            launch({**given, "processes": "1", "no_progress": True, **options})

        def taken(**options: Any) -> list[str]:
            output = tmp_path / f"new{len(list(tmp_path.iterdir()))}"
            launched(output, **options)
            return sorted(one["attributes"]["replayed_from"] for one in records(output, LETTERS))

        letters = {one["error_type"]: one["message_id"] for one in records(old, LETTERS)}
        assert letters.keys() == {"invalid_json", "unreadable_file"}
        both = sorted(letters.values())
        assert taken(error_type=["unreadable_file"]) == [letters["unreadable_file"]]
        assert taken(stage=["entities"]) == []
        assert taken(stage=["entities", "decode"], until="0s") == both
        assert taken(since="2020-01-01", until="2020-01-02") == []
        # Taken straight back into their own output, they are marked there.
        launched(old)
        anew = sorted({one["message_id"] for one in records(old, LETTERS)} - {*both})
        assert taken() == anew
        assert taken(again=True) == sorted([*both, *anew])
        given = ("--input", old / LETTERS, "--output", tmp_path / "dry", "--dry_run")
        total = command("backfill", *given).stdout.splitlines()[-1].split()
        assert total[2] == str(len(anew)) == "2"
