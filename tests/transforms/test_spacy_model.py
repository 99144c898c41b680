"""Finding a model, and reading texts with it: offsets, sentences, parts, memory."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
import threading

import pytest
import spacy
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.records import Mention
from pipeline.transforms import spacy_model
from pipeline.transforms.linking import Found
from pipeline.transforms.spacy_model import (
    ModelNotFound,
    Reading,
    SpacyModel,
    check_model,
    load_model,
    split,
    trim,
)
from tests.transforms.models import FAILS, save_model, texts_of

NAMES = {
    "PERSON": ["Vladimir Putin", "Ann 👩‍👩‍👧 Lee", "Vladimir\nPutin", "Zoe\u0308 Kru\u0308ger"],
    "LOC": ["Kyiv", "🇺🇦"],
    "DATE": ["Tuesday"],
    # Any two words that begin with a capital, whatever stands between them.
    "ORG": [[{"TEXT": "New"}, {"IS_SPACE": True, "OP": "*"}, {"TEXT": "York"}]],
    "MISC": [[{"IS_SPACE": True, "OP": "+"}, {"TEXT": "Edge"}, {"IS_SPACE": True, "OP": "*"}]],
}
PIECES = [
    "Vladimir Putin",
    "Ann 👩‍👩‍👧 Lee",
    "Vladimir\nPutin",
    "Zoe\u0308 Kru\u0308ger",
    "Kyiv",
    "🇺🇦",
    "New York",
]
PIECES += [
    "New\r\n\r\nYork",
    "\n Edge \n\n",
    "Tuesday",
    "said.",
    "\r\n",
    "\n\n",
    "😀",
    "e\u0301",
    "\u200d",
    "x" * 150,
]
PIECES += ["\u00a0", "\u2029", "…", "“", "’s"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return save_model(tmp_path_factory.mktemp("model") / "m", NAMES, fails=True)


@pytest.fixture(scope="module")
def model(folder: pathlib.Path) -> SpacyModel:
    return load_model(str(folder))


HARDLY_NAMES = ["", "en core", "x" * 300, "a\nb", "a\0b", "__main__", "\udc80"]


class TestCheckModel:
    def test_says_which_it_is(self, folder: pathlib.Path) -> None:
        info = check_model(str(folder))
        assert (info.name, info.version, info.location) == ("en_told", "1.2.3", str(folder))

    def test_imports_neither_beam_nor_spacy(self) -> None:
        """Model workers import what commands that read no article import too: it must be light."""
        program = (
            "import sys, pipeline.transforms.model_worker, pipeline.transforms.model_workers;"
            "print(sorted({'apache_beam', 'spacy', 'google'} & set(sys.modules)))"
        )
        said = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
        )
        assert said.stdout == "[]\n"

    def test_does_not_load_it(self, folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(spacy, "load", lambda *_: pytest.fail("loaded"))
        check_model(str(folder))

    def test_package_that_is_not_installed(self) -> None:
        with pytest.raises(ModelNotFound, match="python -m spacy download en_core_web_nope") as got:
            check_model("en_core_web_nope")
        assert "\n" not in str(got.value)

    @pytest.mark.parametrize("name", ["json", "pipeline"])
    def test_package_that_is_no_model(self, name: str) -> None:
        with pytest.raises(ModelNotFound, match="is not a spaCy model"):
            check_model(name)

    @pytest.mark.parametrize("name", [*HARDLY_NAMES, "no/such/folder", "a.b", "../x"])
    def test_neither_folder_nor_package(
        self, name: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        with pytest.raises(ModelNotFound) as got:
            check_model(name)
        assert "\n" not in str(got.value)

    def test_folder_and_file_that_are_no_model(self, tmp_path: pathlib.Path) -> None:
        file = tmp_path / "model.txt"
        file.write_text("x")
        for path in (tmp_path, file):
            with pytest.raises(ModelNotFound, match="a model is a folder with"):
                check_model(str(path))

    @pytest.mark.parametrize("meta", [None, "{", "[]", '{"lang": "en"}'])
    def test_meta_that_is_unusable(self, meta: str | None, tmp_path: pathlib.Path) -> None:
        (tmp_path / "config.cfg").write_text("")
        if meta is not None:
            (tmp_path / "meta.json").write_text(meta)
        with pytest.raises(ModelNotFound, match=r"meta\.json with lang, name and version"):
            check_model(str(tmp_path))

    def test_installed_package(
        self, folder: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        package = tmp_path / "xx_some_model"
        package.mkdir()
        (package / "__init__.py").write_text("raise SystemExit('must not be imported')")
        meta = json.loads((folder / "meta.json").read_text())
        (package / "meta.json").write_text(json.dumps(meta))
        monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
        info = check_model("xx_some_model")
        assert (info.name, info.location) == ("en_told", "xx_some_model")

    def test_shipped_one_missing(
        self, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(spacy_model, "default_model_path", lambda: tmp_path / "none")
        with pytest.raises(ModelNotFound, match=r"python -m pipeline\.model\.train"):
            check_model()


class TestSplit:
    @given(st.lists(st.sampled_from([*PIECES, " "])).map("".join), st.integers(1, 40))
    def test_covers_the_text(self, text: str, limit: int) -> None:
        spans = list(split(text, limit))
        assert "".join(text[start:end] for start, end in spans) == text
        assert all(0 < end - start <= limit for start, end in spans)

    @pytest.mark.parametrize(
        ("text", "first"),
        [
            ("One two. Three.\n\nFour five six", "One two. Three.\n\n"),
            ("One two three. Four five six seven", "One two three. "),
            ("One two three four five six seven", "One two three four "),
            ("x" * 40, "x" * 22),
        ],
    )
    def test_where(self, text: str, first: str) -> None:
        start, end = next(split(text, 22))
        assert text[start:end] == first


class TestTrim:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            (" \u00a0Kyiv\n", "Kyiv"),
            ("New\nYork", "New\nYork"),
            ("New\r\n\r\nYork", "New"),
            ("New\n \t\nYork", "New"),
            ("New\u2029York", "New"),
            ("\n\nYork", "York"),
            (" \n\n ", None),
            ("", None),
        ],
    )
    def test_span(self, text: str, expected: str | None) -> None:
        padded = f"ab{text}cd"
        span = trim(padded, 2, 2 + len(text))
        assert (padded[slice(*span)] if span else None) == expected


class TestFind:
    @settings(max_examples=200)
    @given(
        st.lists(st.sampled_from(PIECES), max_size=25),
        st.sampled_from([" ", "", "\n"]),
        st.integers(8, 400),
    )
    @example(["Kyiv"] * 30, " ", 12)
    def test_offsets_are_code_points(
        self, model: SpacyModel, pieces: list[str], between: str, limit: int
    ) -> None:
        text = between.join(pieces)
        (found,) = model.find([(text, text)], Reading(document_characters=limit))
        for name in ("title", "body"):
            mentions = [f.mention for f in found if f.mention.field == name]
            ends = [0]
            for mention in mentions:
                assert text[mention.start : mention.end] == mention.text
                assert mention.text == mention.text.strip() != ""
                assert "\n\n" not in mention.text.replace("\r", "")
                assert mention.start >= ends[-1]
                ends.append(mention.end)
            sentences = [mention.sentence or 0 for mention in mentions]
            assert sentences == sorted(sentences)

    @settings(max_examples=100)
    @given(st.text(max_size=60), st.text(max_size=60))
    def test_any_text_around_a_name(self, model: SpacyModel, before: str, after: str) -> None:
        text = f"{before} Kyiv {after}"
        text = text.encode("utf-8", "ignore").decode()
        (found,) = model.find([(None, text)], Reading())
        assert [m.mention for m in found if m.mention.text == "Kyiv"]
        assert all(text[f.mention.start : f.mention.end] == f.mention.text for f in found)

    def test_fields_labels_and_sentences(self, model: SpacyModel) -> None:
        (found,) = model.find(
            [("Vladimir Putin", "He was in Kyiv. On Tuesday he left. Vladimir Putin said no.")],
            Reading(),
        )
        assert found == [
            Found(Mention("title", 0, 14, "Vladimir Putin", 0), "PERSON"),
            Found(Mention("body", 10, 14, "Kyiv", 0), "LOC"),
            Found(Mention("body", 36, 50, "Vladimir Putin", 2), "PERSON"),
        ]

    def test_labels_left_out_are_a_choice(self, model: SpacyModel) -> None:
        reading = Reading(ignored_labels=frozenset({"LOC"}))
        (found,) = model.find([(None, "On Tuesday in Kyiv")], reading)
        assert texts_of(found) == ["Tuesday"]

    def test_parts_change_nothing(self, model: SpacyModel) -> None:
        text = "\n\n".join(f"It was no. {i}. Vladimir Putin left Kyiv. He did." for i in range(60))
        whole, parts = (
            model.find([(None, text)], Reading(document_characters=limit))[0]
            for limit in (100_000, 200)
        )
        assert parts == whole
        assert len(whole) == 120

    def test_articles_are_kept_apart(self, model: SpacyModel) -> None:
        found = model.find([(None, "Kyiv"), (None, ""), (" \n", "no name"), ("🇺🇦", "")], Reading())
        assert [texts_of(each) for each in found] == [["Kyiv"], [], [], ["🇺🇦"]]

    def test_longer_than_spacy_allows(
        self, model: SpacyModel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(model._nlp, "max_length", 50)
        (found,) = model.find([(None, "It rained in Kyiv. " * 30)], Reading())
        assert len(found) == 30

    @pytest.mark.parametrize("sign", ["😀", "(", "'", "A$", "a's"])
    def test_endless_words_take_no_time(self, model: SpacyModel, sign: str) -> None:
        """Unhidden, spaCy's tokenizer would take minutes for one of these (see WORD_CHARACTERS)."""
        text = f"Kyiv {sign * 50_000} Vladimir Putin"
        (found,) = model.find([(None, text)], Reading())
        assert texts_of(found) == ["Kyiv", "Vladimir Putin"]
        assert found[1].mention.start == len(text) - 14

    def test_vocabulary_ends_to_grow(self, tmp_path: pathlib.Path) -> None:
        """The first words are kept; all later ones go, also after a batch that raised."""
        folder = save_model(tmp_path / "m", NAMES, fails=True)
        model, reading = load_model(str(folder)), Reading(kept_words=3_000)

        def known() -> tuple[int, int]:
            # The length of a Vocab counts what was ever in it.
            return len(model._nlp.vocab.strings), sum(1 for _ in model._nlp.vocab)

        sizes = [known()]
        for batch in range(6):
            text = " ".join(f"word{batch}x{i}" for i in range(1_000))
            model.find([(None, text), (None, f"Kyiv {text}")], reading)
            with pytest.raises(RuntimeError):
                model.find([(None, f"{FAILS} {text[::-1]}")], reading)
            sizes.append(known())
        assert sizes[0] < sizes[1] < sizes[2] == sizes[6]
        assert "word0x999" in model._nlp.vocab.strings
        assert "word5x999" not in model._nlp.vocab.strings

    def test_threads_share_it(self, model: SpacyModel) -> None:
        results: list[list[list[str]]] = []

        def read() -> None:
            for _ in range(20):
                found = model.find([(None, "Kyiv and Vladimir Putin. " * 20)], Reading())
                results.append([texts_of(each) for each in found])

        threads = [threading.Thread(target=read) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert results == [[["Kyiv", "Vladimir Putin"] * 20]] * 80


class TestPrepared:
    def test_what_entities_do_not_need_is_off(self) -> None:
        nlp = spacy.blank("en")
        for name in ("tok2vec", "tagger", "parser", "senter", "ner"):
            nlp.add_pipe(name)
        nlp.disable_pipe("senter")
        assert spacy_model._prepared(nlp).pipe_names == ["tok2vec", "senter", "ner"]

    def test_a_ruler_may_need_it(self) -> None:
        nlp = spacy.blank("en")
        for name in ("tagger", "entity_ruler"):
            nlp.add_pipe(name)
        assert spacy_model._prepared(nlp).pipe_names == ["tagger", "entity_ruler", "sentencizer"]
