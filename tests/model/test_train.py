import json
import pathlib
from unittest import mock

import pytest
import spacy

from pipeline.model import train
from pipeline.model.corpus import Chunk, Span
from pipeline.model.examples import to_example
from pipeline.model.gold import read_gold
from pipeline.model.train import Recipe

TINY_RECIPE = Recipe(
    max_steps=6, batch_words=80, evaluate_every=3, warmup_steps=2, width=16, rows=(64, 32, 32, 32)
)


class TestToExample:
    def tags(self, chunk: Chunk) -> list[str | None]:
        example = to_example(spacy.blank("en"), chunk)
        return example.get_aligned_ner()

    def test_missing_pieces_are_unknown_and_all_else_is_outside(self) -> None:
        chunk = Chunk("gmb", "Anna saw Blue Hall", (Span(0, 4, "PERSON"),), ((9, 18),))
        assert self.tags(chunk) == ["U-PERSON", "O", None, None]

    def test_spans_that_cut_tokens_are_unknown(self) -> None:
        chunk = Chunk("gmb", "the Oslobased firm", (Span(4, 8, "LOC"),))
        assert self.tags(chunk) == ["O", None, "O"]


def test_the_same_seed_gives_the_same_weights(tiny_chunks: list[Chunk]) -> None:
    runs = [train.train(TINY_RECIPE, tiny_chunks, tiny_chunks) for _ in range(2)]
    assert runs[0] == runs[1]


def test_another_seed_gives_other_weights(tiny_chunks: list[Chunk]) -> None:
    first = train.train(Recipe(**{**vars(TINY_RECIPE), "seed": 1}), tiny_chunks, tiny_chunks)
    assert first != train.train(TINY_RECIPE, tiny_chunks, tiny_chunks)


def test_the_rate_rises_then_falls() -> None:
    recipe = Recipe(max_steps=100, warmup_steps=10, learn_rate=1.0)
    rates = [train.learn_rate(step, recipe) for step in range(100)]
    assert rates.index(max(rates)) in (9, 10)
    assert rates[0] == 0.1
    assert min(rates) == rates[99] < 0.02


def run(data: pathlib.Path, output: pathlib.Path, *more: str) -> int:
    arguments = ["--max_steps", "4", "--evaluate_every", "2", "--batch_words", "60"]
    return train.main(["--data", str(data), "--output", str(output), *arguments, *more])


class TestCommand:
    def test_writes_a_pipeline_that_loads(
        self,
        tiny_data: pathlib.Path,
        tmp_path: pathlib.Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        output = tmp_path / "model"
        output.mkdir()
        (output / "stale").write_text("an earlier model is replaced whole")
        assert run(tiny_data, output) == 0
        nlp = spacy.load(output)
        assert nlp.pipe_names == ["sentencizer", "ner"]
        assert nlp.get_pipe("ner").labels == ("LOC", "MISC", "NORP", "ORG", "PERSON")
        assert not (output / "stale").exists()
        assert [path.name for path in tmp_path.iterdir() if "model" in path.name] == ["model"]
        printed = capsys.readouterr()
        assert json.loads(printed.out)["texts"] == nlp.meta["performance"]["texts"]
        assert "step 4/4" in printed.err
        words = json.loads((output / "vocab" / "strings.json").read_text())
        assert "dockers" not in words, "words of training texts are not handed on"

    def test_a_corpus_left_out_is_neither_trained_on_nor_named(
        self, tiny_data: pathlib.Path, tmp_path: pathlib.Path
    ) -> None:
        with mock.patch.object(train, "train", wraps=train.train) as trained:
            assert run(tiny_data, tmp_path / "m", "--without", "gmb", "--without", "re3d") == 0
        assert {chunk.corpus for chunk in trained.call_args.args[1]} == {
            "ewt",
            "wikigold",
            "redocred",
            "wikinews",
        }
        sources = spacy.load(tmp_path / "m").meta["sources"]
        assert "gmb" not in {source["name"] for source in sources}

    def test_the_sentences_annotated_by_hand_are_trained_on_unless_left_out(
        self, tiny_data: pathlib.Path, tmp_path: pathlib.Path
    ) -> None:
        test_part = {sentence.chunk.text for sentence in read_gold("test")}
        with mock.patch.object(train, "train", wraps=train.train) as trained:
            assert run(tiny_data, tmp_path / "with") == 0
            assert run(tiny_data, tmp_path / "without", "--without", "wikinews") == 0
        with_them, without = (
            [chunk for chunk in call.args[1] if chunk.corpus == "wikinews"]
            for call in trained.call_args_list
        )
        assert len(with_them) > 300
        assert not without
        assert not any(text in chunk.text for chunk in with_them for text in test_part)

    @pytest.mark.parametrize(
        ("more", "message"),
        [
            (["--without", "gbm"], "gbm is none of"),
            (["--max_steps", "0"], "at least 1"),
            (["--data", "/nowhere"], "--data"),
        ],
    )
    def test_bad_usage_is_one_line_and_2(
        self,
        more: list[str],
        message: str,
        tiny_data: pathlib.Path,
        tmp_path: pathlib.Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        assert run(tiny_data, tmp_path / "m", *more) == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1
        assert not (tmp_path / "m").exists()
