"""Near-duplicates in a ledger: found, bounded, forgotten, and never all of a story's copies."""

from __future__ import annotations

import datetime as dt
import itertools
import multiprocessing
import sqlite3
import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.ledger import Candidate, NearRule, Verdict, sqlite_neighbours
from pipeline.ledger import neighbours as module
from pipeline.ledger.sqlite import SqliteLedger
from pipeline.similarity.signature import sign
from tests.ledger.helpers import NOW, WEEK, candidate, commit
from tests.similarity.texts import changed, story, template

RULE = NearRule(0.8)
ANNOTATE = NearRule(0.8, separate=False)
COPIES = 4


def of(key: str, text: str, **marks: str) -> Candidate:
    """The article of message `key` with this text."""
    bare = candidate(key, **{"content": text, **marks})
    return Candidate(bare.key, bare.message_id, bare.article_id, bare.marks, sign(text))


def ask(
    ledger: SqliteLedger,
    *candidates: Candidate,
    now: dt.datetime = NOW,
    near: NearRule | None = RULE,
) -> list[Verdict]:
    return ledger.verdicts(candidates, now=now, ttl=WEEK, near=near)


def copies(seed: int = 0) -> list[Candidate]:
    """So many that are all near each other, and no two the same."""
    text = story(seed, 400)
    return [of(f"{seed}-{copy}", changed(text, 0.008 * copy, copy)) for copy in range(COPIES)]


@pytest.fixture
def ledger(root: Path) -> SqliteLedger:
    return SqliteLedger(None, root)


class TestVerdicts:
    def test_a_near_copy_names_its_canonical_article(self, ledger: SqliteLedger) -> None:
        first, second, *_ = copies()
        (one,) = ask(ledger, first)
        (two,) = ask(ledger, second)
        assert one.kind is None
        assert (two.kind, two.canonical_id, two.canonical_message_id) == (
            "near",
            first.article_id,
            first.message_id,
        )
        assert 0.8 <= two.similarity < 1

    def test_in_one_batch_too(self, ledger: SqliteLedger) -> None:
        verdicts = ask(ledger, *copies(), of("x", story(9)), *copies(1))
        assert [v.kind for v in verdicts] == [None, *["near"] * 3, None, None, *["near"] * 3]

    def test_a_redelivery_gets_its_verdict_again(self, ledger: SqliteLedger) -> None:
        verdicts = ask(ledger, *copies())
        for order in itertools.permutations(zip(copies(), verdicts, strict=True)):
            again = ask(ledger, *(one for one, _ in order))
            assert again == [verdict for _, verdict in order]

    def test_an_exact_copy_is_one_of_its_kind(self, ledger: SqliteLedger) -> None:
        first, second, *_ = copies()
        third = of("other", changed(story(0, 400), 0.008, 1), url="u")
        ask(ledger, first, second)
        (verdict,) = ask(ledger, third)
        assert (verdict.kind, verdict.similarity) == ("content", 1.0)
        assert verdict.canonical_id == first.article_id

    def test_without_a_rule_nothing_is_near(self, ledger: SqliteLedger) -> None:
        assert [v.kind for v in ask(ledger, *copies(), near=None)] == [None] * COPIES

    def test_one_too_short_for_a_signature_is_no_trouble(self, ledger: SqliteLedger) -> None:
        one, other = of("a", "More."), of("b", "More!")
        assert one.signature is None
        assert [v.kind for v in ask(ledger, one, other)] == [None, None]

    def test_the_canonical_article_is_the_earliest(self, ledger: SqliteLedger) -> None:
        """A copy of two that are no copies of each other is one of the earlier."""
        text = story(0, 400)
        one, other = changed(text, 0.06, 1), changed(text, 0.06, 2)
        rule = NearRule(0.6)
        assert [v.kind for v in ask(ledger, of("1", one), of("2", other), near=rule)] == [None] * 2
        (verdict,) = ask(ledger, of("0", text), near=rule)
        assert (verdict.kind, verdict.canonical_message_id) == ("near", "message of 1")

    def test_small_changes_lead_to_no_other_story(self, ledger: SqliteLedger) -> None:
        """What is set apart is like an article that stays, however many copies lie between."""
        texts = [story(0, 400)]
        for step in range(30):
            texts.append(changed(texts[-1], 0.03, step))
        verdicts = ask(ledger, *(of(f"{n}", text) for n, text in enumerate(texts)))
        firsts = [n for n, verdict in enumerate(verdicts) if verdict.kind is None]
        assert 1 < len(firsts) < 31
        for number, verdict in enumerate(verdicts):
            if verdict.kind is not None:
                assert verdicts[int(verdict.canonical_message_id.split()[-1])].kind is None, number
                assert verdict.similarity >= 0.8

    def test_another_event_from_one_template_stays(self, ledger: SqliteLedger) -> None:
        verdicts = ask(ledger, *(of(f"{n}", template(n, facts=20)) for n in range(20)))
        assert [v.kind for v in verdicts] == [None] * 20

    def test_a_dead_letter_is_no_ones_first_copy(self, root: Path, ledger: SqliteLedger) -> None:
        first, second, third, _ = copies()
        ask(ledger, first)
        commit(ledger, root, [first.key], "dead_letters")
        two, three = ask(ledger, second, third)
        assert two.kind is None
        assert three.canonical_id == second.article_id

    def test_what_stays_an_article_may_have_copies(self, ledger: SqliteLedger) -> None:
        text = story(0, 400)
        texts = [changed(text, 0.03 * step, 5) for step in range(3)]
        one, two, three = (of(f"{n}", each) for n, each in enumerate(texts))
        verdicts = ask(ledger, one, two, three, of("3", texts[1]), near=ANNOTATE)
        assert [v.kind for v in verdicts] == [None, "near", "near", "content"]
        assert verdicts[3].canonical_id == two.article_id


class TestRaces:
    @settings(max_examples=60)
    @given(
        order=st.permutations(range(2 * COPIES)),
        cuts=st.sets(st.integers(1, 2 * COPIES - 1)),
        sides=st.lists(st.integers(0, 1), min_size=2 * COPIES, max_size=2 * COPIES),
    )
    def test_in_any_order_of_any_batches_one_copy_stays(
        self,
        order: list[int],
        cuts: set[int],
        sides: list[int],
        tmp_path_factory: pytest.TempPathFactory,
    ) -> None:
        """Two processes, whose batches are transactions: one after the other in some order."""
        root = tmp_path_factory.mktemp("out")
        both = [SqliteLedger(root / "ledger.sqlite3", root) for _ in range(2)]
        every = [*copies(0), *copies(1)]
        asked = [every[place] for place in order]
        ends = [0, *sorted(cuts), len(asked)]
        verdicts: dict[str, Verdict] = {}
        for side, start, end in zip(sides, ends, ends[1:], strict=False):
            part = asked[start:end]
            verdicts.update(zip((c.key for c in part), ask(both[side], *part), strict=True))
        for one in both:
            one.close()
        one_of_each(verdicts)

    def test_at_once_in_threads_and_processes(self, root: Path) -> None:
        root.mkdir()
        path = root / "ledger.sqlite3"
        SqliteLedger(path, root).close()
        stories = 40
        context = multiprocessing.get_context("spawn")
        with context.Pool(2) as pool:
            parts = pool.starmap(_ask_all, [(path, root, seed, stories) for seed in range(4)])
        told: dict[str, Verdict] = {}
        for part in parts:
            for key, verdict in part.items():
                assert told.setdefault(key, verdict) == verdict
        assert len(told) == stories * COPIES
        one_of_each(told)


def _ask_all(path: Path, root: Path, seed: int, stories: int) -> dict[str, Verdict]:
    """Verdicts on the same stories, in an order of its own, from two threads."""
    ledger = SqliteLedger(path, root)
    every = [one for number in range(stories) for one in copies(number)]
    Random(seed).shuffle(every)
    told: dict[str, Verdict] = {}

    def some(part: Sequence[Candidate]) -> None:
        for start in range(0, len(part), 7):
            batch = part[start : start + 7]
            told.update(zip((c.key for c in batch), ask(ledger, *batch), strict=True))

    threads = [threading.Thread(target=some, args=(every[half::2],)) for half in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ledger.close()
    return told


def one_of_each(verdicts: dict[str, Verdict]) -> None:
    """Of each story one stays, and the others are copies of that one."""
    for seed in {key.split("-")[0] for key in verdicts}:
        mine = {k: v for k, v in verdicts.items() if k.split("-")[0] == seed}
        (first,) = (key for key, verdict in mine.items() if verdict.kind is None)
        assert {v.canonical_message_id for v in mine.values()} == {f"message of {first}"}


class TestBounds:
    def test_the_old_are_forgotten_and_leave_no_trace(
        self, root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sqlite_neighbours, "ROUND", 200)
        ledger = SqliteLedger(root / "ledger.sqlite3", root)
        days = 60
        for day in range(days):
            now = NOW + day * dt.timedelta(days=1)
            batch = (of(f"{day}-{n}", story(1_000 * day + n, 60)) for n in range(20))
            assert [v.kind for v in ask(ledger, *batch, now=now)] == [None] * 20
        ledger.close()
        with sqlite3.connect(root / "ledger.sqlite3") as look:
            (kept,) = look.execute("SELECT count(*) FROM signatures").fetchone()
            counts = "SELECT (SELECT count(*) FROM bands), (SELECT count(*) FROM new_bands)"
            bands, new = look.execute(counts).fetchone()
        look.close()
        # Of the day that is a week ago nothing has gone yet, or some.
        assert 7 * 20 <= kept <= 9 * 20
        # As much of what was forgotten as the sweep has not come by yet, and no more.
        assert 16 * kept <= bands + new <= 16 * (kept + 200)
        assert new <= 16 * 200

    def test_a_backlog_of_old_ones_takes_no_new_ones_along(
        self, ledger: SqliteLedger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """More is too old than is forgotten at a time, as after a pause."""
        monkeypatch.setattr(sqlite_neighbours, "ROUND", 100)
        for start in range(0, 1_000, 100):
            ask(ledger, *(of(f"{n}", story(n, 60)) for n in range(start, start + 100)))
        after = NOW + WEEK + dt.timedelta(days=1)
        ask(ledger, *(of(f"live {n}", story(5_000 + n)) for n in range(10)), now=after)
        ask(ledger, *(of(f"more {n}", story(9_000 + n, 60)) for n in range(100)), now=after)
        asked = (of(f"copy {n}", changed(story(5_000 + n), 0.02, n)) for n in range(10))
        assert [v.kind for v in ask(ledger, *asked, now=after)] == ["near"] * 10

    def test_what_was_forgotten_is_new(self, ledger: SqliteLedger) -> None:
        first, second, third, _ = copies()
        ask(ledger, first)
        after = NOW + WEEK + dt.timedelta(seconds=1)
        (two,) = ask(ledger, second, now=after)
        assert two.kind is None
        (three,) = ask(ledger, third, now=after)
        assert three.canonical_id == second.article_id

    def test_a_flood_from_one_template_is_no_trouble(
        self, ledger: SqliteLedger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Else each of so many would be compared with all before it."""
        monkeypatch.setattr(module, "MOST_IN_BAND", 20)
        compared = Counter[str]()
        similarity = module.similarity
        monkeypatch.setattr(
            module, "similarity", lambda *each: compared.update(["all"]) or similarity(*each)
        )
        flood = [of(f"{n}", template(n, 200, facts=8)) for n in range(400)]
        for start in range(0, 400, 50):
            verdicts = ask(ledger, *flood[start : start + 50])
            assert [v.kind for v in verdicts] == [None] * 50
        assert compared["all"] <= 400 * module.MOST_COMPARED
        crowded = ledger._db.execute(
            "SELECT max(n) FROM (SELECT count(*) AS n FROM"
            " (SELECT * FROM bands UNION ALL SELECT * FROM new_bands) GROUP BY band)"
        ).fetchone()
        assert crowded == (20,)
        # A copy of any of them, also of the last, is found all the same.
        for number in (0, 200, 399):
            (verdict,) = ask(ledger, of(f"copy {number}", template(number, 200, facts=8) + " Yes."))
            assert verdict.canonical_message_id == f"message of {number}"

    def test_what_another_version_signed_is_not_compared(self, ledger: SqliteLedger) -> None:
        first, second, *_ = copies()
        ask(ledger, first)
        ledger._db.execute(
            "UPDATE signatures SET signature = CAST(x'63' || substr(signature, 2) AS BLOB)"
        )
        (verdict,) = ask(ledger, second)
        assert verdict.kind is None


class TestUpgrade:
    def test_a_ledger_of_version_1_gets_the_tables(self, root: Path, database: Path) -> None:
        old = SqliteLedger(database, root)
        first, second, *_ = copies()
        ask(old, first, near=None)
        old.close()
        with sqlite3.connect(database) as change:
            for table in ("signatures", "bands", "new_bands"):
                change.execute(f"DROP TABLE {table}")
            change.execute("PRAGMA user_version=1")
        change.close()
        look = SqliteLedger(database, root, read_only=True)
        assert look.committed_files() == []
        look.close()
        ledger = SqliteLedger(database, root)
        assert ask(ledger, first)[0].kind is None
        one, two = ask(ledger, second, of("c", changed(story(0, 400), 0.03, 8)))
        assert (one.kind, two.canonical_id) == (None, second.article_id)
        ledger.close()
