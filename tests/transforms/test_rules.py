from __future__ import annotations

import contextlib
import datetime as dt
import pickle
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pipeline.records import Article, Entity, Language, Mention, Processing, Source, Tag
from pipeline.transforms import rules as rules_module
from pipeline.transforms.rule_file import MAX_RULES, RuleError, parse_rules, read_rules
from pipeline.transforms.rules import (
    MAX_SEARCHED_CHARS,
    SCHEME,
    apply_rules,
    compiled,
    phrases,
)

EXAMPLE = Path(__file__).parent / "data" / "rules.yaml"
NOW = dt.datetime(2025, 1, 21, tzinfo=dt.timezone.utc)


def article(body: str = "", title: str | None = None, **fields: Any) -> Article:
    fields.setdefault("tags", ())
    return Article(
        *("m", "a", "h", NOW, None, title, body, "text/plain", 1, Processing("0", "r")), **fields
    )


def country(code: str) -> Tag:
    return Tag("iso3166", code, code)


def entity(name: str, *mentions: str) -> Entity:
    spans = tuple(Mention("body", 0, 1, text) for text in mentions)
    return Entity(name, "ORG", 1, None, spans)


def rule_tags(text: str, subject: Article) -> list[str]:
    return [tag.code for tag in apply_rules(subject, parse_rules(text.encode()))]


def holds(condition: str, subject: Article) -> bool:
    return rule_tags(f"- name: x\n  all:\n    - {condition}", subject) == ["x"]


class TestConditions:
    @pytest.mark.parametrize(
        ("phrase", "text", "expected"),
        [
            ("oil", "Oil rose.", True),
            ("oil", "The spoils rose.", False),
            ("oil", "oil", True),
            ("oil", "oil_price", False),
            ("oil embargo", "an OIL\nEMBARGO,", True),
            ("oil embargo", "an oil  embargo", True),
            ("oil embargo", "oil\n\nembargo", False),
            ("élan", "ÉLAN!", True),
            ("lan", "élan", False),
            ("C++", "in C++ or C", True),
            ("C++", "in C+", False),
            ("a.b", "axb", False),
            ("北京", "他在北京的家", True),
            ("straße", "Hauptstraße", False),
        ],
    )
    def test_phrases_are_whole_words(self, phrase: str, text: str, expected: bool) -> None:
        assert holds(f"phrase: '{phrase}'", article(text)) is expected

    def test_expressions_are_case_sensitive_unless_they_say_not(self) -> None:
        assert not holds(r"regex: '\blng\b'", article("LNG"))
        assert holds(r"regex: '(?i)\blng\b'", article("LNG"))

    def test_entities_match_by_name_or_mention(self) -> None:
        subject = article(entities=(entity("Vladimir Putin", "Putin"),))
        assert holds("entity: vladimir putin", subject)
        assert holds("entity: PUTIN", subject)
        assert not holds("entity: Vladimir", subject)

    def test_no_entity_holds_where_none_were_computed(self) -> None:
        assert not holds("entity: Putin", article("Putin", entities=None))

    def test_one_of_several_countries_is_enough(self) -> None:
        subject = article(tags=(country("RU"), Tag("keyword", "CN", "CN")))
        assert holds("country: [UA, ru]", subject)
        assert not holds("country: CN", subject)

    def test_norway_is_a_country(self) -> None:
        assert holds("country: NO", article(tags=(country("NO"),)))

    @pytest.mark.parametrize(
        ("wanted", "code", "expected"),
        [("en", "en", True), ("en", "en-GB", True), ("en-GB", "en", False), ("e", "en", None)],
    )
    def test_languages(self, wanted: str, code: str, expected: bool | None) -> None:
        subject = article(language=Language(code, 1.0))
        if expected is None:
            with pytest.raises(RuleError, match="no BCP 47 code"):
                holds(f"language: {wanted}", subject)
        else:
            assert holds(f"language: {wanted}", subject) is expected

    @pytest.mark.parametrize(
        ("wanted", "expected"),
        [("reuters.com", True), ("uk.reuters.com", True), ("ters.com", False), ("Reuters", True)],
    )
    def test_sources(self, wanted: str, expected: bool) -> None:
        subject = article(source=Source("Reuters", "uk.reuters.com"))
        assert holds(f"source: {wanted}", subject) is expected

    def test_an_unknown_source_or_language_matches_nothing(self) -> None:
        assert not holds("source: x.com", article())
        assert not holds("language: en", article())

    def test_fields(self) -> None:
        subject = article("oil", "gas")
        assert holds("{phrase: oil, field: body}", subject)
        assert not holds("{phrase: oil, field: title}", subject)
        assert holds("{regex: gas, field: any}", subject)
        assert rule_tags("- {name: x, field: title, any: [oil]}", subject) == []
        assert rule_tags("- {name: x, field: title, any: [oil, gas]}", subject) == ["x"]


class TestRules:
    @pytest.mark.parametrize(
        ("words", "expected"),
        [("a b c", True), ("a b", False), ("a c", True), ("b c", False), ("a b c d", False)],
    )
    def test_all_any_and_none(self, words: str, expected: bool) -> None:
        text = "- {name: x, all: [a], any: [c, e], none: [d]}"
        assert bool(rule_tags(text, article(words))) is expected

    def test_every_condition_of_all_must_hold(self) -> None:
        assert rule_tags("- {name: x, all: [a, b]}", article("a")) == []
        assert rule_tags("- {name: x, all: [a, b]}", article("b a")) == ["x"]

    def test_the_tag_says_which_rule_of_which_file(self) -> None:
        data = b"- {name: oil-1, tag: oil, label: Oil, score: 0.7, any: [crude]}"
        (rule,) = parse_rules(data)
        assert apply_rules(article("Crude."), (rule,)) == (
            Tag(SCHEME, "oil", "Oil", 0.7, "rule:oil-1", rule.version, evidence=("Crude",)),
        )
        assert rule.version != parse_rules(data + b"\n")[0].version

    @pytest.mark.parametrize(
        ("condition", "evidence"),
        [
            ("topic: medtop:20000756", None),
            ("topic: medtop:20000574", "medtop:20000574"),
            ("topic: Politics", "medtop:11000000"),
            ("topic: [sport, http://cv.iptc.org/newscodes/mediatopic/11000000]", "medtop:11000000"),
            ("keyword: Snap Election", "snap election"),
            ("keyword: snap", None),
            ("country: [DE, fr]", "FR"),
            ("primary_country: FR", None),
            ("primary_country: IT", "IT"),
            ("entity: EMMANUEL MACRON", "emmanuel macron"),
            ("source: lemonde.fr", "lemonde.fr"),
            ("language: en", "en-gb"),
            ("regex: 'snap +[a-z]+'", "snap poll"),
            ("phrase: poll", "poll"),
        ],
    )
    def test_each_kind_of_condition_with_its_evidence(
        self, condition: str, evidence: str | None
    ) -> None:
        tags = (
            Tag("iptc-mediatopic", "medtop:20000574", "election"),
            Tag("keyword", "snap election", "snap election"),
            Tag("iso3166", "IT", "Italy", primary=True),
            Tag("iso3166", "FR", "France", primary=False),
        )
        subject = article(
            'Macron calls a snap   poll ("poll").',
            language=Language("en-GB", 1.0),
            tags=tags,
            entities=(Entity("Emmanuel Macron", "PERSON", 1, None, ()),),
            source=Source("Le Monde", "www.lemonde.fr"),
        )
        rules = parse_rules(f"- {{name: x, any: [{{{condition}}}]}}".encode())
        found = apply_rules(subject, rules)
        assert [one.evidence for one in found] == ([(evidence,)] if evidence else [])

    def test_only_so_much_of_a_text_is_searched(self) -> None:
        rules = parse_rules(b"- {name: x, any: [crude]}")
        at_the_end = " " * (MAX_SEARCHED_CHARS - 5) + "crude"
        assert apply_rules(article(at_the_end), rules)
        assert not apply_rules(article(" " + at_the_end), rules)

    def test_evidence_of_signs_alone_stays_as_it_is(self) -> None:
        (tag,) = apply_rules(article("a --> b"), parse_rules(b"- {name: x, any: [{regex: '-->'}]}"))
        assert tag.evidence == ("-->",)

    def test_name_stands_for_tag_and_label(self) -> None:
        (tag,) = apply_rules(article("a"), parse_rules(b"- {name: x, any: [a]}"))
        assert (tag.code, tag.name, tag.score) == ("x", "x", None)

    def test_rules_survive_pickling(self) -> None:
        rules = read_rules(str(EXAMPLE))
        assert pickle.loads(pickle.dumps(rules)) == rules  # noqa: S301 - our own bytes

    def test_the_example_file(self) -> None:
        rules = read_rules(str(EXAMPLE))
        assert [rule.name for rule in rules] == ["energy", "war-in-ukraine", "sport", "agency"]
        subject = article(
            "Troops crossed while OPEC+ met.",
            "Home side wins",
            language=Language("en", 1.0),
            tags=(country("UA"), country("RU")),
            source=Source("Agence France-Presse", "afp.com"),
        )
        codes = [tag.code for tag in apply_rules(subject, rules)]
        assert codes == ["energy", "conflict", "sport", "agency"]

    def test_the_example_in_the_documentation(self) -> None:
        text = (rules_module.__doc__ or "").split("`rules`:\n\n")[1].split("\n\nAn article")[0]
        (rule,) = parse_rules(textwrap.dedent(text).encode())
        said = {"language": Language("en-GB", 1.0), "tags": (country("RU"),)}
        assert apply_rules(article("An oil embargo.", "News", **said), (rule,))
        assert not apply_rules(article("An oil embargo.", "Opinion: no", **said), (rule,))
        assert not apply_rules(article("An oil embargo.", "News"), (rule,))


ERRORS = [
    ("- nam: x\n  any: [a]", 1, "unknown key 'nam'; did you mean 'name'"),
    ("- name: x\n  any: [a]\n  nonee: [b]", 3, "did you mean 'none'"),
    ("- name: x\n  any:\n    - a\n    - phrse: b", 4, "did you mean 'phrase'"),
    ("- name: x\n  any: [a]\n  name: y", 3, "stands there twice"),
    ("- name: x\n  any: [a]\n- name: x\n  any: [b]", 3, "taken by line 1"),
    ("- name: x", 1, "neither `any` nor `all`"),
    ("- name: x\n  none: [a]", 1, "neither `any` nor `all`"),
    ("- any: [a]", 1, "no name"),
    ("- name: two words\n  any: [a]", 1, "what people read goes into `label`"),
    ("- name: x\n  any: a", 2, "any must be a list"),
    ("- name: x\n  any: []", 2, "empty list"),
    ("- name: x\n  any: ['']", 2, "phrase is empty"),
    ("- name: x\n  any: ['...']", 2, "no letter and no digit"),
    ("- name: x\n  any:\n  - regex: '(a'", 3, "RE2 does not take '(a': missing )"),
    ("- name: x\n  any:\n  - regex: '(a)\\1'", 3, "backreferences are not in RE2"),
    ("- name: x\n  any:\n  - regex: 'a.{0,1000}b'", 3, "it would be slow on every article"),
    ("- name: x\n  any:\n  - regex: 'a(?=b)'", 3, "look-around is not in RE2"),
    ("- name: x\n  any:\n  - country: UK", 3, "did you mean GB?"),
    ("- name: x\n  any:\n  - country: Narnia", 3, "see ISO 3166-1"),
    ("- name: x\n  any:\n  - country: []", 3, "empty list"),
    ("- name: x\n  any:\n  - {country: FR, entity: x}", 3, "exactly one of"),
    ("- name: x\n  any:\n  - {field: title}", 3, "exactly one of"),
    ("- name: x\n  any:\n  - {country: FR, field: title}", 3, "phrase and regex only"),
    ("- name: x\n  any:\n  - [a]", 3, "a condition is a phrase, or one of"),
    ("- name: x\n  any: [a]\n  score: 2", 3, "score must be a number from 0 to 1"),
    ("- name: x\n  any: [a]\n  score: high", 3, "score must be a number from 0 to 1"),
    ("- name: x\n  any: [a]\n  score: .nan", 3, "score must be a number from 0 to 1"),
    ("- name: x\n  any: [a]\n  field: headline", 3, "unknown field 'headline'"),
    ("rule: []", 1, "did you mean 'rules'"),
    ("{}", 1, "no list of rules"),
    ("text", 1, "rules must be a list"),
    ("- just text", 1, "a rule is a mapping"),
    ("- name: x\n  any: [a\n", 3, "is not YAML"),
    ("- name: x\n  any:\n  - !!python/object/apply:os.abort []", 3, "a condition is a phrase"),
    ("- name: &n x\n  any: [*n]", 2, "an alias"),
    ("[[[[[[[[[[a]]]]]]]]]]", 1, "nested too deeply"),
    ("- name: x\n  any: [a]\n---\n- name: y", 3, "is not YAML"),
]


class TestErrors:
    @pytest.mark.parametrize(("text", "line", "message"), ERRORS, ids=[e[2][:40] for e in ERRORS])
    def test_say_file_line_and_what_to_do(self, text: str, line: int, message: str) -> None:
        with pytest.raises(RuleError) as caught:
            parse_rules(text.encode(), "my.yaml")
        assert str(caught.value).startswith(f"my.yaml, line {line}: ")
        assert message in str(caught.value)
        assert caught.value.line == line

    def test_a_missing_file(self, tmp_path: Path) -> None:
        with pytest.raises(RuleError, match=r"no\.yaml: cannot be read \(No such file"):
            read_rules(str(tmp_path / "no.yaml"))

    def test_a_folder(self, tmp_path: Path) -> None:
        with pytest.raises(RuleError, match="cannot be read"):
            read_rules(str(tmp_path))

    def test_a_file_too_long(self, tmp_path: Path) -> None:
        path = tmp_path / "rules.yaml"
        path.write_text("- {name: x, any: [a]}")
        assert len(read_rules(str(path), max_bytes=21)) == 1
        with pytest.raises(RuleError, match="more than 20 bytes"):
            read_rules(str(path), max_bytes=20)

    def test_bytes_that_are_no_utf8(self) -> None:
        with pytest.raises(RuleError, match="line 2: is not UTF-8"):
            parse_rules(b"- name: x\n  any: [\xff]")

    def test_too_many_rules(self) -> None:
        text = "".join(f"- {{name: r{n}, any: [a]}}\n" for n in range(MAX_RULES + 1))
        with pytest.raises(RuleError, match="line 1001: has more than 1,000 rules"):
            parse_rules(text.encode())

    def test_an_empty_file_has_no_rules(self) -> None:
        assert parse_rules(b"") == parse_rules(b"# nothing\n") == ()

    @given(st.binary(max_size=200))
    def test_any_bytes_are_rules_or_an_error(self, data: bytes) -> None:
        with contextlib.suppress(RuleError):
            parse_rules(data)

    @given(
        st.recursive(
            st.one_of(st.none(), st.booleans(), st.floats(), st.text(max_size=8)),
            lambda inner: st.one_of(
                st.lists(inner, max_size=4),
                st.dictionaries(
                    st.sampled_from(["rules", "name", "any", "all", "regex", "score", "country"]),
                    inner,
                    max_size=4,
                ),
            ),
            max_leaves=12,
        )
    )
    def test_any_yaml_is_rules_or_an_error(self, value: object) -> None:
        with contextlib.suppress(RuleError):
            parse_rules(yaml.safe_dump(value).encode())


class TestTime:
    def test_what_hangs_other_engines_takes_linear_time(self) -> None:
        (rule,) = parse_rules(b"- {name: x, any: [{regex: '(a+)+$'}, {regex: '(.*a){12}b'}]}")
        subject = article("a" * (MAX_SEARCHED_CHARS - 1) + "!")
        started = time.perf_counter()
        assert apply_rules(subject, (rule,)) == ()
        assert time.perf_counter() - started < 5

    def test_many_phrases_are_one_expression(self) -> None:
        words = ", ".join(f"word{n}" for n in range(2_000))
        (rule,) = parse_rules(f"- {{name: x, any: [{words}]}}".encode())
        (condition,) = rule.any
        assert len(condition.values) == 1
        assert apply_rules(article("word1999"), (rule,))
        assert not apply_rules(article("word2000"), (rule,))

    @given(st.lists(st.text(min_size=1, max_size=20).filter(lambda t: t.strip()), min_size=1))
    def test_every_phrase_compiles_and_finds_itself(self, texts: list[str]) -> None:
        expressions = phrases(texts)
        for text in texts:
            data = " ".join(text.split()).encode("utf-8", "replace")
            assert any(compiled(expression).search(data) for expression in expressions)

    @given(st.text(), st.text())
    def test_never_raises(self, title: str, body: str) -> None:
        apply_rules(article(body, title), read_rules(str(EXAMPLE)))
