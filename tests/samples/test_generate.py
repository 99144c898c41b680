"""The sequence: reproducible, in the promised mix, and each message what it says it is."""

from __future__ import annotations

import collections
import datetime as dt
import json
import time
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.dead_letters import Unreadable
from pipeline.ledger import Candidate, NearRule
from pipeline.ledger.sqlite import SqliteLedger
from pipeline.records import Message
from pipeline.samples import SampleMessage, duplicates, forms, generate, malformed
from pipeline.samples.generate import DECK, DECK_SIZE, MAX_ORIGINALS, _original, _remember
from pipeline.samples.stories import story
from pipeline.similarity.signature import sign
from pipeline.transforms.decode import Limits, decode
from pipeline.transforms.deduplicate import marks_of
from pipeline.transforms.payload import expand

NOW = dt.datetime(2026, 11, 24, tzinfo=dt.timezone.utc)
MANY = 20_000


@pytest.fixture(scope="module")
def many() -> list[SampleMessage]:
    return list(generate(MANY, seed=11))


@given(seed=st.integers(), n=st.integers(0, 150), more=st.integers(0, 60))
@settings(max_examples=20)
def test_same_seed_same_messages_and_more_only_adds(seed: int, n: int, more: int) -> None:
    assert list(generate(n + more, seed))[:n] == list(generate(n, seed))


def test_another_seed_has_other_articles() -> None:
    first, second = ({m.data for m in generate(300, seed)} for seed in (1, 2))
    same_for_all = {m.data for m in generate(900, 3) if m.kind == "malformed_bomb"} | {b""}
    assert first & second <= same_for_all


def test_a_negative_number_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="-1"):
        generate(-1)


def test_the_mix(many: list[SampleMessage]) -> None:
    expected = collections.Counter(message.expected for message in many)
    assert expected["dead_letter"] == MANY * 3 // 100
    copies = MANY * len(duplicates.KINDS) // 100
    assert copies - 6 <= expected["duplicate"] <= copies
    kinds = collections.Counter(message.kind for message in many)
    assert set(kinds) == {
        *DECK,
        *(f"duplicate_{kind}" for kind in duplicates.KINDS),
        *(f"malformed_{kind}" for kind in malformed.KINDS),
    }
    assert DECK_SIZE == 100
    for form, count in DECK.items():
        assert count * MANY // 100 <= kinds[form] <= count * MANY // 100 + 6


def test_fast_enough_for_a_load_test() -> None:
    """2,000 a second; the best of three, since other work on the machine slows any one of them."""
    seconds = []
    for _ in range(3):
        start = time.process_time()
        assert sum(1 for _ in generate(1_000, seed=5)) == 1_000
        seconds.append(time.process_time() - start)
    assert min(seconds) < 0.5


def test_attributes_are_in_bounds_and_give_nothing_away(many: list[SampleMessage]) -> None:
    allowed = {"content_type", "content_encoding", "url", "source", "published_at", "id"}
    for message in many:
        assert set(message.attributes) <= allowed
        assert message.data or message.attributes
        assert all(0 < len(value.encode()) <= 1_024 for value in message.attributes.values())
    for name in allowed:
        with_it = sum(name in message.attributes for message in many)
        assert 0 < with_it < MANY


def normalised(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def text_of(message: SampleMessage) -> str:
    """The article as its own form says it, without the pipeline's reading."""
    encoding = message.attributes.get("content_encoding", "")
    text = expand(message.data, encoding, Limits(), []).decode()
    if text.lstrip().startswith("{"):
        document = json.loads(text)
        names = ("articleBody", "body_text", "body", "text", "content")
        return next(str(document[name]) for name in names if name in document and name != "type")
    if "<article>" in text:
        return text[text.index("<time") : text.index("</article>")].partition("</time>")[2]
    if text.startswith(" date "):
        return text[len(" date 2025-01-21 ") :]
    return text.partition("\n\n")[2]


def test_all_articles_differ_in_their_words_not_their_numbers(many: list[SampleMessage]) -> None:
    texts = [normalised(text_of(m)) for m in many if m.expected == "article"]
    assert len(texts) >= MANY * 9 // 10
    assert min(len(text.split()) for text in texts) >= 100
    without_digits = {"".join(c for c in text if not c.isdigit()) for text in texts}
    assert len(without_digits) == len(texts)


def outcomes(messages: Iterable[SampleMessage]) -> dict[str, list[tuple[str, str]]]:
    """What decode, marks and signatures make of the messages: (kind, detail) by outcome."""
    ledger = SqliteLedger(None, Path())
    seen: set[tuple[str, bytes]] = set()
    found: dict[str, list[tuple[str, str]]] = collections.defaultdict(list)
    for number, message in enumerate(messages):
        raw = Message(message.data, str(number), NOW, message.attributes)
        try:
            article = decode(raw, Limits(), run_id="test", now=NOW)
        except Unreadable as error:
            found["dead_letter"].append((message.kind, error.error_type))
            continue
        marks = marks_of(article)
        hits = [kind for kind, digest in marks if (kind, digest) in seen]
        seen.update(marks)
        asked = Candidate(str(number), str(number), "", (), sign(article.body))
        (verdict,) = ledger.verdicts([asked], now=NOW, ttl=dt.timedelta(1), near=NearRule(0.8))
        if not hits and verdict.kind:
            hits = [verdict.kind]
        outcome = "duplicate" if hits else "article"
        found[outcome].append((message.kind, "+".join(hits)))
        assert not article.processing.warnings
        if message.expected == "article":
            assert (article.title is None) == message.kind.startswith("text_dated")
            assert article.published_at is not None or message.kind.startswith("text")
    return found


@pytest.mark.parametrize("backwards", [False, True])
def test_the_pipeline_makes_of_them_what_they_expect(backwards: bool) -> None:
    """Backwards too: a queue may hand out a copy before its original, and the counts must hold."""
    messages = list(generate(1_000, seed=23))
    found = outcomes(reversed(messages) if backwards else messages)
    wanted = collections.Counter(message.expected for message in messages)
    assert {outcome: len(kinds) for outcome, kinds in found.items()} == wanted
    if not backwards:
        for outcome, kinds in found.items():
            expected = collections.Counter(m.kind for m in messages if m.expected == outcome)
            assert collections.Counter(kind for kind, _ in kinds) == expected


def test_each_kind_of_copy_is_found_by_what_it_names() -> None:
    found = set(outcomes(generate(1_000, seed=29))["duplicate"])
    assert {hit for kind, hit in found if kind == "duplicate_same_id"} == {"id"}
    assert {hit for kind, hit in found if kind == "duplicate_same_url"} == {"url"}
    assert {hit for kind, hit in found if kind == "duplicate_same_text"} == {"content"}
    assert {hit for kind, hit in found if kind == "duplicate_wire_copy"} == {"near"}
    for kind in ("same_message", "recompressed"):
        assert all("content" in hit for name, hit in found if name == f"duplicate_{kind}")
    assert all("url" in hit for name, hit in found if name == "duplicate_other_form")


def test_each_kind_of_unreadable_message_fails_for_its_own_reason() -> None:
    assert set(outcomes(generate(1_000, seed=31))["dead_letter"]) == {
        ("malformed_broken_json", "invalid_json"),
        ("malformed_empty_body", "no_body"),
        ("malformed_empty_message", "no_body"),
        ("malformed_broken_gzip", "bad_encoding"),
        ("malformed_invalid_utf8", "bad_encoding"),
        ("malformed_unknown_type", "unsupported_type"),
        ("malformed_json_array", "invalid_json"),
        ("malformed_page_without_text", "no_body"),
        ("malformed_bomb", "bomb"),
    }


def test_the_originals_waiting_for_a_copy_are_bounded() -> None:
    rng = Random(1)
    kept: list[duplicates.Original] = []
    for number in range(MAX_ORIGINALS + 50):
        _remember(kept, _original(story(rng, f"t-{number}", "en"), "text_dated", rng), rng)
    assert len(kept) == MAX_ORIGINALS


def test_gzip_is_plain_and_the_same_every_time() -> None:
    packed = forms.gzipped(b"news " * 100)
    assert packed == forms.gzipped(b"news " * 100)
    assert packed[4:8] == b"\0\0\0\0"
    assert expand(packed, "gzip", Limits(), []) == b"news " * 100
