"""Count words for keywords: ``python -m pipeline.model.train_keywords --data DIR --without FILE``.

Reads the Wikinews articles in ``DIR`` and writes ``pipeline/transforms/keyword_words.txt.gz``: for
every word how many articles have it, and whether it is mostly a noun, stands before nouns, or is
neither. There is no tagger behind the last: what stands before a word and after it tells, summed up
over all its places ("the ___ of", "would ___ the"). The same articles give the same table.
"""

from __future__ import annotations

import argparse
import gzip
import json
import pathlib
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

WIKINEWS = "wikinews_articles.jsonl.gz"
TABLE = pathlib.Path(__file__).parents[1] / "transforms" / "keyword_words.txt.gz"
HEADER = """\
# In how many of {articles} articles of English Wikinews a word occurs, and what it mostly is:
# n a noun, m what stands before nouns, o neither (verbs, adverbs), ? too rare to tell.
# Counted by pipeline/model/train_keywords.py; texts by the contributors of Wikinews, CC BY 2.5
# (https://creativecommons.org/licenses/by/2.5/). These are counts; no text is in here.
# articles {articles}
"""

LEAST_ARTICLES = 3
"""A word in fewer is left out: the table says as much by not having it."""

LEAST_PLACES = 4
"""Of a word with fewer places that tell, the kind is unknown."""

# A part of a word after a hyphen or a dot belongs to it; a possessive is a word by itself.
_TOKEN = re.compile(
    r"[^\W\d_]+(?:[-.][^\W\d_]+)*(?:['’](?:t|ll|re|ve|d|m)\b)?|['’]s\b|\d[\d,.]*|[^\s\w]"
)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_DETERMINERS = _words(
    "the a an this that these those its his her their our my your some any no every each another "
    "several many few both all such 's ’s two three four five six seven eight nine ten other more "
    "most"
)
_BEFORE_VERBS = _words(
    "will would could should may might can must cannot can't won't wouldn't couldn't shouldn't "
    "didn't don't doesn't not never did does do let has have had having hasn't haven't hadn't "
    "he she they we i you who it which"
)
_BE = _words("is was are were be been being am isn't wasn't aren't weren't")
_OBJECTS = _words(
    "the a an this that these those its his her their our my your them him us me it himself "
    "themselves itself another any"
)
_PREPOSITIONS = _words(
    "of in for with by on at from to into about against between during after before under over "
    "since through as than without within among towards toward like"
)
_BEFORE_NOUNS = _words("of on for by from with against about into over between during towards")
_FUNCTION_WORDS = (
    _DETERMINERS
    | _BEFORE_VERBS
    | _BE
    | _OBJECTS
    | _PREPOSITIONS
    | _words(
        "and or but if so because while when where why how what whom whose also there here then "
        "very too just only still yet already now up out off down back again however although "
        "though until whether nor"
    )
)


def count(
    articles: Iterable[tuple[str, str]],
) -> tuple[Counter[str], dict[str, Counter[str]]]:
    """What (title, text) of the articles say of each word, in lower case.

    First in how many articles it is; then in how many places it is a noun (``n``), before one
    (``m``) and neither (``o``). Places that tell nothing, and words with a capital, are in neither.
    """
    articles_of: Counter[str] = Counter()
    kinds_of: dict[str, Counter[str]] = defaultdict(Counter)
    for title, text in articles:
        tokens = _TOKEN.findall(text)
        lowered = [token.lower() for token in tokens]
        articles_of.update({*lowered, *(token.lower() for token in _TOKEN.findall(title))})
        for before, token, word, after in zip(
            lowered, tokens[1:], lowered[1:], lowered[2:], strict=False
        ):
            if token[0].isalpha() and not token[0].isupper() and word not in _FUNCTION_WORDS:
                kind = _kind_here(before, word, after)
                if kind:
                    kinds_of[word][kind] += 1
    return articles_of, kinds_of


def _kind_here(before: str, word: str, after: str) -> str:
    """What a word between two others is; empty where they do not tell."""
    content_follows = after[0].isalpha() and after not in _FUNCTION_WORDS
    if before in _BEFORE_VERBS or before in _BE:
        return "o"
    if before == "to" and (after in _OBJECTS or after in _PREPOSITIONS):
        return "o"
    if before in _DETERMINERS:
        return "m" if content_follows else "n"
    if after == "of":
        return "n"
    if after in _OBJECTS:
        return "o"
    # "on immigration": nouns that need no article. "By saying", "in general" are none.
    if before in _BEFORE_NOUNS and not content_follows and not word.endswith("ing"):
        return "n"
    return ""


def kind(places: Mapping[str, int]) -> str:
    """What a word mostly is: ``n``, ``m``, ``o``, or ``?``.

    >>> kind({"n": 60, "m": 40, "o": 9}), kind({"n": 3, "m": 90}), kind({"n": 3, "o": 50})
    ('n', 'm', 'o')
    """
    noun, modifier, other = (places.get(each, 0) for each in "nmo")
    if noun + modifier + other < LEAST_PLACES:
        return "?"
    if other > 1.6 * (noun + modifier):
        return "o"
    return "m" if modifier > 4 * noun else "n"


def table(articles: Sequence[tuple[str, str]], least_articles: int = LEAST_ARTICLES) -> str:
    """The text of the table: a header, then a line ``word articles kind`` for each word."""
    articles_of, kinds_of = count(articles)
    lines = (
        f"{word} {number} {kind(kinds_of.get(word, {}))}"
        for word, number in sorted(articles_of.items())
        if number >= least_articles and word[0].isalpha()
    )
    return HEADER.format(articles=len(articles)) + "\n".join(lines) + "\n"


def read(path: pathlib.Path, without: frozenset[str] = frozenset()) -> list[tuple[str, str]]:
    """Title and text of every article in the file but those with an id in ``without``."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    return [(row["title"], row["text"]) for row in rows if row["id"] not in without]


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the table; 2 where the articles are not there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=pathlib.Path, default=pathlib.Path("../shared/data/text"))
    parser.add_argument("--output", type=pathlib.Path, default=TABLE)
    parser.add_argument(
        "--without", type=pathlib.Path, nargs="*", default=[], help="files with ids to leave out"
    )
    options = parser.parse_args(arguments)
    held_out = frozenset(
        json.loads(line)["id"]
        for path in options.without
        for line in path.read_text(encoding="utf-8").splitlines()
    )
    try:
        articles = read(options.data / WIKINEWS, held_out)
    except FileNotFoundError:
        print(f"{options.data / WIKINEWS} is not there: name its folder with --data")
        return 2
    text = table(articles)
    # Without a time in its header the file is the same at every run.
    options.output.write_bytes(gzip.compress(text.encode(), 9, mtime=0))
    print(f"{options.output}: {text.count(chr(10)):,} lines from {len(articles):,} articles")
    return 0


if __name__ == "__main__":
    sys.exit(main())
