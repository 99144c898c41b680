"""Which entity model reads which language: what `--spacy_model` means, given once or several times.

Free of Beam and spaCy, so that what is wrong is said before either is imported.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pipeline.records import Language
from pipeline.transforms.spacy_model import ModelInfo, check_model

ENGLISH = "en"
ANY = "*"

SURE_SCORE = 0.9
LONG_TEXT_SCORE = 0.6
LONG_TEXT_CHARACTERS = 300
"""From when on a detected language decides: from `SURE_SCORE`, or `LONG_TEXT_SCORE` in a long text.

Of 11,869 English articles (Wikinews, press releases) none is without entities then, nor is one of
their headlines alone, of which 8 are taken for another language with 0.6 and more, as "Cirque du
Soleil Brings LUZIA to South Florida!" is. One sentence of German, Chinese or Hindi reaches 0.9;
related languages, as Danish and Norwegian, share the score between them: that takes a longer text.
"""

_CODES = """
af am an ar arz as ast av az azb ba bar bcl be bg bho bn bo bpy br bs bxr ca cbk ce ceb ckb co
cs cv cy da de diq dsb dty dv egl el en eo es et eu fa fi fr frr fy ga gd gl gn gom gsw gu gv he
hi hif hr hsb ht hu hy ia id ie ilo io is it ja jbo jv ka kk km kn ko krc ku kv kw ky la lb lez
li lmo lo lrc lt lv mai mg mhr min mk ml mn mr mrj ms mt mwl my myv mzn nap nds ne new nhe nl nn
no oc or os pa pam pfl pl pms pnb ps pt qu rm ro ru rue sa sah sc scn sco sd sh si sk sl so sq
sr su sv sw ta te tg th tk tl tr tt tyv ug uk ur uz vec vep vi vls vo wa war wuu xal xmf yi yo
yue zh
"""
LANGUAGES = frozenset(_CODES.split())
"""The codes that `language.detect` gives: a model for any other would never be asked."""

# What spaCy calls its models for many languages, now and from version 4 on.
_MULTILINGUAL = frozenset({"xx", "mul"})
# The detector says Norwegian, spaCy says Bokmål.
_SAME = {"nb": "no"}

_BY_LANGUAGE = re.compile(r"([^=/\\.]*)=(.*)", re.DOTALL)
# A comma parts only where a language follows: a folder may have one in its name.
_COMMA = re.compile(r",(?=\s*(?:\*|[A-Za-z]{2,3})=)")


@dataclass(frozen=True, slots=True)
class Choice:
    """A model, as it was given (None is the one shipped), and the languages that it reads."""

    model: str | None
    info: ModelInfo
    languages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Models:
    """The models of a run.

    Args:
        choices: each model once. The first reads also what is in no language that is known.
        places: language to the index of its choice; `ANY` is every language without its own.
    """

    choices: tuple[Choice, ...]
    places: Mapping[str, int]

    def place(
        self,
        language: Language | None,
        characters: int,
        *,
        sure_score: float = SURE_SCORE,
        long_text_score: float = LONG_TEXT_SCORE,
        long_text_characters: int = LONG_TEXT_CHARACTERS,
    ) -> int | None:
        """The index of the choice that reads an article; None where there is no model for it.

        Args:
            language: of the article. One that is unsure counts as one that is not known.
            characters: how many of title and body it was detected from.
        """
        if language is None:
            return 0
        enough = long_text_score if characters >= long_text_characters else sure_score
        if language.score < enough:
            return 0
        code = primary(language.code)
        return self.places.get(code, self.places.get(ANY))


def primary(code: str) -> str:
    """The primary part of a language tag as the detector has it.

    >>> primary("en-GB"), primary("NB")
    ('en', 'no')
    """
    first = re.split("[-_]", code, maxsplit=1)[0].lower()
    return _SAME.get(first, first)


def choose_models(given: str | Sequence[str] | None = None) -> Models:
    """The models of a run, from the values of `--spacy_model`.

    A value is `LANG=NAME`, `*=NAME` for every language that has no other, or `NAME` alone, which
    reads the language that its meta.json says; where that is "xx", every language that has no
    other, English too. English has otherwise the model shipped where nothing else was given for it.
    What is in no language that is known goes to the first `NAME` alone, or to the model for
    English.

    Args:
        given: one value, or several, each of which may hold several with commas between them.

    Raises:
        ValueError: a value is malformed, or a language has two models; one line that says so.
        ModelNotFound: (a ValueError) a model is not there.
    """
    chosen: dict[str, tuple[str | None, ModelInfo]] = {}
    alone: list[str] = []
    for language, model in _parted([given] if isinstance(given, str) else given or []):
        info = check_model(model)
        if language is None:
            language = ANY if info.language in _MULTILINGUAL else primary(info.language)
            alone.append(language)
        if language in chosen:
            raise ValueError(
                f"--spacy_model gives two models for {_spoken(language)}, {chosen[language][0]} "
                f"and {model}: leave one out"
            )
        chosen[language] = model, info
    if ANY not in alone and ENGLISH not in chosen:
        chosen[ENGLISH] = None, check_model()
    return _models(chosen, alone[0] if alone else ENGLISH)


def _parted(values: Iterable[str]) -> Iterator[tuple[str | None, str]]:
    """Each language, or None, and the model given for it."""
    for value in (part.strip() for each in values for part in _COMMA.split(each)):
        pair = _BY_LANGUAGE.fullmatch(value)
        if pair is None:
            yield None, value
            continue
        code, model = pair[1].strip(), pair[2].strip()
        language = ANY if code == ANY else _SAME.get(code.lower(), code.lower())
        if language != ANY and language not in LANGUAGES:
            raise ValueError(
                f"--spacy_model {value}: {code!r} is no language that is told apart: give a code "
                "such as de or pt, or * for every language without a model of its own"
            )
        if not model:
            raise ValueError(
                f"--spacy_model {value} names no model: give a package's name or a folder after ="
            )
        yield language, model


def _models(chosen: Mapping[str, tuple[str | None, ModelInfo]], first: str) -> Models:
    """Each model once, however many languages it reads."""
    languages: dict[str, list[str]] = {}
    models: dict[str, tuple[str | None, ModelInfo]] = {}
    for language in sorted(chosen, key=lambda each: (each != first, each)):
        location = chosen[language][1].location
        models.setdefault(location, chosen[language])
        languages.setdefault(location, []).append(language)
    choices = tuple(Choice(*models[location], tuple(each)) for location, each in languages.items())
    places = {code: place for place, each in enumerate(choices) for code in each.languages}
    return Models(choices, places)


def _spoken(language: str) -> str:
    return "every other language" if language == ANY else language
