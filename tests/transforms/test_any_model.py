"""`--spacy_model`: folders, installed packages, transformer pipelines, and what is not there."""

from __future__ import annotations

import importlib
import pathlib
import sys
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.language import Language
from spacy.tokens import Doc

from pipeline.transforms import spacy_model
from pipeline.transforms.entities import with_entities
from pipeline.transforms.linking import Found
from pipeline.transforms.spacy_model import (
    ModelInfo,
    ModelNotFound,
    Reading,
    check_model,
    load_model,
)
from tests.transforms.models import draft, save_model

ONTONOTES: dict[str, list[str | list[dict[str, Any]]]] = {
    "PERSON": ["Vladimir Putin", "Putin"],
    "GPE": ["Kyiv"],
    "DATE": ["Tuesday"],
    "WORK_OF_ART": ["Fences"],
}
TITLE, BODY = "Putin in Kyiv", "On Tuesday Vladimir Putin saw “Fences” in Kyiv. Putin’s 2nd visit."


class FakeTransformer:
    """Stands where spacy-transformers has its component; it notes what it is given."""

    def __init__(self, nlp: Language, name: str) -> None:
        self.name = name

    def __call__(self, doc: Doc) -> Doc:
        given_to_transformer.append(doc.text)
        return doc

    def to_disk(self, path: pathlib.Path, *, exclude: object = ()) -> None:
        path.mkdir()

    def from_disk(self, path: pathlib.Path, *, exclude: object = ()) -> FakeTransformer:
        return self


given_to_transformer: list[str] = []
HAS_TRANSFORMER = Language.has_factory("transformer")
if not HAS_TRANSFORMER:
    Language.factory("transformer", func=FakeTransformer)


@pytest.fixture(autouse=True)
def no_model_is_kept() -> Iterator[None]:
    yield
    spacy_model._loaded.cache_clear()


def package(folder: pathlib.Path, name: str) -> pathlib.Path:
    """An installed package of a model, as `python -m spacy package` makes them, under `folder`."""
    lang, _, rest = name.partition("_")
    root = folder / name
    root.mkdir(parents=True)
    data = root / f"{name}-1.2.3"
    save_model(data, ONTONOTES)
    for file in (data, root):
        meta = (data / "meta.json").read_text().replace('"told"', f'"{rest}"')
        (file / "meta.json").write_text(meta)
    assert lang == "en"
    (root / "__init__.py").write_text(
        "from spacy.util import load_model_from_init_py\n"
        "def load(**overrides):\n"
        "    return load_model_from_init_py(__file__, **overrides)\n"
    )
    info = folder / f"{name}-1.2.3.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2.3\n")
    return root


def read(model: str) -> list[tuple[str, str, int]]:
    """The entities of an article, read and linked with `model` as the pipeline does it."""
    info = check_model(model)
    (found,) = load_model(model).find([(TITLE, BODY)], Reading())
    article = with_entities(draft(BODY, TITLE).article, found, info.name, info.version)
    assert (article.processing.model_name, article.processing.model_version) == (
        info.name,
        info.version,
    )
    assert article.entities is not None
    fields = {"title": TITLE, "body": BODY}
    for mention in (each for entity in article.entities for each in entity.mentions):
        assert fields[mention.field][mention.start : mention.end] == mention.text
    return [(each.name, each.label, each.count) for each in article.entities]


EXPECTED = [("Vladimir Putin", "PERSON", 3), ("Kyiv", "GPE", 2), ("Fences", "WORK_OF_ART", 1)]
"""Labels are the model's own; its dates are left out."""


class TestThatIsThere:
    def test_folder(self, tmp_path: pathlib.Path) -> None:
        folder = save_model(tmp_path / "m", ONTONOTES)
        assert check_model(str(folder)) == ModelInfo("en_told", "1.2.3", str(folder), "en")
        assert read(str(folder)) == EXPECTED

    def test_folder_by_a_relative_path(
        self, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What is handed to the workers holds wherever they run."""
        save_model(tmp_path / "m", ONTONOTES)
        monkeypatch.chdir(tmp_path)
        location = check_model("./m").location
        monkeypatch.chdir("/")
        assert read(location) == EXPECTED

    def test_installed_package(
        self, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        name = f"en_made_{uuid.uuid4().hex}"
        package(tmp_path, name)
        monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
        importlib.invalidate_caches()
        assert check_model(name) == ModelInfo(name, "1.2.3", name, "en")
        assert read(name) == EXPECTED

    def test_folder_of_a_package(self, tmp_path: pathlib.Path) -> None:
        """The folder inside, with the version in its name, is the model."""
        root = package(tmp_path, "en_unpacked")
        assert read(str(root / "en_unpacked-1.2.3")) == EXPECTED

    @pytest.mark.skipif(HAS_TRANSFORMER, reason="spacy-transformers is installed")
    def test_transformer_pipeline(self, tmp_path: pathlib.Path) -> None:
        """What entities need stays on, the transformer first; what they do not need is off."""
        nlp = spacy.blank("en")
        nlp.add_pipe("transformer")
        nlp.add_pipe("tagger").add_label("X")  # type: ignore[attr-defined]
        nlp.add_pipe("ner").add_label("PERSON")  # type: ignore[attr-defined]
        nlp.initialize()
        nlp.meta["name"], nlp.meta["version"] = "core_web_trf", "3.8.0"
        nlp.to_disk(tmp_path / "trf")
        given_to_transformer.clear()
        info = check_model(str(tmp_path / "trf"))
        assert (info.name, info.version) == ("en_core_web_trf", "3.8.0")
        model = load_model(str(tmp_path / "trf"))
        assert model._nlp.pipe_names == ["transformer", "ner", "sentencizer"]
        (found,) = model.find([(TITLE, BODY)], Reading())
        assert given_to_transformer == [TITLE, BODY]
        assert all(isinstance(each, Found) for each in found)

    def test_loaded_once(self, tmp_path: pathlib.Path) -> None:
        folder = save_model(tmp_path / "m", ONTONOTES)
        assert load_model(str(folder)) is load_model(str(folder))


def said_of(model: str) -> str:
    try:
        return check_model(model).name
    except ModelNotFound as error:
        return str(error)


class TestThatIsMissing:
    @pytest.mark.parametrize("name", ["en_core_web_trf_nope", "de_core_news_nope", "xx"])
    def test_the_line_has_the_command(self, name: str) -> None:
        with pytest.raises(ModelNotFound) as got:
            check_model(name)
        assert f"`python -m spacy download {name}`" in str(got.value)
        assert "\n" not in str(got.value)

    @settings(max_examples=300)
    @given(st.from_regex(r"[\w./ -]{0,40}", fullmatch=True).filter(lambda name: "\n" not in name))
    def test_any_name_is_a_model_or_one_line(self, name: str) -> None:
        assert "\n" not in said_of(name)
