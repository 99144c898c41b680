"""Two processes on one ledger, any order of steps, crashes between any two of them."""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from pipeline.ledger import Candidate, Intent, NearRule, Verdict
from pipeline.ledger.sqlite import SqliteLedger
from pipeline.similarity.signature import sign
from tests.ledger.helpers import NOW, WEEK, begin, candidate, write
from tests.similarity import texts

STORIES = 2
COPIES = 2
KEYS = [f"{story}{copy}" for story in "ab"[:STORIES] for copy in range(COPIES)]
SIDES = st.sampled_from([0, 1])
SOME_KEYS = st.just(KEYS) | st.lists(st.sampled_from(KEYS), min_size=1, max_size=3)


def article(key: str) -> Candidate:
    """Copies of one story have its content and a URL in common; of the other, most of its words."""
    if key[0] == "a":
        return candidate(key, content="a", url="a")
    text = texts.changed(texts.story(0, 60), 0.02 * int(key[1]))
    return dataclasses.replace(candidate(key, content=key), signature=sign(text))


def ask(ledger: SqliteLedger, *candidates: Candidate) -> list[Verdict]:
    return ledger.verdicts(candidates, now=NOW, ttl=WEEK, near=NearRule(0.8))


class Interleavings(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp())
        self.sides = [self.opened(), self.opened()]
        # What a process holds in memory, and loses when it dies.
        self.told: list[dict[str, Verdict]] = [{}, {}]
        self.intents: list[list[Intent]] = [[], []]
        # What the world has seen.
        self.verdicts: dict[str, Verdict] = {}

    def opened(self) -> SqliteLedger:
        return SqliteLedger(self.root / "ledger.sqlite3", self.root)

    def on_disk(self) -> list[tuple[str, str]]:
        """(file, key) of everything that stands under a final name."""
        return [
            (str(path.relative_to(self.root)), key)
            for path in self.root.glob("*/*/part-*.avro")
            for key in path.read_text().split("\n")
        ]

    @rule(side=SIDES, keys=SOME_KEYS)
    def verdict(self, side: int, keys: list[str]) -> None:
        verdicts = ask(self.sides[side], *map(article, keys))
        for key, verdict in zip(keys, verdicts, strict=True):
            if verdict.committed:
                assert key in {k for _, k in self.on_disk()}
                if not verdict.canonical_id:
                    continue  # A dead letter that never had a verdict.
                verdict = dataclasses.replace(verdict, committed=False)
            before = self.verdicts.setdefault(key, verdict)
            assert verdict == before, "a redelivery got another verdict"
            self.told[side][key] = verdict

    @rule(side=SIDES, keys=SOME_KEYS, dead=st.booleans())
    def begin(self, side: int, keys: list[str], dead: bool) -> None:
        """One file of those that have their verdict here, all of one kind."""
        told = [key for key in dict.fromkeys(keys) if key in self.told[side]]
        if not told:
            return
        first = self.told[side][told[0]].kind
        kind = "dead_letters" if dead else "articles" if first is None else "duplicates"
        wanted = [k for k in told if dead or (self.told[side][k].kind is None) == (first is None)]
        intent = begin(self.sides[side], wanted, kind)
        assert sorted((*intent.granted, *intent.committed, *intent.elsewhere)) == sorted(wanted)
        written = {key for _, key in self.on_disk()}
        assert set(intent.committed) <= written
        if intent.granted and intent not in self.intents[side]:
            self.intents[side].append(intent)

    @rule(side=SIDES, data=st.data())
    def write(self, side: int, data: st.DataObject) -> None:
        if self.intents[side]:
            intent = data.draw(st.sampled_from(self.intents[side]))
            write(self.root, intent)

    @rule(side=SIDES, data=st.data())
    def commit(self, side: int, data: st.DataObject) -> None:
        ready = [i for i in self.intents[side] if (self.root / i.path).exists()]
        if ready:
            intent = data.draw(st.sampled_from(ready))
            self.sides[side].commit(intent)
            self.intents[side].remove(intent)

    @rule(side=SIDES, recover=st.booleans())
    def crash(self, side: int, recover: bool) -> None:
        self.sides[side].close()
        self.told[side], self.intents[side] = {}, []
        self.sides[side] = self.opened()
        if recover:
            self.sides[side].recover()

    @rule(side=SIDES)
    def recover(self, side: int) -> None:
        self.sides[side].recover()

    @invariant()
    def no_message_stands_in_two_files(self) -> None:
        keys = [key for _, key in self.on_disk()]
        assert len(keys) == len(set(keys))

    @invariant()
    def the_ledger_knows_no_file_that_is_not_there(self) -> None:
        rows = list(self.sides[0].committed_messages())
        assert len({key for _, key in rows}) == len(rows)
        assert set(rows) <= set(self.on_disk())

    @invariant()
    def of_equal_articles_one_is_a_first_copy(self) -> None:
        for story in {key[0] for key in self.verdicts}:
            verdicts = {k: v for k, v in self.verdicts.items() if k[0] == story}
            assert any(verdict.kind is None for verdict in verdicts.values())
            for verdict in verdicts.values():
                first = verdict.canonical_message_id.removeprefix("message of ")
                assert verdicts[first].kind is None, "the canonical article is a copy itself"

    def teardown(self) -> None:
        """Everything dies; one process starts and gets everything once more."""
        try:
            for ledger in self.sides:
                ledger.close()
            ledger = self.opened()
            ledger.recover()
            for key, verdict in zip(KEYS, ask(ledger, *map(article, KEYS)), strict=True):
                if not verdict.committed:
                    intent = begin(ledger, [key], "duplicates" if verdict.kind else "articles")
                    assert intent.granted == (key,)
                    write(self.root, intent)
                    ledger.commit(intent)
            rows = list(ledger.committed_messages())
            assert sorted(rows) == sorted(self.on_disk())
            assert sorted(key for _, key in rows) == KEYS
            ends = {key: path.split("/")[0] for path, key in rows}
            for story in "ab"[:STORIES]:
                mine = [end for key, end in ends.items() if key[0] == story]
                assert "articles" in mine or "dead_letters" in mine
            ledger.close()
        finally:
            shutil.rmtree(self.root)


TestInterleavings = Interleavings.TestCase
TestInterleavings.settings = settings(
    max_examples=100,
    stateful_step_count=30,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
