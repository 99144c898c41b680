from __future__ import annotations

import dataclasses
import datetime as dt
import os
import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipeline.ledger import CommittedFile, LedgerError, Recovery, Verdict
from pipeline.ledger import sqlite as sqlite_ledger
from pipeline.ledger.sqlite import SqliteLedger
from tests.ledger.helpers import NOW, WEEK, ask, begin, candidate, commit, write

A_DAY = dt.timedelta(days=1)


@pytest.fixture
def ledger(database: Path, root: Path) -> Iterator[SqliteLedger]:
    with_close = SqliteLedger(database, root)
    yield with_close
    with_close.close()


@pytest.fixture
def other(database: Path, root: Path, ledger: SqliteLedger) -> Iterator[SqliteLedger]:
    """A second process' ledger, as far as the ledger can tell."""
    with_close = SqliteLedger(database, root)
    yield with_close
    with_close.close()


class TestVerdicts:
    def test_the_first_copy_is_its_own_canonical_article(self, ledger: SqliteLedger) -> None:
        (verdict,) = ask(ledger, candidate("a", id="1", url="u", content="c"))
        assert verdict == Verdict(canonical_id="article of a", canonical_message_id="message of a")

    @pytest.mark.parametrize("kind", ["id", "url", "content"])
    def test_one_common_mark_makes_a_duplicate(self, ledger: SqliteLedger, kind: str) -> None:
        theirs = {"id": "1", "url": "u", "content": "c"}
        ours = {"id": "2", "url": "v", "content": "d"} | {kind: theirs[kind]}
        ask(ledger, candidate("a", **theirs))
        (verdict,) = ask(ledger, candidate("b", **ours))
        assert verdict == Verdict(
            kind=kind, canonical_id="article of a", canonical_message_id="message of a"
        )

    def test_the_strongest_mark_names_the_kind(self, ledger: SqliteLedger) -> None:
        ask(ledger, candidate("a", id="1", url="u", content="c"))
        (verdict,) = ask(ledger, candidate("b", url="u", content="c"))
        assert verdict.kind == "url"

    def test_marks_of_different_kinds_never_meet(self, ledger: SqliteLedger) -> None:
        ask(ledger, candidate("a", url="same"))
        assert ask(ledger, candidate("b", content="same"))[0].kind is None

    def test_a_redelivery_gets_the_same_verdict(self, ledger: SqliteLedger) -> None:
        first, copy = candidate("a", content="c"), candidate("b", content="c")
        assert ask(ledger, first, copy) == ask(ledger, first, copy) == ask(ledger, first, copy)
        assert ask(ledger, copy, first)[1].kind is None

    def test_earlier_candidates_of_a_batch_count_for_later_ones(self, ledger: SqliteLedger) -> None:
        verdicts = ask(ledger, *(candidate(key, content="c") for key in "abc"))
        assert [v.kind for v in verdicts] == [None, "content", "content"]
        assert {v.canonical_message_id for v in verdicts} == {"message of a"}

    def test_a_message_twice_in_a_batch_is_no_duplicate_of_itself(
        self, ledger: SqliteLedger
    ) -> None:
        one = candidate("a", content="c")
        assert [v.kind for v in ask(ledger, one, one)] == [None, None]

    def test_a_duplicate_of_a_duplicate_points_to_the_first_copy(
        self, ledger: SqliteLedger
    ) -> None:
        verdicts = ask(
            ledger,
            candidate("a", content="c"),
            candidate("b", url="u", content="c"),
            candidate("c", url="u", content="d"),
            candidate("d", content="d"),
        )
        assert [v.kind for v in verdicts] == [None, "content", "url", "content"]
        assert {v.canonical_id for v in verdicts} == {"article of a"}

    def test_of_two_first_copies_the_earlier_is_canonical(self, ledger: SqliteLedger) -> None:
        ask(ledger, candidate("a", url="u", content="c"), now=NOW)
        ask(ledger, candidate("b", url="v", content="d"), now=NOW + A_DAY)
        (verdict,) = ask(ledger, candidate("c", url="v", content="c"), now=NOW + 2 * A_DAY)
        assert (verdict.kind, verdict.canonical_id) == ("content", "article of a")

    def test_what_is_older_than_the_ttl_is_forgotten(self, ledger: SqliteLedger) -> None:
        ask(ledger, candidate("a", content="c"))
        later = NOW + WEEK + dt.timedelta(microseconds=1)
        assert ask(ledger, candidate("b", content="c"), now=NOW + WEEK)[0].kind == "content"
        assert ask(ledger, candidate("c", content="c"), now=later)[0].kind is None
        # ... and from then on the new one is the canonical one.
        (verdict,) = ask(ledger, candidate("d", content="c"), now=later)
        assert verdict.canonical_id == "article of c"

    def test_a_redelivery_keeps_its_verdict_beyond_the_ttl(self, ledger: SqliteLedger) -> None:
        verdicts = ask(ledger, candidate("a", content="c"), candidate("b", content="c"))
        again = ask(
            ledger, candidate("a", content="c"), candidate("b", content="c"), now=NOW + 2 * WEEK
        )
        assert again == verdicts

    def test_forgotten_marks_leave_the_database_a_few_at_a_time(
        self, ledger: SqliteLedger, database: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sqlite_ledger, "PURGE_MARKS", 40)
        ask(ledger, *(candidate(f"old {n}", content=f"old {n}") for n in range(100)))
        left = []
        for n in range(3):
            ask(ledger, candidate(f"new {n}", content=f"new {n}"), now=NOW + 2 * WEEK)
            with sqlite3.connect(database) as look:
                left += look.execute("SELECT count(*) FROM marks").fetchone()
        assert left == [60 + 1, 20 + 2, 3]

    def test_committed_messages_are_recognised(self, ledger: SqliteLedger, root: Path) -> None:
        a, b = candidate("a", content="c"), candidate("b", content="c")
        before = ask(ledger, a, b)
        commit(ledger, root, ["a"])
        commit(ledger, root, ["b"], "duplicates")
        assert ask(ledger, a, b) == [dataclasses.replace(v, committed=True) for v in before]

    def test_an_article_that_became_a_dead_letter_is_no_canonical_one(
        self, ledger: SqliteLedger, root: Path
    ) -> None:
        ask(ledger, candidate("a", url="u", content="c"))
        commit(ledger, root, ["a"], "dead_letters")
        assert ask(ledger, candidate("a", content="c"))[0].committed
        verdicts = ask(ledger, candidate("b", content="c"), candidate("c", url="u"))
        assert [v.kind for v in verdicts] == [None, None]

    def test_nor_by_the_marks_that_its_copies_brought(
        self, ledger: SqliteLedger, root: Path
    ) -> None:
        ask(ledger, candidate("a", content="c"), candidate("b", url="u", content="c"))
        commit(ledger, root, ["a"], "dead_letters")
        assert ask(ledger, candidate("d", url="u", content="d"))[0].kind is None

    def test_a_duplicate_that_became_a_dead_letter_leaves_the_first_copy_known(
        self, ledger: SqliteLedger, root: Path
    ) -> None:
        ask(ledger, candidate("a", content="c"), candidate("b", url="u", content="c"))
        commit(ledger, root, ["b"], "dead_letters")
        (verdict,) = ask(ledger, candidate("d", url="u", content="d"))
        assert (verdict.kind, verdict.canonical_id) == ("url", "article of a")

    def test_a_dead_letter_that_was_never_written_may_become_an_article(
        self, database: Path, root: Path
    ) -> None:
        dead = SqliteLedger(database, root)
        begin(dead, ["a"], "dead_letters")
        dead.close()
        ledger = SqliteLedger(database, root)
        ledger.recover()
        verdicts = ask(ledger, candidate("a", content="c"), candidate("b", content="c"))
        assert [v.kind for v in verdicts] == [None, "content"]
        assert not verdicts[0].committed
        assert commit(ledger, root, ["a"]).granted == ("a",)
        ledger.close()

    def test_more_candidates_than_sqlite_takes_parameters(self, ledger: SqliteLedger) -> None:
        many = [candidate(f"{n}", content=f"{n // 2}") for n in range(33_000)]
        verdicts = ask(ledger, *many)
        assert [v.kind for v in verdicts] == [None, "content"] * 16_500

    def test_nothing_asked(self, ledger: SqliteLedger) -> None:
        assert ask(ledger) == []


class TestIntents:
    def test_what_nobody_has_is_granted_in_the_order_asked(self, ledger: SqliteLedger) -> None:
        intent = begin(ledger, ["b", "a", "c"])
        assert intent.granted == ("b", "a", "c")
        assert (intent.committed, intent.elsewhere) == ((), ())
        assert ledger.open_intents() == [intent.path]

    def test_what_is_committed_is_left_out(self, ledger: SqliteLedger, root: Path) -> None:
        commit(ledger, root, ["a", "b"])
        intent = begin(ledger, ["c", "b"])
        assert (intent.granted, intent.committed) == (("c",), ("b",))

    def test_the_name_depends_on_the_granted_alone(
        self, ledger: SqliteLedger, other: SqliteLedger, root: Path
    ) -> None:
        commit(ledger, root, ["a"])
        begin(other, ["b"])
        asked = []
        intent = ledger.begin(
            "articles",
            [(key, key) for key in "abcd"],
            lambda keys: asked.append(tuple(keys)) or f"articles/{''.join(keys)}.avro",
        )
        assert asked == [("c", "d")]
        assert intent.path == "articles/cd.avro"
        assert (intent.committed, intent.elsewhere) == (("a",), ("b",))

    def test_nothing_left_to_write_opens_nothing(self, ledger: SqliteLedger, root: Path) -> None:
        commit(ledger, root, ["a"])
        intent = begin(ledger, ["a"])
        assert (intent.path, intent.granted, intent.committed) == ("", (), ("a",))
        assert ledger.open_intents() == []

    def test_a_retry_arrives_at_the_same_file(self, ledger: SqliteLedger, root: Path) -> None:
        first = begin(ledger, ["a", "b"])
        again = begin(ledger, ["b", "a"])
        assert again.path == first.path
        assert set(again.granted) == {"a", "b"}
        write(root, again)
        ledger.commit(again)
        assert ledger.committed_files() == [CommittedFile(first.path, 2)]

    def test_another_file_of_this_process_is_elsewhere(self, ledger: SqliteLedger) -> None:
        begin(ledger, ["a", "b"])
        intent = begin(ledger, ["b", "c"])
        assert (intent.granted, intent.elsewhere) == (("c",), ("b",))

    def test_a_message_goes_into_one_kind_of_file_only(
        self, ledger: SqliteLedger, root: Path
    ) -> None:
        begin(ledger, ["a"], "articles")
        assert begin(ledger, ["a"], "dead_letters").elsewhere == ("a",)
        commit(ledger, root, ["a"], "articles")
        assert begin(ledger, ["a"], "dead_letters").committed == ("a",)

    def test_what_a_living_process_writes_is_elsewhere(
        self, ledger: SqliteLedger, other: SqliteLedger, root: Path
    ) -> None:
        intent = begin(other, ["a", "b"])
        assert begin(ledger, ["a", "b"]).elsewhere == ("a", "b")
        write(root, intent)
        other.commit(intent)
        assert begin(ledger, ["a", "b"]).committed == ("a", "b")

    def test_done_is_what_stands_in_a_committed_file(
        self, ledger: SqliteLedger, other: SqliteLedger, root: Path
    ) -> None:
        commit(ledger, root, ["a"])
        commit(other, root, ["b"], "dead_letters")
        begin(ledger, ["c"])
        begin(other, ["d"])
        ask(ledger, candidate("e", url="u"))
        many = [f"unknown {n}" for n in range(2_000)]
        assert ledger.done(["d", "a", "e", "c", "b", *many]) == {"a", "b"}
        assert ledger.done([]) == set()

    def test_what_a_process_that_died_after_our_start_did_not_write_is_ours(
        self, ledger: SqliteLedger, database: Path, root: Path
    ) -> None:
        late = SqliteLedger(database, root)
        intent = begin(late, ["a", "b"])
        late.close()
        ours = begin(ledger, ["a", "b"])
        assert (ours.granted, ours.path) == (("a", "b"), intent.path)
        write(root, ours)
        ledger.commit(ours)

    def test_what_it_did_write_is_committed(
        self, ledger: SqliteLedger, database: Path, root: Path
    ) -> None:
        late = SqliteLedger(database, root)
        intent = begin(late, ["a", "b"])
        write(root, intent)
        late.close()
        ours = begin(ledger, ["a", "c"])
        assert (ours.granted, ours.committed) == (("c",), ("a",))

    def test_more_messages_than_sqlite_takes_parameters(
        self, ledger: SqliteLedger, root: Path
    ) -> None:
        keys = [f"{n}" for n in range(33_000)]
        assert len(commit(ledger, root, keys).granted) == 33_000
        assert len(begin(ledger, keys).committed) == 33_000
        assert len(list(ledger.committed_messages())) == 33_000


class TestCommit:
    def test_twice_is_once(self, ledger: SqliteLedger, root: Path) -> None:
        intent = commit(ledger, root, ["a"])
        ledger.commit(intent)
        assert ledger.committed_files() == [CommittedFile(intent.path, 1)]
        assert list(ledger.committed_messages()) == [(intent.path, "a")]

    def test_an_intent_that_was_taken_away_cannot_be_committed(
        self, ledger: SqliteLedger, database: Path, root: Path
    ) -> None:
        lost = SqliteLedger(database, root)
        intent = begin(lost, ["a"])
        # As if the machine had lost its locks.
        lost._owners.leave()
        assert ledger.recover().dropped == (intent.path,)
        with pytest.raises(LedgerError, match="come again"):
            lost.commit(intent)
        assert begin(ledger, ["a"]).granted == ("a",)
        with pytest.raises(LedgerError, match="come again"):
            lost.commit(intent)
        lost.close()

    def test_a_failed_transaction_leaves_nothing_and_the_ledger_usable(
        self, ledger: SqliteLedger
    ) -> None:
        def fail(keys: object) -> str:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            ledger.begin("articles", [("a", "a")], fail)
        assert ledger.open_intents() == []
        assert begin(ledger, ["a"]).granted == ("a",)

    def test_a_commit_that_sqlite_refuses_leaves_the_ledger_usable(
        self, ledger: SqliteLedger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        execute = ledger._db.execute

        def refuse(statement: str, parameters: tuple[object, ...] = ()) -> sqlite3.Cursor:
            if statement == "COMMIT":
                raise sqlite3.OperationalError("database or disk is full")
            return execute(statement, parameters)

        monkeypatch.setattr(ledger._db, "execute", refuse)
        with pytest.raises(LedgerError, match="disk is full"):
            begin(ledger, ["a"])
        monkeypatch.undo()
        assert ledger.open_intents() == []
        assert begin(ledger, ["a"]).granted == ("a",)


class TestRecover:
    @pytest.fixture
    def dead(self, database: Path, root: Path) -> Iterator[SqliteLedger]:
        ledger = SqliteLedger(database, root)
        yield ledger
        ledger.close()

    def test_completes_what_exists_and_drops_what_does_not(
        self, ledger: SqliteLedger, dead: SqliteLedger, root: Path
    ) -> None:
        written, unwritten = begin(dead, ["a", "b"]), begin(dead, ["c"])
        write(root, written)
        dead.close()
        recovery = ledger.recover()
        assert recovery.completed == (written.path,)
        assert recovery.dropped == (unwritten.path,)
        assert ledger.open_intents() == []
        assert begin(ledger, ["a", "b", "c"]).committed == ("a", "b")

    def test_leaves_the_living_alone(self, ledger: SqliteLedger, other: SqliteLedger) -> None:
        intent = begin(other, ["a"])
        mine = begin(ledger, ["b"])
        assert ledger.recover() == Recovery()
        assert ledger.open_intents() == sorted([intent.path, mine.path])

    def test_finds_files_in_an_output_that_was_moved(
        self, dead: SqliteLedger, root: Path, tmp_path: Path
    ) -> None:
        intent = begin(dead, ["a"])
        write(root, intent)
        dead.close()
        moved = root.rename(tmp_path / "elsewhere")
        ledger = SqliteLedger(moved / "_state" / "ledger.sqlite3", moved)
        assert ledger.recover().completed == (intent.path,)
        ledger.close()

    def test_makes_the_name_of_a_completed_file_durable_first(
        self, ledger: SqliteLedger, dead: SqliteLedger, root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Its writer may have died between the rename and the sync of the folder."""
        intent = begin(dead, ["a"])
        write(root, intent)
        dead.close()
        synced = []
        real = os.fsync
        monkeypatch.setattr(
            os, "fsync", lambda fd: (synced.append(os.readlink(f"/proc/self/fd/{fd}")), real(fd))
        )
        ledger.recover()
        assert str((root / intent.path).parent) in synced

    def test_drops_nothing_that_it_cannot_look_at(
        self, ledger: SqliteLedger, dead: SqliteLedger, root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        intent = begin(dead, ["a"])
        write(root, intent)
        dead.close()
        real = Path.stat

        def stat(path: Path, **kwargs: bool) -> os.stat_result:
            if path.name == Path(intent.path).name:
                raise PermissionError(13, "Permission denied", str(path))
            return real(path, **kwargs)

        monkeypatch.setattr(Path, "stat", stat)
        with pytest.raises(PermissionError):
            ledger.recover()
        monkeypatch.undo()
        assert ledger.recover().completed == (intent.path,)


class TestOpening:
    def test_a_file_that_is_no_database(self, database: Path, root: Path) -> None:
        database.parent.mkdir(parents=True)
        database.write_bytes(b"not a database at all" * 100)
        with pytest.raises(LedgerError, match=r"is damaged .*--rebuild_ledger"):
            SqliteLedger(database, root)
        assert list(Path(f"{database}.owners").iterdir()) == []

    def test_a_later_version(self, database: Path, root: Path) -> None:
        SqliteLedger(database, root).close()
        with sqlite3.connect(database) as later:
            later.execute("PRAGMA user_version=99")
        later.close()
        with pytest.raises(LedgerError, match="version 99"):
            SqliteLedger(database, root)
        assert list(Path(f"{database}.owners").iterdir()) == []

    def test_many_at_once(self, database: Path, root: Path) -> None:
        with ThreadPoolExecutor(8) as pool:
            ledgers = list(pool.map(lambda _: SqliteLedger(database, root), range(8)))
        assert len({ledger.owner for ledger in ledgers}) == 8
        for ledger in ledgers:
            ledger.close()

    def test_in_memory(self, root: Path) -> None:
        ledger = SqliteLedger(None, root)
        ask(ledger, candidate("a", content="c"))
        commit(ledger, root, ["a"])
        assert ask(ledger, candidate("a", content="c"))[0].committed
        ledger.close()

    def test_it_stays_when_it_is_opened_again(self, database: Path, root: Path) -> None:
        first = SqliteLedger(database, root)
        ask(first, candidate("a", content="c"))
        first.close()
        second = SqliteLedger(database, root)
        assert ask(second, candidate("b", content="c"))[0].kind == "content"
        second.close()


class TestLooking:
    def test_committed_messages_come_page_by_page_and_hold_nothing(
        self, ledger: SqliteLedger, root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sqlite_ledger, "PAGE", 3)
        intent = commit(ledger, root, [f"{n}" for n in range(8)])
        begin(ledger, ["open"])
        ask(ledger, candidate("pending", content="c"))
        rows = ledger.committed_messages()
        found = [next(rows)]
        with ThreadPoolExecutor(1) as pool:
            pool.submit(begin, ledger, ["more"]).result(timeout=10)
        found += rows
        assert found == [(intent.path, f"{n}") for n in range(8)]


def test_of_equal_articles_that_race_exactly_one_is_first(
    ledger: SqliteLedger, other: SqliteLedger, root: Path
) -> None:
    """Two processes get the same 300 stories at once, and each writes what it was told."""
    start = threading.Barrier(2)

    def work(mine: SqliteLedger, name: str) -> dict[str, str]:
        start.wait()
        ends = {}
        for n in range(0, 300, 60):
            batch = [candidate(f"{name}{i}", content=f"{i}") for i in range(n, n + 60)]
            verdicts = ask(mine, *batch)
            for kind, wanted in (("articles", True), ("duplicates", False)):
                keys = [
                    c.key
                    for c, v in zip(batch, verdicts, strict=True)
                    if (v.kind is None) is wanted
                ]
                ends |= dict.fromkeys(commit(mine, root, keys, kind).granted, kind)
        return ends

    with ThreadPoolExecutor(2) as pool:
        a, b = pool.map(work, (ledger, other), "ab")
    for i in range(300):
        assert sorted((a[f"a{i}"], b[f"b{i}"])) == ["articles", "duplicates"]


def test_one_message_delivered_to_two_processes_is_written_once(
    ledger: SqliteLedger, other: SqliteLedger, root: Path
) -> None:
    start = threading.Barrier(2)

    def work(mine: SqliteLedger) -> list[str]:
        start.wait()
        written: list[str] = []
        for n in range(0, 300, 30):
            written += commit(mine, root, [f"{i}" for i in range(n, n + 30)]).granted
        return written

    with ThreadPoolExecutor(2) as pool:
        a, b = pool.map(work, (ledger, other))
    assert not set(a) & set(b)
    assert len(list(ledger.committed_messages())) == 300
