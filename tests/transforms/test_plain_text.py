"""Plain text: the date header, the title, the paragraphs; and text.py, byline.py under them."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.transforms import byline, plain_text
from pipeline.transforms import text as module
from pipeline.transforms.html_text import html_to_text
from pipeline.transforms.text import clean, normalise, one_line, paragraphs, word_count

REST = "The minister met the president on Tuesday."


@pytest.mark.parametrize(
    ("text", "published", "body"),
    [
        (f" date 2025-01-21 {REST}", "2025-01-21", REST),
        (f"Date: 2025-01-21\n\n{REST}", "2025-01-21", REST),
        (f"date 2025-01-21T10:30Z {REST}", "2025-01-21T10:30Z", REST),
        (f"Date 2025-01-21 {REST}", None, f"Date 2025-01-21 {REST}"),
        (f"date 2025-01-211 {REST}", None, f"date 2025-01-211 {REST}"),
        (f"  {REST}\n", None, REST),
    ],
)
def test_header(text: str, published: str | None, body: str) -> None:
    fields = plain_text.read(text, [])
    assert (fields.published, fields.body, fields.title) == (published, body, None)


@pytest.mark.parametrize(
    ("first", "is_title"),
    [
        ("Minister meets president", True),
        ("Will they meet?", True),
        ("Minister: “We met”", True),
        ("They met.", False),
        ("“They met.”", False),
        ("By Ana Ruiz", False),
        ("Charlotte, NC, Tuesday Dec 9, 2025", False),
        ("Who wins the World Cup 2026", True),
        ("Two\nlines", False),
        ("Minister " * 20, False),
        ("* * *", False),
    ],
)
def test_title(first: str, is_title: bool) -> None:
    fields = plain_text.read(f"{first}\n\n{REST}", [])
    assert fields.title == (first if is_title else None)
    assert fields.body == (REST if is_title else f"{first.strip()}\n\n{REST}")


def test_a_title_alone_is_the_body() -> None:
    assert plain_text.read("Minister meets president", []).body == "Minister meets president"


@given(st.text())
def test_paragraphs_keep_every_line(text: str) -> None:
    text = text.replace("\r", "")
    kept = paragraphs(text) if text.strip() else ""
    assert [x.strip() for x in kept.split("\n") if x.strip()] == [
        x.strip() for x in text.split("\n") if x.strip()
    ]
    assert "\n\n\n" not in kept
    assert kept == kept.strip()


@given(st.text(st.characters(exclude_categories=())))
def test_clean_text_can_be_encoded_and_is_left_alone(text: str) -> None:
    once = clean(text, "x", [])
    once.encode()
    warnings: list[str] = []
    assert clean(once, "x", warnings) == once
    assert warnings == []


def test_clean_says_what_it_did() -> None:
    warnings: list[str] = []
    assert clean("a\r\nb\0c\ud800d", "title", warnings) == "a\nbc\ufffdd"
    assert warnings == [
        "control characters were removed from the title",
        "broken characters (lone surrogates) were replaced in the title",
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [("", 0), ("a - b -- c", 3), ("- - -", 0), ("don't e.g. 3", 3), ("日本 x", 3)],
)
def test_word_count(text: str, words: int) -> None:
    assert word_count(text) == words


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("By Ana Ruiz, Bo Li and Cy Jones", ("Ana Ruiz", "Bo Li", "Cy Jones")),
        ("by Ana Ruiz & Bo Li", ("Ana Ruiz", "Bo Li")),
        ("Ana Ruiz; Bo Li", ("Ana Ruiz", "Bo Li")),
        ("Smith, John", ("Smith, John",)),
        ("Cy Jones, Jr.", ("Cy Jones, Jr.",)),
        ("Reporting by Ana Ruiz; Editing by Bo Li", ("Ana Ruiz",)),
        ("Sandy Anderson", ("Sandy Anderson",)),
        ("https://example.org/ana", ()),
        ("", ()),
    ],
)
def test_authors(line: str, names: tuple[str, ...]) -> None:
    assert byline.authors([line]) == names


@pytest.mark.parametrize(
    ("start", "dateline"),
    [
        ("LONDON (Reuters) - The", "LONDON"),
        ("PARIS, Jan 3 — The", "PARIS, Jan 3"),
        ("KYIV, Ukraine (AP) — The", "KYIV, Ukraine"),
        ("NEW YORK, Jan. 3, 2025 /PRNewswire/ -- The", "NEW YORK, Jan. 3, 2025"),
        ("SÃO PAULO (AFP) – The", "SÃO PAULO"),
        ("WASHINGTON — The", "WASHINGTON"),
        ("NATO - which", None),
        ("BREAKING — The", None),
        ("The minister — who", None),
        ("London (Reuters) - The", None),
        ("", None),
    ],
)
def test_dateline(start: str, dateline: str | None) -> None:
    assert byline.dateline(start) == dateline


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>One</p>\n<p>two<br/>three</p>", "One\n\ntwo\nthree"),
        ("<ul><li>a</li><li>b</li></ul>", "a\n\nb"),
        ("a<script>no()</script> b<!-- c --><style>x{}</style>", "a b"),
        ("<b>bo</b>ld &lt;tag&gt; &eacute;", "bold <tag> é"),
        ("<!-- only -->", ""),
    ],
)
def test_html_to_text(html: str, text: str) -> None:
    assert html_to_text(html) == text


# Long enough for the ways that only long texts take; all of ASCII, and what of the rest matters.
ASCII = st.characters(max_codepoint=127)
ODD = st.sampled_from(" \t\n\r\x0b\x1c\x85\xa0\u2028“”’–—…é東ß\u00ad\u200b\ufb01\u0308-.`_")
LONG = (
    st.text(ASCII, min_size=150, max_size=300)
    | st.text(ASCII | ODD, max_size=300)
    | st.lists(st.sampled_from(["oil", "-", "...", "a_b", " ", "\n\n", "\n", "\t", "“x”"])).map(
        lambda words: " ".join(words * 20)
    )
)


class TestShortCuts:
    """What is done faster for most texts is what was to be done."""

    @given(LONG)
    def test_one_line(self, text: str) -> None:
        assert one_line(text) == " ".join(text.split())

    @given(LONG)
    def test_word_count(self, text: str) -> None:
        bare, characters = module._IDEOGRAPH.subn(" ", text)
        words = [w for w in bare.split() if any(c.isalnum() or c == "_" for c in w)]
        assert word_count(text) == characters + len(words)

    @given(LONG)
    def test_normalise(self, text: str) -> None:
        usual = unicodedata.normalize("NFKC", text).translate(module._VARIANTS)
        usual = unicodedata.normalize("NFKC", usual.casefold())
        assert normalise(text) == module._DASHES.sub("-", " ".join(usual.split()))

    @given(LONG)
    def test_clean(self, text: str) -> None:
        warnings: list[str] = []
        cleaned = clean(text, "body", warnings)
        assert not module._SUSPECT.search(cleaned)
        assert (cleaned == text) is (not module._SUSPECT.search(text))

    @given(st.text(ASCII | ODD, max_size=40) | st.just("PARIS, Jan 3 - x"))
    def test_dateline(self, text: str) -> None:
        match = byline._DATELINE.match(text)
        if match is None or not match["city"].isupper():
            assert byline.dateline(text) is None
