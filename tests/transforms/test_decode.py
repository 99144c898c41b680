"""Decode as a whole: forms of messages, hostile messages, and the PTransform."""

from __future__ import annotations

import datetime as dt
import gzip
import io
import json
import re
import time
from pathlib import Path
from typing import Any

import apache_beam as beam
import fastavro
import pytest
from apache_beam.testing.test_pipeline import TestPipeline
from apache_beam.testing.util import assert_that
from backports import zstd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pipeline.schemas import load

from pipeline.dead_letters import Unreadable
from pipeline.options import ArticleOptions
from pipeline.records import Article, Message, to_avro
from pipeline.transforms import decode as module
from pipeline.transforms.decode import Decode, Limits, decode

ERROR_TYPES = {
    "invalid_json",
    "no_body",
    "too_large",
    "bomb",
    "bad_encoding",
    "unsupported_type",
}
NOW = dt.datetime(2026, 1, 1, tzinfo=dt.timezone.utc)
LIMITS = Limits()
SAMPLE = (
    " date 2025-01-21 Russian President Vladimir Putin had a call Tuesday with Xi Jinping.\n\n"
    "The two leaders have developed strong personal links.\n\nAnd so on."
)
BODY = (
    "The minister met the president on Tuesday, and both agreed to go on talking about wheat.\n\n"
    "Nobody else was there, and nothing was written down, a person close to the talks said.\n\n"
    "The price of wheat fell by a tenth in the days after, which was more than anyone expected."
)
PAGE = (
    "<!doctype html><html><head><title>Minister meets president - The Site</title>"
    '<meta property="article:published_time" content="2025-01-21T10:30:45+02:00">'
    '<meta property="og:title" content="Minister meets president">'
    '<meta property="og:site_name" content="The Site">'
    '<link rel="canonical" href="https://www.example.org/news/1">'
    "</head><body><nav><a href='/'>Home</a></nav><article><h1>Minister meets president</h1>"
    + "".join(f"<p>{p}</p>" for p in BODY.split("\n\n"))
    + "</article></body></html>"
)


def read(data: bytes | str, limits: Limits = LIMITS, **attributes: str) -> Article:
    data = data.encode() if isinstance(data, str) else data
    return decode(Message(data, "1", None, attributes), limits, run_id="run", now=NOW)


def fails(data: bytes | str, limits: Limits = LIMITS, **attributes: str) -> str:
    with pytest.raises(Unreadable) as caught:
        read(data, limits, **attributes)
    return caught.value.error_type


def attempt(
    data: bytes, attributes: dict[str, str]
) -> tuple[Article, None] | tuple[None, Unreadable]:
    """The article, or why there is none; whatever else is raised fails the test."""
    try:
        return read(data, **attributes), None
    except Unreadable as error:
        return None, error


def news(**fields: Any) -> str:
    return json.dumps({"headline": "Minister meets president", "articleBody": BODY, **fields})


class TestForms:
    def test_sample_with_date_header(self) -> None:
        article = read(SAMPLE)
        assert article.body.startswith("Russian President Vladimir Putin had a call Tuesday")
        assert article.body.count("\n\n") == 2
        assert article.title is None
        assert article.published_at == dt.datetime(2025, 1, 21, tzinfo=dt.timezone.utc)
        assert article.published_precision == "day"
        assert article.body_content_type == "text/plain"
        assert article.article_id == f"sha256:{article.content_hash}"
        assert article.processing.warnings == ()

    def test_the_same_text_in_each_form_has_one_hash(self) -> None:
        forms = [
            read(news()),
            read(BODY),
            read(f"date 2025-01-21 {BODY}".replace("\n", "\r\n")),
            read(PAGE),
            read(json.dumps({"body_html": "".join(f"<p>{p}</p>" for p in BODY.split("\n\n"))})),
        ]
        assert {article.content_hash for article in forms} == {forms[0].content_hash}
        assert [a.body_content_type for a in forms[2:4]] == ["text/plain", "text/html"]

    def test_page(self) -> None:
        article = read(PAGE)
        assert article.body == BODY
        assert article.title == "Minister meets president"
        assert article.published_at == dt.datetime(2025, 1, 21, 8, 30, 45, tzinfo=dt.timezone.utc)
        assert article.published_precision == "second"
        assert article.source.name == "The Site"
        assert article.source.domain == "example.org"
        assert article.article_id == "https://www.example.org/news/1"

    @pytest.mark.parametrize("pack", [gzip.compress, zstd.compress])
    def test_compressed_with_and_without_the_attribute(self, pack: Any) -> None:
        encoding = "gzip" if pack is gzip.compress else "zstd"
        packed = pack(news().encode())
        assert read(packed).body == read(packed, content_encoding=encoding).body == BODY

    def test_everything_the_message_carries_is_in_the_record(self) -> None:
        message = Message(BODY.encode(), "7", NOW, {"a": "b"}, "key", 3)
        article = decode(message, LIMITS, run_id="run", now=NOW)
        assert (article.message_id, article.publish_time, article.ingested_at) == ("7", NOW, NOW)
        assert (article.attributes, article.ordering_key) == ({"a": "b"}, "key")
        assert article.delivery_attempt == 3
        assert article.processing.run_id == "run"
        assert article.word_count == len(BODY.split())
        assert read(BODY).ordering_key is None


class TestLanguage:
    def test_is_that_of_title_and_body(self) -> None:
        german = "Der Bundestag hat am Donnerstag mit großer Mehrheit die Reform beschlossen."
        for form in (german, news(headline=german[:40], articleBody=german)):
            language = read(form).language
            assert language is not None
            assert language.code == "de"
        language = read(news(articleBody=BODY)).language
        assert language is not None
        assert language.code == "en"

    def test_too_little_text_has_none(self) -> None:
        assert read("Putin!").language is None


class TestAttributes:
    def test_payload_goes_before_attributes_but_for_id_and_url(self) -> None:
        payload = news(
            identifier="theirs",
            url="https://a.org/1",
            publisher="Theirs",
            datePublished="2025-01-01",
        )
        ours = {
            "id": "ours",
            "url": "https://www.b.org/2?utm_source=x",
            "source": "Ours",
            "title": "Ours",
            "published_at": "2024-01-01",
        }
        article = read(payload, **ours)
        assert article.article_id == "ours"
        assert article.url == "https://www.b.org/2?utm_source=x"
        assert article.canonical_url == "https://www.b.org/2"
        assert (article.source.name, article.source.domain) == ("Theirs", "b.org")
        assert article.title == "Minister meets president"
        assert article.published_at is not None
        assert article.published_at.year == 2025
        bare = read(BODY, **ours)
        assert (bare.source.name, bare.title) == ("Ours", "Ours")
        assert bare.published_at is not None
        assert bare.published_at.year == 2024

    def test_an_address_that_is_none_is_left_out_with_a_warning(self) -> None:
        article = read(BODY, url="javascript:alert(1)")
        assert article.url is article.canonical_url is article.source.domain is None
        assert article.processing.warnings == (
            "the url is not an http(s) address and was left out",
        )
        assert article.attributes == {"url": "javascript:alert(1)"}

    def test_names_of_attributes_are_taken_as_bridges_write_them(self) -> None:
        assert read("{} is no JSON here. Or is it?", **{"Content-Type": "text/plain"}).body

    def test_lone_surrogates_do_not_reach_the_record(self) -> None:
        article = read(BODY, **{"k\ud800": "v\udfff"})
        assert article.attributes == {"k\ufffd": "v\ufffd"}


class TestUnreadable:
    @pytest.mark.parametrize(
        ("data", "attributes", "error_type"),
        [
            (b"", {}, "no_body"),
            (b" \n\t ", {}, "no_body"),
            (b"\0\0\0", {}, "no_body"),
            (b"date 2025-01-21 ", {}, "no_body"),
            (b'{"headline": "no text"}', {}, "no_body"),
            (b"<html><body></body></html>", {}, "no_body"),
            (b'{"body": ', {}, "invalid_json"),
            (b"[1, 2]", {"content_type": "application/json"}, "invalid_json"),
            (b'"text"', {"content_type": "application/json"}, "invalid_json"),
            (b'{"body": "x", "a": NaN}', {}, "invalid_json"),
            (b'{"body": "x", "body": "y"}', {}, "invalid_json"),
            (b'[{"body": "x"}, {"body": "y"}]', {}, "invalid_json"),
            (b"caf\xe9", {}, "bad_encoding"),
            (b"hello", {"content_type": "text/plain; charset=rot13"}, "bad_encoding"),
            (b"hello", {"content_encoding": "br"}, "bad_encoding"),
            (b"hello", {"content_encoding": "gzip"}, "bad_encoding"),
            (gzip.compress(b"hello " * 99)[:-4], {}, "bad_encoding"),
            (zstd.compress(b"hello " * 99)[:-4], {}, "bad_encoding"),
            (b"%PDF-1.7", {}, "unsupported_type"),
            (b"<?xml version='1.0'?><rss></rss>", {}, "unsupported_type"),
            (b"a,b", {"content_type": "text/csv"}, "unsupported_type"),
        ],
    )
    def test_each_kind(self, data: bytes, attributes: dict[str, str], error_type: str) -> None:
        assert fails(data, **attributes) == error_type

    def test_limits(self) -> None:
        assert fails(BODY, Limits(max_message_bytes=100)) == "too_large"
        assert fails(BODY, Limits(max_text_chars=100)) == "too_large"
        assert fails(news(), Limits(max_text_chars=100)) == "too_large"
        assert fails(PAGE, Limits(max_html_bytes=100)) == "too_large"


def ld(text: bytes) -> bytes:
    return b"<html><script type='application/ld+json'>" + text + b"</script><p>hi there</p></html>"


def many_attributes(count: int) -> bytes:
    return b"<p " + b" ".join(b"a%d=b" % i for i in range(count)) + b">x"


HOSTILE = {
    "brackets": (b"[" * 10_000_000, {"content_type": "application/json"}),
    "brackets_sniffed": (b"[" * 10_000_000, {}),
    "deep_json": (b'{"a":' * 150_000, {}),
    "wide_json": (b'{"body":"x","a":[' + b"[]," * 300_000 + b"1]}", {}),
    "long_number": (b'{"body":"x","a":' + b"1" * 9_000_000 + b"}", {}),
    "long_date": (b'{"body":"x","date":"' + b"1" * 9_000_000 + b'"}', {}),
    "long_byline": (b'{"body":"x","author":"a' + b" " * 5_000_000 + b'b"}', {}),
    "gzip_bomb": (gzip.compress(bytes(200_000_000)), {"content_encoding": "gzip"}),
    "zstd_bomb": (zstd.compress(bytes(200_000_000)), {}),
    "gzip_members": (gzip.compress(b"") * 400_000, {}),
    "zstd_frames": (zstd.compress(b"") * 700_000, {}),
    "one_line": (b"hello, - world " * 340_000, {}),
    "one_word": (b"a" * 900_000, {}),
    "spaces": (b"x" + b" " * 900_000 + b"x", {}),
    "blank_lines": (b"x" + b"\n " * 450_000 + b"x", {}),
    "open_tags": (b'{"body":"' + b"<p " * 300_000 + b'"}', {}),
    "deep_html": (b"<html><body>" + b"<div>" * 5_000 + b"x", {}),
    "many_tags": (b"<p>x" * 2_500_000, {}),
    "many_attributes": (many_attributes(200_000), {}),
    "title_with_many_attributes": (
        json.dumps({"body": "x", "title": many_attributes(200_000).decode()}).encode(),
        {},
    ),
    "nested_text": (b"<html><body>" + b"<div>x" * 200 + b"<p>y</p>" * 40_000, {}),
    "json_ld": (ld(b'{"author": "' * 500_000), {}),
    "deep_json_ld": (ld(b'{"a":' * 500_000), {}),
    "laughs": (
        b"<!DOCTYPE html [<!ENTITY a 'ha'>"
        + b"".join(b"<!ENTITY a%d '%s'>" % (i, b"&a%d;" % (i - 1) * 10) for i in range(1, 12))
        + b"]><html><body><p>&a11; ha</p></body></html>",
        {},
    ),
}


class TestHostile:
    @pytest.mark.parametrize("name", HOSTILE)
    def test_is_over_soon(self, name: str) -> None:
        data, attributes = HOSTILE[name]
        start = time.process_time()
        article, error = attempt(data, attributes)
        assert encode(article) if article else len(str(error)) < 300
        assert time.process_time() - start < 10

    def test_what_the_bombs_are_called(self) -> None:
        def said(name: str) -> str:
            data, attributes = HOSTILE[name]
            return fails(data, **attributes)

        assert said("gzip_bomb") == said("zstd_bomb") == said("gzip_members") == "bomb"
        assert said("deep_json") == "invalid_json"
        assert said("deep_html") == said("many_tags") == said("many_attributes") == "too_large"


def encode(article: Article) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, load("articles"), to_avro(article))
    return out.getvalue()


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["name", "value", "@id", "@type", "role", "contenttype", "html", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)
FIELD_NAMES = (
    "headline title articleBody body bodies body_html content author byline people publisher "
    "source datePublished versioncreated dateModified url uri mainEntityOfPage identifier id "
    "genre dateline description @graph @type article"
)
NAMES = st.sampled_from(re.split(" ", FIELD_NAMES))
ATTRIBUTES = st.dictionaries(
    st.sampled_from(["content_type", "content_encoding", "url", "source", "id", "published_at"])
    | st.text(max_size=5),
    st.sampled_from(
        ["text/plain", "text/html", "application/json", "text/html; charset=utf-16", "gzip", "zstd"]
    )
    | st.text(st.characters(exclude_categories=()), max_size=20)
    | st.text(max_size=20).map("http://".__add__),
    max_size=5,
)
SNIPPETS = st.sampled_from(
    [b"<p>", b"<html>", b'{"body":"', b" date 2025-", b"\x1f\x8b\x08", b"\xff"]
)
DATA = (
    st.binary(max_size=200)
    | st.lists(SNIPPETS | st.binary(max_size=20), max_size=8).map(b"".join)
    | st.text(st.characters(exclude_categories=("Cs",)), max_size=200).map(str.encode)
    | st.dictionaries(NAMES, JSON_VALUES, max_size=8).map(lambda item: json.dumps(item).encode())
    | st.binary(max_size=100).map(gzip.compress)
)


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(DATA, ATTRIBUTES)
def test_whatever_comes_is_a_record_or_unreadable(data: bytes, attributes: dict[str, str]) -> None:
    article, error = attempt(data, attributes)
    if article is None:
        assert error is not None
        assert error.error_type in ERROR_TYPES
        return
    assert article.body.strip()
    assert encode(article)


class TestTransform:
    def test_each_message_is_in_exactly_one_output(self) -> None:
        messages = [
            Message(news().encode(), "good"),
            Message(b"{", "bad", None, {"content_type": "application/json", "k": "v"}),
            Message(SAMPLE.encode(), "sample"),
        ]
        with TestPipeline(runner="BundleBasedDirectRunner") as pipeline:
            out = pipeline | beam.Create(messages) | Decode(LIMITS, "run")
            ids = out.articles | beam.Map(
                lambda draft: (draft.message.data, draft.article.message_id)
            )
            letters = out.dead_letters | beam.Map(
                lambda x: (x.message_id, x.stage, x.error_type, x.payload, dict(x.attributes))
            )
            assert_that(ids, _equal([(messages[0].data, "good"), (messages[2].data, "sample")]))
            assert_that(
                letters,
                _equal([("bad", "decode", "invalid_json", b"{", dict(messages[1].attributes))]),
                label="letters",
            )
        result = pipeline.result
        counters = {c.key.metric.name: c.committed for c in result.metrics().query()["counters"]}
        assert counters == {
            "messages_received": 3,
            "articles_decoded": 2,
        }
        (sizes,) = result.metrics().query()["distributions"]
        assert (sizes.key.metric.name, sizes.committed.count) == ("message_bytes", 3)

    @pytest.mark.parametrize("error", [RuntimeError("x"), RecursionError(), MemoryError()])
    def test_a_fault_of_ours_is_a_dead_letter_with_its_trace(
        self, error: Exception, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(*_: object) -> None:
            raise error

        monkeypatch.setattr(module, "_read", broken)
        fn = module._DecodeFn(LIMITS, "run")
        fn.start_bundle()
        (out,) = fn.process(Message(b"hello", "1"))
        assert out.tag == "dead_letters"
        assert out.value.error_type == "unexpected"
        assert "broken" in out.value.stack_trace
        assert out.value.payload == b"hello"

    def test_from_options_takes_every_limit(self) -> None:
        options = ArticleOptions(["--max_json_depth=7", "--max_text_chars=9", "--run_id=r"])
        transform = Decode.from_options(options)
        assert transform._limits == Limits(max_json_depth=7, max_text_chars=9)
        assert transform._run_id == "r"


def _equal(expected: list[Any]) -> Any:
    def check(actual: list[Any]) -> None:
        assert sorted(actual) == sorted(expected)

    return check


def test_the_shared_sample_is_whole(sample_path: Path) -> None:
    article = read(sample_path.read_bytes())
    assert article.body.startswith("Russian President Vladimir Putin had a call Tuesday")
    assert article.body.endswith("living in this region, Putin said.")
    text = sample_path.read_text(encoding="utf-8")
    assert article.body == text.removeprefix(" date 2025-01-21 ").strip()
    assert article.published_precision == "day"
