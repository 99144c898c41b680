import json
import pathlib
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.model import corpus
from pipeline.model.corpus import Chunk, CorpusError, Span


def line(spans: object = (), missing: object = (), text: object = "Anna met Bo in Oslo") -> str:
    return json.dumps(["gmb", text, spans, missing])


class TestParseLine:
    def test_spans_are_sorted_and_missing_pieces_are_kept(self) -> None:
        chunk = corpus.parse_line(line([[15, 19, "LOC"], [0, 4, "PERSON"]], [[9, 11]]), "x:1")
        assert chunk.spans == (Span(0, 4, "PERSON"), Span(15, 19, "LOC"))
        assert chunk.missing == ((9, 11),)

    def test_labels_win_where_a_missing_piece_overlaps_them(self) -> None:
        chunk = corpus.parse_line(line([[5, 8, "ORG"]], [[0, 11], [5, 8]]), "x:1")
        assert chunk.missing == ((0, 5), (8, 11))

    @pytest.mark.parametrize(
        "bad",
        [
            "{",
            "[]",
            "7",
            line(text=5),
            line([[0, 4, "PLANET"]]),
            line([[0, 40, "LOC"]]),
            line([[4, 4, "LOC"]]),
            line([[-1, 4, "LOC"]]),
            line([[0, 4, "LOC"], [3, 6, "LOC"]]),
            line(missing=[[3, 99]]),
            line([["a", 4, "LOC"]]),
        ],
    )
    def test_unusable_lines_name_their_place(self, bad: str) -> None:
        with pytest.raises(CorpusError, match="corpus:7"):
            corpus.parse_line(bad, "corpus:7")

    def test_endless_lines_are_refused(self) -> None:
        with pytest.raises(CorpusError, match="longer than"):
            corpus.parse_line("[" * (corpus.MAX_LINE_CHARACTERS + 1), "x:1")


class TestReadChunks:
    def test_reads_every_line_in_order(
        self, tiny_data: pathlib.Path, tiny_lines: list[str]
    ) -> None:
        chunks = corpus.read_chunks(tiny_data / "train.jsonl.gz")
        texts = [json.loads(line)[1] for line in tiny_lines]
        assert [chunk.text for chunk in chunks] == texts[: len(chunks)]
        assert any(chunk.missing for chunk in chunks)

    def test_an_absent_file_is_told_by_name(self, tmp_path: pathlib.Path) -> None:
        with pytest.raises(CorpusError, match="--data"):
            corpus.read_chunks(tmp_path / "train.jsonl.gz")

    def test_a_file_that_is_not_gzip_is_told_by_name(self, tmp_path: pathlib.Path) -> None:
        (tmp_path / "train.jsonl.gz").write_text("[]")
        with pytest.raises(CorpusError, match="not a gzip file"):
            corpus.read_chunks(tmp_path / "train.jsonl.gz")


class TestSplit:
    def test_the_part_of_known_texts_never_changes(self) -> None:
        # SHA-256 decides; a change here would let held-out texts into training.
        texts = [f"Sentence number {n} about nothing." for n in range(200)]
        assert [n for n, text in enumerate(texts) if corpus.is_held_out(text)] == EXPECTED_HELD_OUT

    @given(st.lists(st.text(max_size=20), max_size=40), st.randoms())
    def test_parts_are_disjoint_whole_and_free_of_order(
        self, texts: list[str], rng: random.Random
    ) -> None:
        chunks = [Chunk("gmb", text, ()) for text in texts]
        training, held_out = corpus.split(chunks)
        assert len(training) + len(held_out) == len(chunks)
        assert not {c.text for c in training} & {c.text for c in held_out}
        shuffled = list(chunks)
        rng.shuffle(shuffled)
        assert set(corpus.split(shuffled)[1]) == set(held_out)

    def test_about_the_stated_share_is_held_out(self) -> None:
        held_out = sum(corpus.is_held_out(f"text {n}") for n in range(20_000))
        assert 0.036 < held_out / 20_000 < 0.044


EXPECTED_HELD_OUT = [25, 80, 88, 143, 163]
