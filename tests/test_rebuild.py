from __future__ import annotations

import dataclasses
import datetime as dt
import json
import os
import random
import shutil
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import fastavro
import pipeline.schemas as schemas
import pytest

from pipeline.cli import main
from pipeline.errors import Failed, UsageError
from pipeline.ledger import Ledger, LedgerError, NearRule, Verdict, default_uri, open_ledger
from pipeline.ledger import rebuilding as module
from pipeline.ledger.sqlite import SqliteLedger
from pipeline.rebuild import (
    FIELDS,
    rebuild_ledger,
    refuse_behind,
    refuse_missing,
    standing,
)
from pipeline.records import Draft, DuplicateDraft, Message
from pipeline.sinks.avro import encode, write_file
from pipeline.sinks.files import Form, write_durably
from pipeline.transforms.deduplicate import candidate, duplicate_of
from pipeline.watch.narrow import read_fields
from pipeline.watch.output import Damaged
from pipeline.watch.verify import verify
from tests.articles import NOON, article, dead_letter
from tests.similarity import texts
from tests.watch.outputs import DAY, make_output, some, write

WEEK = dt.timedelta(days=7)
# After so many, message ids begin again: few enough to meet, and seldom one story twice.
REUSED = 40
MICROSECOND = dt.timedelta(microseconds=1)


def database(root: Path) -> Path:
    return root / "_state" / "ledger.sqlite3"


def lose_ledger(root: Path) -> None:
    shutil.rmtree(root / "_state")


def rows(root: Path) -> list[tuple[Any, ...]]:
    """What the ledger knows of every committed message."""
    with sqlite3.connect(database(root)) as look:
        found = look.execute(
            "SELECT m.key, m.message_id, m.article_id, m.kind, m.canonical, m.similarity, f.path"
            " FROM messages m JOIN files f USING (file_id)"
            " WHERE f.committed_at IS NOT NULL AND f.kind != 'dead_letters' ORDER BY m.key"
        ).fetchall()
    look.close()
    return found


def ask(ledger: Ledger, drafts: Sequence[Draft], now: dt.datetime) -> list[Verdict]:
    candidates = [candidate(draft, signed=True) for draft in drafts]
    return ledger.verdicts(candidates, now=now, ttl=WEEK, near=NearRule(0.8))


class World:
    """A run as far as its ledger sees it: articles get verdicts and go into files.

    Args:
        root: the output.
        clock: when the next batch comes.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.clock = NOON
        self.ledger = SqliteLedger(database(root), root)
        self.drafts: list[Draft] = []

    def draft(self, number: int, **marks: str | None) -> Draft:
        """An article, by its number: emulators' ids come again, their times do not."""
        self.clock += MICROSECOND
        message = Message(b"", f"{number % REUSED}", self.clock)
        body = marks.pop("body", None) or f"body {number}"
        made = Draft(
            message,
            article(
                message.message_id,
                body,
                **{"publish_time": self.clock, "ingested_at": self.clock, **marks},
            ),
        )
        self.drafts.append(made)
        return made

    def ask(self, drafts: Sequence[Draft]) -> list[Verdict]:
        return ask(self.ledger, drafts, self.clock)

    def write(self, drafts: Sequence[Draft], verdicts: Sequence[Verdict]) -> None:
        """Writes what is not written, a file a kind."""
        for kind in ("articles", "duplicates"):
            records = [
                encode(_outgoing(draft, verdict))[1]
                for draft, verdict in zip(drafts, verdicts, strict=True)
                if not verdict.committed and (verdict.kind is None) == (kind == "articles")
            ]
            if records:
                write_file(self.root, self.ledger, Form("null"), f"{kind}/{DAY}", records)

    def take(self, *drafts: Draft) -> list[Verdict]:
        verdicts = self.ask(drafts)
        self.write(drafts, verdicts)
        return verdicts

    def fail(self, draft: Draft) -> None:
        """Writes the dead letter of an article."""
        self.ask([draft])
        letter = dead_letter(
            draft.message.message_id, publish_time=draft.message.publish_time, stage="entities"
        )
        write_file(self.root, self.ledger, Form("null"), f"dead_letters/{DAY}", [encode(letter)[1]])

    def rebuild(self) -> None:
        """Loses the ledger and makes it anew."""
        self.ledger.close()
        lose_ledger(self.root)
        rebuild_ledger(self.root)
        self.ledger = SqliteLedger(database(self.root), self.root)


def _outgoing(draft: Draft, verdict: Verdict) -> Draft | DuplicateDraft:
    if verdict.kind is None:
        return draft
    return DuplicateDraft(draft.message, duplicate_of(draft.article, verdict, NOON))


@pytest.fixture
def world(tmp_path: Path) -> Iterable[World]:
    world = World(tmp_path)
    yield world
    world.ledger.close()


BODIES = [texts.story(number, 60) for number in range(4)]
BODIES += [texts.changed(body, 0.02, 1) for body in BODIES]


def story(chance: random.Random) -> dict[str, str | None]:
    """Marks of few stories, so that articles meet by one, two or all of them; or nearly."""
    url = chance.choice([None, *"abcdef"])
    return {
        "canonical_url": url and f"https://example.org/{url}",
        "article_id": f"id {chance.randrange(12)}",
        "body": chance.choice([None, *BODIES]),
    }


@pytest.mark.parametrize("seed", range(12))
def test_a_rebuilt_ledger_says_what_the_lost_one_said(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    world = World(tmp_path)
    for number in range(20):
        # Now and then so late that all, or a part, is forgotten.
        world.clock += chance.choice([dt.timedelta(hours=1), WEEK / 2, WEEK * 1.1])
        world.take(*(world.draft(number * 6 + n, **story(chance)) for n in range(6)))
    old, was = list(world.drafts), world.ask(world.drafts)
    assert all(verdict.committed for verdict in was)
    assert {verdict.kind for verdict in was} == {None, "id", "url", "content", "near"}
    new = [world.draft(1_000 + n, **story(chance)) for n in range(25)]
    world.ledger.close()
    before, said = rows(tmp_path), answers(tmp_path, new, world.clock)
    lose_ledger(tmp_path)
    rebuild_ledger(tmp_path)
    assert rows(tmp_path) == before
    assert answers(tmp_path, new, world.clock) == said
    ledger = SqliteLedger(database(tmp_path), tmp_path)
    assert ask(ledger, old, world.clock) == was
    keys = [(d.message.key, d.message.message_id) for d in old]
    assert ledger.begin("articles", keys, "".join).committed == tuple(key for key, _ in keys)
    ledger.close()


def answers(root: Path, new: Sequence[Draft], now: dt.datetime) -> list[Verdict]:
    """Each article's verdict as if it were the next; by a copy, for what is asked is remembered."""
    copy = root / "copy.sqlite3"
    found: list[Verdict] = []
    for draft in new:
        shutil.copy(database(root), copy)
        ledger = SqliteLedger(copy, root)
        found += ask(ledger, [draft], now)
        ledger.close()
    return found


class TestMarks:
    def test_a_copy_whose_first_one_was_pending(self, world: World) -> None:
        """The first one comes again and is still the first: its copy must not stand before it."""
        first, copy = world.draft(1, body="c"), world.draft(2, body="c", article_id="i")
        verdicts = world.ask([first, copy])
        world.write([copy], verdicts[1:])
        world.rebuild()
        assert world.ask([copy])[0].committed
        assert world.take(first)[0].kind is None
        (later,) = world.ask([world.draft(3, body="c")])
        assert (later.kind, later.canonical_message_id) == ("content", "1")

    def test_nor_one_that_became_a_dead_letter(self, world: World) -> None:
        first, copy = world.draft(1, body="c"), world.draft(2, body="c")
        verdicts = world.ask([first, copy])
        world.write([copy], verdicts[1:])
        world.fail(first)
        world.rebuild()
        assert world.ask([first])[0].committed
        assert world.ask([world.draft(3, body="c")])[0].kind is None

    def test_the_marks_a_copy_brought_point_to_its_first_one(self, world: World) -> None:
        url = {"canonical_url": "https://example.org/a"}
        world.take(world.draft(1, body="c"), world.draft(2, body="c", **url))
        world.rebuild()
        (later,) = world.ask([world.draft(3, body="d", **url)])
        assert (later.kind, later.canonical_message_id) == ("url", "1")

    def test_ids_that_were_handed_out_again(self, world: World) -> None:
        """Message 1 twice, with one article id, the first of them forgotten."""
        world.take(world.draft(1, body="c"))
        world.clock += 2 * WEEK
        second = world.draft(1 + REUSED, body="c")
        world.take(second)
        copy = world.draft(2, body="c")
        world.take(copy)
        world.rebuild()
        assert {row[0]: row[4] for row in rows(world.root)}[copy.message.key] == (
            second.message.key
        )


class TestFiles:
    def test_one_that_was_renamed_and_not_committed(self, tmp_path: Path) -> None:
        make_output(tmp_path)
        (one,) = some("articles", "m")
        name = f"articles/{DAY}/part-0.avro"
        write_durably(tmp_path, name, [one.avro], Form("null"), owner="o")
        assert rebuild_ledger(tmp_path).messages == 6
        assert verify(tmp_path).sound

    def test_pairs(self, tmp_path: Path) -> None:
        make_output(tmp_path, Form("zstandard", pairs=True))
        before = rows(tmp_path)
        lose_ledger(tmp_path)
        rebuild_ledger(tmp_path)
        # The duplicate of these records is of an article that is not there.
        assert rows(tmp_path) == [(*r[:2], *_said(r), r[5] or 1.0, r[6]) for r in before]
        assert verify(tmp_path).sound

    @pytest.mark.parametrize("version", ["0.1.0"])
    def test_of_a_released_version(self, tmp_path: Path, version: str) -> None:
        folder = Path(schemas.__file__).parent / "released" / version
        load = lambda name: json.loads((folder / f"{name}.avsc").read_text())  # noqa: E731
        world = World(tmp_path)
        drafts = [world.draft(1, body="c"), world.draft(2, body="c")]
        verdicts = world.take(*drafts)
        world.ledger.close()
        for kind, file in schemas.KINDS.items():
            schema = load(file)
            for field in schema["fields"]:
                if field["name"] == "article":
                    field["type"] = load("article")
            for path in (tmp_path / kind).glob("*/*.avro"):
                with path.open("rb") as old:
                    records = list(fastavro.reader(old))
                with path.open("wb") as new:
                    fastavro.writer(new, schema, records)
        lose_ledger(tmp_path)
        assert rebuild_ledger(tmp_path).messages == 2
        ledger = SqliteLedger(database(tmp_path), tmp_path)
        again = ask(ledger, drafts, world.clock)
        assert again == [dataclasses.replace(v, committed=True) for v in verdicts]
        ledger.close()

    def test_an_output_that_was_moved(self, tmp_path: Path) -> None:
        make_output(tmp_path / "there")
        (tmp_path / "there").rename(tmp_path / "here")
        lose_ledger(tmp_path / "here")
        rebuild_ledger(tmp_path / "here")
        assert verify(tmp_path / "here").sound

    def test_an_output_that_was_copied(self, tmp_path: Path) -> None:
        make_output(tmp_path / "one")
        shutil.copytree(tmp_path / "one", tmp_path / "two")
        rebuild_ledger(tmp_path / "two")
        ledger = open_ledger(default_uri(tmp_path / "two"), tmp_path / "two")
        assert ledger.other_outputs() == []
        ledger.close()

    def test_a_damaged_one(self, tmp_path: Path) -> None:
        """It does not bring the rest down, nor every later run; what comes again heals it."""
        records = some("articles", "x", "y")
        path = write(tmp_path, "articles", records, form=Form("null"))
        whole = path.read_bytes()
        write(tmp_path, "articles", some("articles", "z"))
        lose_ledger(tmp_path)
        path.write_bytes(whole[:-9])
        rebuilt = rebuild_ledger(tmp_path)
        assert rebuilt.messages == 1
        (finding,) = rebuilt.findings
        assert path.name in finding
        assert path.name in "".join(verify(tmp_path).findings)
        ledger = open_ledger(default_uri(tmp_path), tmp_path)
        refuse_behind(ledger, default_uri(tmp_path), tmp_path, standing(tmp_path))
        written = write_file(tmp_path, ledger, Form("null"), f"articles/{DAY}", records)
        ledger.close()
        assert len(written.records) == 2
        assert verify(tmp_path).sound

    def test_a_hash_that_is_none(self, tmp_path: Path) -> None:
        bad = dataclasses.replace(article("m"), content_hash="no hex")
        avro = encode(Draft(Message(b"", "m", NOON), bad))[1].avro
        write_durably(tmp_path, f"articles/{DAY}/part-0.avro", [avro], Form("null"), owner="o")
        assert "part-0.avro is not in the ledger whole" in rebuild_ledger(tmp_path).findings[0]

    def test_a_message_twice(self, tmp_path: Path) -> None:
        make_output(tmp_path)
        (one,) = some("dead_letters", "a1")
        name = f"dead_letters/{DAY}/part-0.avro"
        write_durably(tmp_path, name, [one.avro], Form("null"), owner="o")
        rebuild_ledger(tmp_path)
        (path,) = [row[6] for row in rows(tmp_path) if row[1] == "a1"]
        assert path.startswith("articles/")
        twice = verify(tmp_path).findings[0]
        assert twice == f"message {one.key} is twice: in {path} and in {name}"

    def test_the_fields_read_are_those_of_the_record(self, tmp_path: Path) -> None:
        for kind, path in make_output(tmp_path).items():
            for record in read_fields(tmp_path, kind, path, FIELDS):
                assert set(record) == FIELDS[kind]
        path.write_bytes(b"nothing")
        with pytest.raises(Damaged, match="dead_letters/"):
            list(read_fields(tmp_path, "dead_letters", path, FIELDS))


def _said(row: tuple[Any, ...]) -> tuple[Any, Any, Any]:
    """article_id, kind and canonical as the records of `make_output` say."""
    content = article("m").article_id
    return content, "url" if row[1] == "d1" else None, None if row[1] == "d1" else row[0]


class TestPlacing:
    def test_the_old_one_is_kept_with_its_wal(self, tmp_path: Path) -> None:
        make_output(tmp_path)
        run = open_ledger(default_uri(tmp_path), tmp_path)
        old = {side: Path(f"{database(tmp_path)}{side}").read_bytes() for side in ("", "-wal")}
        run.close()
        for side, content in old.items():
            Path(f"{database(tmp_path)}{side}").write_bytes(content)
        kept = rebuild_ledger(tmp_path).kept
        assert kept is not None
        assert ".broken-" in kept.name
        for side, content in old.items():
            assert Path(f"{kept}{side}").read_bytes() == content
        assert not Path(f"{database(tmp_path)}-wal").exists()

    def test_a_crash_at_any_rename(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """After it, a run goes on with a whole ledger or says what to do; then doing it helps."""
        uri = default_uri(tmp_path)
        make_output(tmp_path)
        (database(tmp_path).parent / "ledger.sqlite3-wal").touch()
        for survived in range(4):
            real = os.rename
            left = [survived]

            def rename(source: Any, target: Any, left: list[int] = left, real: Any = real) -> None:
                if not left[0]:
                    raise KeyboardInterrupt
                left[0] -= 1
                real(source, target)

            with monkeypatch.context() as patch:
                patch.setattr(os, "rename", rename)
                patch.setattr(Path, "rename", lambda self, target: rename(self, target))
                with suppress(KeyboardInterrupt):
                    rebuild_ledger(tmp_path)
            if not database(tmp_path).exists():
                with pytest.raises(LedgerError, match="--rebuild_ledger"):
                    refuse_missing(uri, tmp_path, standing(tmp_path))
                rebuild_ledger(tmp_path)
            assert verify(tmp_path).sound
            (database(tmp_path).parent / "ledger.sqlite3-wal").touch()

    def test_not_while_a_run_is_at_work(self, tmp_path: Path) -> None:
        make_output(tmp_path)
        run = open_ledger(default_uri(tmp_path), tmp_path)
        with pytest.raises(Failed, match="stop the run"):
            rebuild_ledger(tmp_path)
        run.close()
        rebuild_ledger(tmp_path)

    def test_nor_where_one_began_meanwhile(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make_output(tmp_path)
        runs: list[Any] = []
        link = module.Rebuilding._link

        def begin(rebuilding: Any) -> None:
            runs.append(open_ledger(default_uri(tmp_path), tmp_path))
            link(rebuilding)

        monkeypatch.setattr(module.Rebuilding, "_link", begin)
        with pytest.raises(Failed, match="stop the run"):
            rebuild_ledger(tmp_path)
        runs[0].close()
        assert verify(tmp_path).sound
        assert [p.name for p in database(tmp_path).parent.iterdir() if p.is_file()] == [
            "ledger.sqlite3"
        ]

    def test_elsewhere(self, tmp_path: Path) -> None:
        state = f"sqlite:///{tmp_path / 'elsewhere' / 'l.sqlite3'}"
        make_output(tmp_path / "output", state=state)
        shutil.rmtree(tmp_path / "elsewhere")
        rebuild_ledger(tmp_path / "output", state)
        assert verify(tmp_path / "output", state).sound

    def test_not_in_the_place_of_another_outputs(self, tmp_path: Path) -> None:
        for name in ("one", "two"):
            make_output(tmp_path / name)
        with pytest.raises(UsageError, match="belongs to the output"):
            rebuild_ledger(tmp_path / "two", default_uri(tmp_path / "one"))

    def test_memory(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="nothing to rebuild"):
            rebuild_ledger(tmp_path, "memory://")


class TestRefusing:
    def opened(self, root: Path) -> None:
        """As a run opens its ledger."""
        files = standing(root)
        refuse_missing(default_uri(root), root, files)
        ledger = open_ledger(default_uri(root), root)
        try:
            refuse_behind(ledger, default_uri(root), root, files)
        finally:
            ledger.close()

    def test_a_new_output(self, tmp_path: Path) -> None:
        self.opened(tmp_path)
        make_output(tmp_path)
        self.opened(tmp_path)

    @pytest.mark.parametrize("left", [None, b""], ids=["gone", "empty"])
    def test_records_without_a_ledger(self, tmp_path: Path, left: bytes | None) -> None:
        make_output(tmp_path)
        lose_ledger(tmp_path)
        if left is not None:
            database(tmp_path).parent.mkdir()
            database(tmp_path).write_bytes(left)
        with pytest.raises(LedgerError, match=rf"`article-pipeline verify {tmp_path} --rebuild_"):
            self.opened(tmp_path)
        rebuild_ledger(tmp_path)
        self.opened(tmp_path)

    @pytest.mark.parametrize("garbage", [False, True])
    def test_a_wal_that_is_lost(self, tmp_path: Path, garbage: bool) -> None:
        """SQLite goes back to its last checkpoint without a word: the files know better."""
        make_output(tmp_path)
        old = open_ledger(default_uri(tmp_path), tmp_path)
        copy = database(tmp_path).read_bytes()
        write(tmp_path, "articles", some("articles", "late"))
        wal = Path(f"{database(tmp_path)}-wal").read_bytes()
        old.close()
        database(tmp_path).write_bytes(copy)
        Path(f"{database(tmp_path)}-wal").write_bytes(
            os.urandom(len(wal)) if garbage else wal[:100]
        )
        with pytest.raises(LedgerError, match=r"1 files in .* are not in the ledger"):
            self.opened(tmp_path)
        rebuild_ledger(tmp_path)
        self.opened(tmp_path)
        audit = verify(tmp_path)
        assert (audit.sound, audit.counts["articles"]) == (True, 4)

    def test_an_open_intent_is_known(self, tmp_path: Path) -> None:
        (one,) = some("articles", "m")
        name = f"articles/{DAY}/part-0.avro"
        run = open_ledger(default_uri(tmp_path), tmp_path)
        run.begin("articles", [(one.key, "m")], lambda keys: name)
        write_durably(tmp_path, name, [one.avro], Form("null"), owner=run.owner)
        self.opened(tmp_path)
        run.close()

    def test_memory_is_only_a_note(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        make_output(tmp_path)
        refuse_missing("memory://", tmp_path, standing(tmp_path))
        assert "knows nothing of the 3 files" in caplog.text


class TestCommand:
    @pytest.mark.parametrize("flag_first", [False, True])
    def test_rebuilds_and_audits(
        self, tmp_path: Path, flag_first: bool, capsys: pytest.CaptureFixture[str]
    ) -> None:
        make_output(tmp_path)
        lose_ledger(tmp_path)
        arguments = [str(tmp_path), "--rebuild_ledger"]
        assert main(["verify", *(arguments[::-1] if flag_first else arguments)]) == 0
        first, last = capsys.readouterr().out.splitlines()
        assert first == (
            "the ledger was rebuilt from 3 files with 5 messages; there was none before"
        )
        assert last == "sound: 3 articles, 1 duplicates, 1 dead_letters in 3 files"

    def test_a_damaged_file_is_said(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = make_output(tmp_path)["articles"]
        path.write_bytes(b"")
        assert main(["verify", str(tmp_path), "--rebuild_ledger", "--json"]) == 1
        audit = json.loads(capsys.readouterr().out)
        assert path.name in audit["findings"][0]
        assert "2 messages; the old one is" in audit["notes"][0]

    def test_while_a_run_is_at_work(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        make_output(tmp_path)
        run = open_ledger(default_uri(tmp_path), tmp_path)
        assert main(["verify", str(tmp_path), "--rebuild_ledger"]) == 1
        run.close()
        assert capsys.readouterr().err.count("\n") == 1
