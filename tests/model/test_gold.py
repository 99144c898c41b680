"""The annotated files that ship beside the training code."""

import csv
import json
import pathlib
import re

import pytest

from pipeline.model import gold
from pipeline.model.corpus import LABELS, Chunk, CorpusError, Span, read_chunks
from pipeline.model.gold import GoldSentence, gold_folder, read_gold

CORPORA = pathlib.Path(__file__).parents[3] / "shared" / "data" / "ner"
OLD_TEST = pathlib.Path(__file__).parent / "data" / "wikinews_sources.tsv"
RUN = 8
"""Words of a run that two texts share only when one is from the other."""


@pytest.fixture(scope="module", params=["train", "test"])
def part(request: pytest.FixtureRequest) -> tuple[str, list[GoldSentence]]:
    return request.param, read_gold(request.param)


def articles() -> dict[str, dict[str, str]]:
    with (gold_folder() / "articles.tsv").open(encoding="utf-8", newline="") as lines:
        rows = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        return {row["article"]: row for row in rows}


class TestFiles:
    def test_names_are_words_of_their_text(self, part: tuple[str, list[GoldSentence]]) -> None:
        for sentence in part[1]:
            text = sentence.chunk.text
            assert text == text.strip()
            for span in sentence.chunk.spans:
                assert span.label in LABELS
                name = text[span.start : span.end]
                assert name == name.strip()
                assert not (span.start and text[span.start - 1 : span.start + 1].isalnum()), name
                assert not text[span.end - 1 : span.end + 1][1:].isalnum(), name

    def test_rules_of_the_guide_that_a_program_can_check(
        self, part: tuple[str, list[GoldSentence]]
    ) -> None:
        for sentence in part[1]:
            for span in sentence.chunk.spans:
                name = sentence.chunk.text[span.start : span.end]
                assert span.label == "MISC" or not name.lower().startswith("the "), name
                assert not name.endswith(("'s", "’s")) or name in ("McDonald's", "Moody's"), name
                assert not re.match("(President|Mr|Mrs|Ms|Dr|Senator|Sir)[. ]", name) or (
                    span.label == "MISC" or name == "Mr. CreepyPasta"
                ), name
                assert name not in ("COVID-19", "SARS-CoV-2")

    def test_each_article_is_listed_on_its_side_with_its_address(
        self, part: tuple[str, list[GoldSentence]]
    ) -> None:
        listed = articles()
        for sentence in part[1]:
            assert listed[sentence.article]["part"] == part[0]
            assert listed[sentence.article]["url"].startswith("https://en.wikinews.org/")

    def test_sentences_are_in_order_and_come_once(
        self, part: tuple[str, list[GoldSentence]]
    ) -> None:
        keys = [(sentence.article, sentence.number) for sentence in part[1]]
        assert len(keys) == len(set(keys))
        assert len({article for article, _ in keys}) == sum(n == gold.TITLE for _, n in keys)


def test_no_article_and_no_sentence_is_on_both_sides() -> None:
    train, test = read_gold("train"), read_gold("test")
    assert not {s.article for s in train} & {s.article for s in test}
    assert not {s.chunk.text for s in train} & {s.chunk.text for s in test}
    assert len(test) * 1.5 < len(train) < len(test) * 2.5


def test_the_older_test_sentences_are_of_no_article_trained_on() -> None:
    old = {line.split("\t")[1] for line in OLD_TEST.read_text(encoding="utf-8").splitlines()[1:]}
    trained_on = {row["title"] for row in articles().values() if row["part"] == "train"}
    assert old
    assert not old & trained_on


@pytest.mark.skipif(not CORPORA.is_dir(), reason="needs the entity corpora in ../shared/data/ner")
def test_no_sentence_is_in_a_training_corpus(part: tuple[str, list[GoldSentence]]) -> None:
    def runs(text: str) -> set[str]:
        words = re.sub(r"\W+", " ", text).lower().split()
        return {" ".join(words[n : n + RUN]) for n in range(len(words) - RUN + 1)}

    known: set[str] = set()
    for name in ("train", "dev"):
        for chunk in read_chunks(CORPORA / f"{name}.jsonl.gz"):
            known |= runs(chunk.text)
    for sentence in part[1]:
        own = runs(sentence.chunk.text)
        assert len(own & known) <= len(own) * 0.4, sentence


class TestReading:
    def test_chunks_join_sentences_of_one_article(self) -> None:
        def sentence(article: str, number: int, text: str) -> GoldSentence:
            return GoldSentence(article, number, Chunk("wikinews", text, (Span(0, 4, "LOC"),)))

        rows = [sentence("a", -1, "Oslo wins"), *(sentence("a", n, "Rome.") for n in range(5))]
        chunks = gold.training_chunks([*rows, sentence("b", 0, "Bonn.")])
        assert [c.text for c in chunks] == ["Oslo wins", "Rome. " * 3 + "Rome.", "Rome.", "Bonn."]
        assert [(s.start, s.end) for s in chunks[1].spans] == [(0, 4), (6, 10), (12, 16), (18, 22)]

    @pytest.mark.parametrize(
        "line",
        [
            "nonsense",
            json.dumps({"article": "a", "sentence": 0, "text": "Oslo"}),
            json.dumps({"article": "a", "sentence": 0, "text": "Oslo", "spans": [[0, 9, "LOC"]]}),
            json.dumps({"article": "a", "sentence": 0, "text": "Oslo", "spans": [[0, 4, "GPE"]]}),
        ],
    )
    def test_a_bad_line_is_told_by_its_place(self, line: str, tmp_path: pathlib.Path) -> None:
        (tmp_path / "wikinews_test.jsonl").write_text(line, encoding="utf-8")
        with pytest.raises(CorpusError, match=r"wikinews_test\.jsonl:1"):
            read_gold("test", tmp_path)

    def test_absent_files_say_what_to_do(self, tmp_path: pathlib.Path) -> None:
        with pytest.raises(CorpusError, match="--without wikinews"):
            read_gold("train", tmp_path)
