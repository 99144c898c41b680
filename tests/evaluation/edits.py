"""Realistic edits of a news text: what happens to a story on its way from outlet to outlet.

An edit is a function (text, rng) -> text. What it does follows from the two alone, so that the same
seed gives the same copies on every machine. `kinds` names them all.
"""

from __future__ import annotations

import datetime as dt
import html
import random
import re
import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain

from tests.evaluation import wording
from tests.evaluation.sentences import joined, paragraphs

Edit = Callable[[str, random.Random], str]

LINE_CHARACTERS = 72
LONGEST_HEADLINE = 120
LONGEST_DATELINE = 120
FIRST_DAY, DAYS = dt.date(2005, 1, 1), 7_000


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of edit.

    Args:
        edit: makes the copy.
        original: makes of a text the one that is copied; None where it stays as it is.
    """

    name: str
    edit: Edit
    original: Edit | None = None


@dataclass(frozen=True, slots=True)
class Pool:
    """What edits take from other articles.

    Args:
        words: as often as they are in them.
    """

    words: Sequence[str]
    headlines: Sequence[str]
    sentences: Sequence[str]


def kinds(pool: Pool) -> dict[str, Kind]:
    """Every kind of edit by its name."""
    light: dict[str, Edit] = {
        "agency_header": lambda text, rng: agency_header(text, rng, pool),
        "boilerplate": lambda text, rng: boilerplate(text, rng, pool),
        "dateline_changed": dateline_changed,
        "byline": byline,
        "typos_3pct": typos_3pct,
        "case_and_spacing": case_and_spacing,
        "quotes_and_dashes": quotes_and_dashes,
        "new_headline": lambda text, rng: new_headline(text, rng, pool),
        "correction": lambda text, rng: correction(text, rng, pool),
        "fifth_of_sentences_dropped": fifth_of_sentences_dropped,
        "cut_to_70": lambda text, rng: cut_to(text, rng, 0.7),
        "sentences_reordered": sentences_reordered,
    }
    edits = {
        **light,
        "paragraphs_rotated": paragraphs_rotated,
        "cut_to_50": lambda text, rng: cut_to(text, rng, 0.5),
        "typos_3pct_chars": typos_3pct_chars,
        "updated": lambda text, rng: updated(text, rng, pool),
        "two_edits": lambda text, rng: two_edits(text, rng, list(light.values())),
    }
    for percent in (10, 20, 30, 40, 50):
        edits[f"words_changed_{percent}"] = words_changed(pool, percent / 100)
    return {
        name: Kind(name, edit, dated if name == "dateline_changed" else None)
        for name, edit in edits.items()
    }


# What stands around a story


def fields(rng: random.Random, pool: Pool | None = None) -> dict[str, str]:
    """The fields of the templates in `wording`."""
    day = FIRST_DAY + dt.timedelta(days=rng.randrange(DAYS))
    place = rng.choice(wording.CITIES)
    name, other = (
        f"{rng.choice(wording.FIRST_NAMES)} {rng.choice(wording.LAST_NAMES)}" for _ in range(2)
    )
    return {
        "place": place,
        "PLACE": place.upper(),
        "day": f"{day:%b} {day.day}",
        "date": f"{day:%B} {day.day}, {day.year}",
        "iso": day.isoformat(),
        "year": f"{day.year}",
        "time": f"{rng.randrange(24):02}:{rng.randrange(60):02}",
        "name": name,
        "NAME": name.upper(),
        "other": other,
        "agency": rng.choice(wording.AGENCIES),
        "outlet": rng.choice(wording.OUTLETS),
        "handle": name.lower().replace(" ", "").replace("'", ""),
        "title": rng.choice(pool.headlines) if pool is not None else "",
        "sentence": rng.choice(pool.sentences) if pool is not None else "",
    }


def agency_header(text: str, rng: random.Random, pool: Pool) -> str:
    """An agency's dateline in front, sometimes with its line of title or author above."""
    return rng.choice(wording.HEADERS).format(**fields(rng, pool)) + text


def boilerplate(text: str, rng: random.Random, pool: Pool) -> str:
    """One to three lines of an agency or portal, most of them at the end."""
    values = fields(rng, pool)
    for line in rng.sample(wording.LAST_LINES, rng.randint(1, 3)):
        # Where a portal's markup was taken off, a line may have come to stand on the last one.
        text += rng.choice(("\n\n", "\n\n", "\n", " ")) + line.format(**values)
    if rng.random() < 0.3:
        text = rng.choice(wording.FIRST_LINES).format(**values) + text
    if rng.random() < 0.3:
        parts = paragraphs(text)
        line = rng.choice(wording.MIDDLE_LINES).format(**values)
        parts.insert(rng.randint(1, max(1, len(parts) - 1)), [line])
        text = joined(parts)
    return text


_DATELINE = re.compile(
    rf"\s*[^\n]{{0,{LONGEST_DATELINE}}}?(?:\([^()\n]{{2,40}}\)|/[^/\n]{{2,40}}/|\d{{4}})"
    rf"[^\w\n]{{0,3}}(?:--|[-–—])\s*"
)


def dated(text: str, rng: random.Random) -> str:
    """`text` with a dateline: its own, or a new one."""
    if _DATELINE.match(text):
        return text
    return rng.choice(wording.DATELINES).format(**fields(rng)) + text


def dateline_changed(text: str, rng: random.Random) -> str:
    """Another dateline in the place of that of `text`, or a new one where it has none."""
    found = _DATELINE.match(text)
    return rng.choice(wording.DATELINES).format(**fields(rng)) + text[found.end() if found else 0 :]


def byline(text: str, rng: random.Random) -> str:
    """Who wrote it, before the story or under it."""
    values = fields(rng)
    if rng.random() < 0.8:
        return rng.choice(wording.BYLINES).format(**values) + text
    end = ("— {name}", "{name}, {outlet}", "By {name}", "{name} reported from {place}.")
    return f"{text}\n\n{rng.choice(end).format(**values)}"


def new_headline(text: str, rng: random.Random, pool: Pool) -> str:
    """Another headline on top, in the place of the one that is there."""
    first, _, rest = text.partition("\n\n")
    if (
        rest
        and len(first) <= LONGEST_HEADLINE
        and not first.rstrip().endswith((".", "!", "”", '"'))
    ):
        text = rest
    title = rng.choice(pool.headlines)
    return f"{rng.choice((title, title, title.upper(), title.title()))}\n\n{text}"


def correction(text: str, rng: random.Random, pool: Pool) -> str:
    """One number or name changed, and a line that says so."""
    values = fields(rng, pool)
    tokens = re.split(r"(\s+)", text)
    # Not the first token: every text begins with a capital letter.
    changeable = [n for n, t in enumerate(tokens) if n and re.search(r"\d|^[A-Z][a-z]{2}", t)]
    if changeable:
        place = rng.choice(changeable)
        tokens[place] = _corrected(tokens[place], rng)
    text = "".join(tokens)
    if rng.random() < 0.7:
        return rng.choice(wording.CORRECTIONS_BEFORE).format(**values) + text
    return f"{text}\n\n{rng.choice(wording.CORRECTIONS_AFTER).format(**values)}"


def _corrected(token: str, rng: random.Random) -> str:
    digit = re.search(r"\d", token)
    if digit is None:
        name = rng.choice(wording.LAST_NAMES)
        return re.sub(r"\w+", lambda _: name, token, count=1)
    other = rng.choice([d for d in string.digits if d != digit[0]])
    return token[: digit.start()] + other + token[digit.end() :]


# What happens to its letters


def typos_3pct(text: str, rng: random.Random) -> str:
    """One character of 3 % of the words, and of at least one, is changed."""
    tokens = re.split(r"(\s+)", text)
    words = [n for n, token in enumerate(tokens) if re.search(r"\w\w", token)]
    for place in rng.sample(words, min(len(words), max(1, round(0.03 * len(words))))):
        tokens[place] = _mistyped(tokens[place], rng)
    return "".join(tokens)


def _mistyped(token: str, rng: random.Random) -> str:
    """A letter is left out, doubled, replaced, or changes places with the next."""
    place = rng.choice([found.start() for found in re.finditer(r"\w(?=\w)", token)])
    before, here, after, rest = token[:place], token[place], token[place + 1], token[place + 2 :]
    other = rng.choice([c for c in string.ascii_lowercase if c != here.lower()])
    forms = (after, here + here + after, other + after, after + here)
    changed = [form for form in forms if form != here + after]
    return before + rng.choice(changed) + rest


def typos_3pct_chars(text: str, rng: random.Random) -> str:
    """3 % of all letters and digits are changed: a sixth of the words of a bad scan."""
    letters = list(text)
    places = [n for n, letter in enumerate(letters) if letter.isalnum()]
    for place in rng.sample(places, round(0.03 * len(places))):
        here = letters[place].lower()
        letters[place] = rng.choice([c for c in string.ascii_lowercase if c != here])
    return "".join(letters)


def case_and_spacing(text: str, rng: random.Random) -> str:
    """Capitals or small letters here and there, double spaces, short lines, blank lines."""
    parts = []
    for part in paragraphs(text):
        words = " ".join(part).split()
        line = " ".join(words)
        style = rng.random()
        if style < 0.2:
            line = line.upper()
        elif style < 0.4:
            line = line.lower()
        layout = rng.random()
        if layout < 0.3:
            line = line.replace(" ", "  ")
        elif layout < 0.6:
            line = _wrapped(line.split(), rng.choice(("\n", "\r\n", " \n")))
        parts.append(line)
    return rng.choice(("\n\n", "\n", "\n\n\n\n", "\n \n", "\r\n\r\n")).join(parts)


def _wrapped(words: Sequence[str], end: str) -> str:
    lines, length = [""], 0
    for word in words:
        if length and length + len(word) >= LINE_CHARACTERS:
            lines.append("")
            length = 0
        lines[-1] += f" {word}" if length else word
        length += len(word) + 1
    return end.join(lines)


_TYPOGRAPHIC = str.maketrans({"'": "’", "-": "‑"})
_PLAIN = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"', "–": "-", "—": "--", "\xa0": " "})


def quotes_and_dashes(text: str, rng: random.Random) -> str:
    """Other typography, HTML entities, and tags that were left in."""
    style = rng.choice(("plain", "typographic", "entities", "tags", "tags and entities"))
    if style == "plain":
        return text.translate(_PLAIN).replace(" - ", " -- ")
    if style == "typographic":
        text = re.sub(r'"(?=\w)', "“", text).replace('"', "”")
        return text.replace(" - ", " — ").replace("--", "—").translate(_TYPOGRAPHIC)
    if "entities" in style:
        text = html.escape(text).replace("’", "&rsquo;").replace("—", "&mdash;")
        text = re.sub(" (?=[a-z])", lambda _: "&nbsp;" if rng.random() < 0.05 else " ", text)
    if "tags" in style:
        text = _tagged(text, rng)
    return text


def _tagged(text: str, rng: random.Random) -> str:
    parts = []
    for part in paragraphs(text):
        words = " ".join(part).split(" ")
        place = rng.randrange(len(words))
        before, after = rng.choice(
            (
                ("<strong>", "</strong>"),
                ('<a href="https://example.com/news/1234?ref=a" target="_blank">', "</a>"),
                ("<em>", "</em>"),
                ("", "<br/>"),
                ("", '<span class="ad" data-id="17"></span>'),
            )
        )
        words[place] = before + words[place] + after
        parts.append(" ".join(words))
    between = rng.choice(("</p><p>", "</p>\n<p>", '</p>\n\n<p class="text">'))
    return f"<p>{between.join(parts)}</p>"


# What happens to its sentences and words


def fifth_of_sentences_dropped(text: str, rng: random.Random) -> str:
    parts = paragraphs(text)
    every = [(n, m) for n, part in enumerate(parts) for m in range(len(part))]
    gone = set(rng.sample(every, round(0.2 * len(every))))
    return joined(
        [[s for m, s in enumerate(part) if (n, m) not in gone] for n, part in enumerate(parts)]
    )


def cut_to(text: str, rng: random.Random, share: float) -> str:
    """The first `share` of the words, with or without what portals put at a cut."""
    words = list(re.finditer(r"\S+", text))
    end = words[max(1, round(share * len(words))) - 1].end() if words else 0
    return text[:end] + rng.choice(("", "", "…", "...", " [...]", " Read more"))


def sentences_reordered(text: str, rng: random.Random) -> str:
    """All sentences in another order, in paragraphs as long as before."""
    parts = paragraphs(text)
    every = list(chain.from_iterable(parts))
    rng.shuffle(every)
    rest = iter(every)
    return joined([[next(rest) for _ in part] for part in parts])


def paragraphs_rotated(text: str, rng: random.Random) -> str:
    """The last paragraphs before the first ones."""
    parts = paragraphs(text)
    place = rng.randrange(1, max(2, len(parts)))
    return joined([*parts[place:], *parts[:place]])


def words_changed(pool: Pool, share: float) -> Edit:
    """The edit that puts words of other articles in the place of that share of the words."""

    def changed(text: str, rng: random.Random) -> str:
        tokens = re.split(r"(\s+)", text)
        words = [n for n, token in enumerate(tokens) if token and not token.isspace()]
        for place in rng.sample(words, round(share * len(words))):
            tokens[place] = rng.choice(pool.words)
        return "".join(tokens)

    return changed


def two_edits(text: str, rng: random.Random, edits: Sequence[Edit]) -> str:
    """Two of `edits`, one after the other."""
    first, second = rng.sample(edits, 2)
    return second(first(text, rng), rng)


def updated(text: str, rng: random.Random, pool: Pool) -> str:
    """A new paragraph on top, and somebody's words further down."""
    parts = paragraphs(text)
    said = rng.choice(wording.SAID).format(**fields(rng, pool))
    parts.insert(rng.randint(1, max(1, len(parts))), [said])
    return joined([[rng.choice(wording.LEADS).format(**fields(rng, pool))], *parts])
