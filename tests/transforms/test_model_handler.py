"""Batches of articles through a model: order, neighbours of what fails, sizes."""

from __future__ import annotations

import pathlib
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.records import DeadLetter
from pipeline.transforms.model_handler import SpacyModelHandler, weigh
from pipeline.transforms.spacy_model import SpacyModel, load_model
from tests.transforms import models
from tests.transforms.models import FAILS, FAILS_ONCE, draft, save_model, texts_of

NAMES = {"PERSON": ["Vladimir Putin"], "LOC": ["Kyiv"]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return save_model(tmp_path_factory.mktemp("model") / "m", NAMES, fails=True)


@pytest.fixture(scope="module")
def model(folder: pathlib.Path) -> SpacyModel:
    return load_model(str(folder))


class TestHandler:
    def test_neighbours_of_a_bad_article_survive(
        self, folder: pathlib.Path, model: SpacyModel
    ) -> None:
        batch = [draft("Kyiv", message_id="1"), draft(f"{FAILS} Kyiv", message_id="2")]
        batch.append(draft("Vladimir Putin", message_id="3"))
        results = SpacyModelHandler(str(folder), max_attempts=2).run_inference(batch, model)
        assert [result.example for result in results] == batch
        assert all(r.example is d for r, d in zip(results, batch, strict=True))
        assert texts_of(results[0].inference) == ["Kyiv"]
        assert texts_of(results[2].inference) == ["Vladimir Putin"]
        letter = results[1].inference
        assert isinstance(letter, DeadLetter)
        assert (letter.stage, letter.error_type, letter.attempts) == ("entities", "model_failed", 2)
        assert (letter.message_id, letter.payload) == ("2", f"{FAILS} Kyiv".encode())
        assert "told to fail" in letter.error_message
        assert letter.exception_class == "builtins.RuntimeError"
        assert "fails_on_words" in (letter.stack_trace or "")

    def test_a_passing_failure_is_tried_again(
        self, folder: pathlib.Path, model: SpacyModel
    ) -> None:
        models.failures.clear()
        (result,) = SpacyModelHandler(str(folder)).run_inference(
            [draft(f"{FAILS_ONCE} Kyiv")], model
        )
        assert texts_of(result.inference) == ["Kyiv"]
        assert len(models.failures) == 3

    def test_lone_surrogates_are_a_dead_letter_and_no_crash(
        self, folder: pathlib.Path, model: SpacyModel
    ) -> None:
        results = SpacyModelHandler(str(folder)).run_inference(
            [draft("Kyiv \ud800 Kyiv"), draft("Kyiv")], model
        )
        assert texts_of(results[1].inference) == ["Kyiv"]
        assert isinstance(results[0].inference, DeadLetter)

    def test_pickles_to_a_name(self, folder: pathlib.Path) -> None:
        load_model(str(folder))
        assert len(pickle.dumps(SpacyModelHandler(str(folder)))) < 1_500

    def test_empty_batch(self, folder: pathlib.Path, model: SpacyModel) -> None:
        assert SpacyModelHandler(str(folder)).run_inference([], model) == []

    def test_bytes_are_measured_without_pickling(self, folder: pathlib.Path) -> None:
        assert SpacyModelHandler(str(folder)).get_num_bytes([draft("abc", "de"), draft("f")]) == 6


class TestWeigh:
    @given(st.integers(0, 500), st.integers(1, 70), st.integers(1, 400))
    def test_a_batch_holds_no_more_than_it_may(
        self, length: int, articles: int, characters: int
    ) -> None:
        weight = weigh(draft("x" * length), articles, characters)
        assert 1 <= weight <= characters
        assert weight * (articles + 1) > characters or weight == characters
        assert weight >= min(length, characters)
