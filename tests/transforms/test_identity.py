"""Addresses, ids and hashes."""

from __future__ import annotations

import re
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.transforms import identity
from pipeline.transforms.text import normalise


@pytest.mark.parametrize(
    ("url", "canonical"),
    [
        ("https://example.org", "https://example.org/"),
        ("HTTPS://WWW.Example.ORG:443/A?b=1#top", "https://www.example.org/A?b=1"),
        ("http://example.org:80/a", "http://example.org/a"),
        ("http://example.org:8080/a", "http://example.org:8080/a"),
        ("http://user:secret@example.org/a", "http://example.org/a"),
        ("https://e.org/a?utm_source=x&fbclid=1&gclid=2&id=7", "https://e.org/a?id=7"),
        ("https://e.org/a?b=2&a=1", "https://e.org/a?a=1&b=2"),
        ("https://e.org/?article-one", "https://e.org/?article-one"),
        ("https://e.org/a?gallery=5&source=x&uid=3", "https://e.org/a?gallery=5&source=x&uid=3"),
        ("https://e.org/a?aid=5&cid=4", "https://e.org/a?aid=5&cid=4"),
        ("https://xn--bcher-kva.example/a", "https://bücher.example/a"),
    ],
)
def test_canonical(url: str, canonical: str) -> None:
    assert identity.canonical_url(url) == canonical


@pytest.mark.parametrize(
    "url",
    [
        *("", "javascript:alert(1)", "ftp://e.org/a", "/a", "e.org/a", "http://", "http://[::1"),
        *("http://e.org:port/", "http://a b/", "http://e.org/" + "a" * 3000, "http://<script>/"),
    ],
)
def test_no_address(url: str) -> None:
    assert identity.canonical_url(url) is None


@given(st.text(max_size=60).map("https://e.org/".__add__) | st.text(max_size=30))
def test_canonical_is_stable(url: str) -> None:
    once = identity.canonical_url(url)
    if once is not None:
        assert identity.canonical_url(once) == once
        once.encode()


def test_domain() -> None:
    assert identity.domain("https://www.example.org:8080/a") == "example.org"
    assert identity.domain(None) is None


@pytest.mark.parametrize(
    "other",
    [
        "“It’s over” — he said.\n\nWe’ll see",
        "\"It's  over\" - he said. We'll see",
        "\"it's over\" -- HE said.\r\n\r\nwe'll see",
        "“It’s\u00a0over” – he sa\u00adid. We’ll see\u200b",
    ],
)
def test_hash_levels_what_forms_differ_in(other: str) -> None:
    assert identity.content_hash(other) == identity.content_hash(
        "\"It's over\" - he said. We'll see"
    )


def test_hash_tells_words_and_numbers_apart() -> None:
    assert identity.content_hash("It is 5.") != identity.content_hash("It is 6.")


@given(st.text(max_size=80))
def test_normalise_is_stable_under_white_space(text: str) -> None:
    assert normalise(text) == normalise(f"  {text}\n\n")
    identity.content_hash(text)


def test_article_id() -> None:
    assert identity.article_id("id", "url", "h") == "id"
    assert identity.article_id(None, "url", "h") == "url"
    assert identity.article_id(None, None, "h") == "sha256:h"


@given(
    st.builds(
        "{}://{}{}".format,
        st.sampled_from(["http", "https", "HTTP"]),
        st.sampled_from(
            ["e.org", "www.e.org", "E.org", "xn--bcher-kva.example", "a..b", "e.org:80"]
        ),
        st.text(st.sampled_from("/.aZ09-_~!=:,%?&#;@ é"), max_size=8),
    )
)
def test_an_address_in_its_one_form_is_left_as_it_is(url: str) -> None:
    quick = identity.canonical_url(url)
    with mock.patch.object(identity, "_CANONICAL", re.compile(r"(?!)")):
        assert quick == identity.canonical_url(url)
        slow = identity.domain(quick)
    assert identity.domain(quick) == slow
