import pathlib
from unittest import mock

import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Span as Entity

from pipeline.model import compare
from pipeline.model.corpus import Chunk, Span
from pipeline.model.gold import GoldSentence


def pipeline(*patterns: tuple[str, str]) -> Language:
    """A pipeline that finds fixed names."""
    nlp = spacy.blank("en")
    ruler = nlp.add_pipe("entity_ruler")
    ruler.add_patterns([{"label": label, "pattern": text} for text, label in patterns])  # type: ignore[attr-defined]
    return nlp


def test_other_labels_become_ours_and_borders_follow_the_guide() -> None:
    nlp = pipeline(("the United Nations", "ORG"), ("Oslo", "GPE"), ("Monday", "DATE"))
    text = "On Monday the United Nations met in Oslo."
    assert compare.predict(nlp, [text]) == [[Span(14, 28, "ORG"), Span(36, 40, "LOC")]]


def test_a_possessive_is_left_outside() -> None:
    nlp = spacy.blank("en")
    doc = nlp("the Kremlin's man")
    entities = [Entity(doc, 0, 3, label="ORG")]
    assert list(compare._names(doc.text, entities)) == [Span(4, 11, "ORG")]


class TestReport:
    CHUNK = Chunk("wikinews", "Anna met Bo", (Span(0, 4, "PERSON"), Span(9, 11, "PERSON")))

    def lines(self) -> list[str]:
        part = compare.gold_part([GoldSentence("a", n, self.CHUNK) for n in range(3)])
        models = {"one": pipeline(("Anna", "PERSON")), "two": pipeline(("Bo", "LOC"))}
        return list(compare.report(part, models))

    def test_models_stand_side_by_side(self) -> None:
        lines = self.lines()
        assert (
            "| PERSON | 6 | 100.0 | 50.0 | 66.7 | 66.7–66.7 | 0.0 | 0.0 | 0.0 | 0.0–0.0 |" in lines
        )
        assert any(line.startswith("| LOC | 0 | – | – | – | – | 0.0 |") for line in lines)
        assert any("one 66.7, two 66.7" in line for line in lines), "borders alone"
        assert "one is +66.7 points of F1 from two (95 %: +66.7 to +66.7)." in lines
        assert not any("| corpus |" in line for line in lines), "one corpus needs no second table"

    def test_figures_repeat(self) -> None:
        assert self.lines() == self.lines()


class TestCommand:
    def test_without_corpora_the_gold_part_is_scored(
        self, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with mock.patch.object(compare, "SPEED_WORDS", 1):
            assert compare.main(["--data", str(tmp_path)]) == 0
        printed = capsys.readouterr().out
        assert "Wikinews test part" in printed
        assert "Left out: no corpora" in printed
        assert printed.count("## Linking, ") == 2
        assert "| shipped | linking | " in printed
        assert "words/s" in printed

    def test_with_corpora_each_has_a_row(
        self, tiny_data: pathlib.Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        everything = mock.patch.object(compare, "split", lambda chunks: ([], list(chunks)))
        with everything, mock.patch.object(compare, "SPEED_WORDS", 1):
            assert compare.main(["--data", str(tiny_data)]) == 0
        printed = capsys.readouterr().out
        assert "| wikigold |" in printed
        assert "| ewt |" in printed

    def test_a_model_that_is_not_installed_is_one_line_and_2(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert compare.main(["--models", "en_no_such_model"]) == 2
        error = capsys.readouterr().err
        assert "python -m spacy download en_no_such_model" in error
        assert error.count("\n") == 1
