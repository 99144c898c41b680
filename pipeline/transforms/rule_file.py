"""Reads a file of rules; `rules` says what stands in one.

Nodes are composed, not loaded: each knows its line, and a country's code NO stays a text.
"""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

import pycountry
import re2
import yaml

from pipeline.transforms.media_topics import codes_by_name, read_code
from pipeline.transforms.places import countries
from pipeline.transforms.rules import (
    COUNTRY,
    ENTITY,
    FIELDS,
    KEYWORD,
    LANGUAGE,
    PRIMARY_COUNTRY,
    SOURCE,
    TEXT,
    TOPIC,
    Condition,
    Rule,
    compiled,
    phrases,
)

MAX_FILE_BYTES = 1_000_000
MAX_RULES = 1_000
# A list in a condition in a list in a rule in a list under `rules`.
MAX_DEPTH = 7
MAX_VALUE_CHARS = 1_000
MAX_NAME_CHARS = 100
# Of one expression, compiled; a word is some 10 steps, `.{0,1000}` 5,000. The time that RE2 takes
# for a text grows with it.
MAX_PROGRAM = 5_000

_RULE_KEYS = ("name", "tag", "label", "score", "field", "any", "all", "none")
_KINDS = (*("phrase", "regex", ENTITY, COUNTRY, PRIMARY_COUNTRY, TOPIC, KEYWORD, LANGUAGE, SOURCE),)
_NAME = re.compile(rf"[\w.:/-]{{1,{MAX_NAME_CHARS}}}")
# YAML's escapes can write what no record holds: `"\\ud800"` would make each article that the rule
# holds for a dead letter.
_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[a-z0-9]{2,8})*")


class RuleError(ValueError):
    """A rules file that cannot be used.

    Args:
        file: its name.
        line: where in it, from 1; None where it is the file as a whole.
        text: what is wrong, and what to do.
    """

    def __init__(self, file: str, line: int | None, text: str) -> None:
        where = f"{file}, line {line}" if line is not None else file
        super().__init__(f"{where}: {text}")
        self.file = file
        self.line = line


class _At(Exception):
    """What is wrong with a node (or an event); `parse_rules` adds the file."""

    def __init__(self, node: yaml.Node | yaml.Event, text: str) -> None:
        super().__init__(text)
        self.line = node.start_mark.line + 1 if node.start_mark else 1


def read_rules(path: str, *, max_bytes: int = MAX_FILE_BYTES) -> tuple[Rule, ...]:
    """The rules in a file, checked whole: every expression compiles, every country exists.

    Args:
        max_bytes: a longer file is refused.

    Raises:
        RuleError: the file cannot be read, or is no list of rules.
    """
    try:
        with Path(path).open("rb") as file:
            data = file.read(max_bytes + 1)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise RuleError(path, None, f"cannot be read ({reason}); check --tag_rules") from error
    if len(data) > max_bytes:
        raise RuleError(path, None, f"has more than {max_bytes:,} bytes; split the rules")
    return parse_rules(data, path)


def parse_rules(data: bytes, file: str = "rules") -> tuple[Rule, ...]:
    """The rules in the bytes of a file.

    Raises:
        RuleError: as `read_rules`.
    """
    version = hashlib.sha256(data).hexdigest()[:12]
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise RuleError(file, line, "is not UTF-8; save it in that encoding") from error
    try:
        root = _compose(text)
        return tuple(_rules(root, version)) if root is not None else ()
    except _At as error:
        raise RuleError(file, error.line, str(error)) from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise RuleError(file, line, f"is not YAML: {error.problem or error}") from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise RuleError(file, line, f"has a control character, U+{error.character:04X}") from error
    except yaml.YAMLError as error:
        raise RuleError(file, None, f"is not YAML: {error}") from error


def _compose(text: str) -> yaml.Node | None:
    """The one document in `text`, after its depth is known to be harmless."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH or isinstance(event, yaml.AliasEvent):
            problem = "an alias (*name)" if depth <= MAX_DEPTH else "nested too deeply"
            raise _At(event, f"{problem}; rules are a plain list, write it out")
    node: yaml.Node | None = yaml.compose(text, Loader=yaml.SafeLoader)
    return node


def _rules(root: yaml.Node, version: str) -> Iterable[Rule]:
    if isinstance(root, yaml.MappingNode):
        mapping = _mapping(root, ("rules",))
        if "rules" not in mapping:
            raise _At(root, "has no list of rules; begin with `rules:` and `- name: ...` under it")
        root = mapping["rules"]
    nodes = _list(root, "rules", "- name: ...")
    if len(nodes) > MAX_RULES:
        raise _At(nodes[MAX_RULES], f"has more than {MAX_RULES:,} rules; merge some")
    lines: dict[str, int] = {}
    for node in nodes:
        rule = _rule(node, version)
        if rule.name in lines:
            raise _At(node, f"the name {rule.name!r} is taken by line {lines[rule.name]}; rename")
        lines[rule.name] = node.start_mark.line + 1
        yield rule


def _rule(node: yaml.Node, version: str) -> Rule:
    if not isinstance(node, yaml.MappingNode):
        raise _At(node, "a rule is a mapping; write `- name: ...` and its keys under it")
    keys = _mapping(node, _RULE_KEYS)
    if "name" not in keys:
        raise _At(node, "the rule has no name; add `name: ...`")
    name = _text(keys["name"], "name")
    if not _NAME.fullmatch(name):
        raise _At(
            keys["name"],
            f"the name {name[:MAX_NAME_CHARS]!r} must be letters, digits and . _ : / -, at most "
            f"{MAX_NAME_CHARS}; what people read goes into `label`",
        )
    field = _field(keys["field"]) if "field" in keys else "any"
    groups = {
        key: _conditions(keys[key], key, field) for key in ("any", "all", "none") if key in keys
    }
    if not groups.keys() & {"any", "all"}:
        raise _At(node, f"the rule {name!r} has neither `any` nor `all`; say when it holds")
    return Rule(
        name=name,
        tag=_text(keys["tag"], "tag") if "tag" in keys else name,
        label=_text(keys["label"], "label") if "label" in keys else name,
        score=_score(keys["score"]) if "score" in keys else None,
        version=version,
        **groups,
    )


def _conditions(node: yaml.Node, key: str, field: str) -> tuple[Condition, ...]:
    """The conditions of one list; the phrases of `any` and `none` become one expression."""
    found: list[Condition] = []
    loose: dict[str, list[str]] = {}
    for item in _list(node, key, "- a phrase"):
        kind, values, where = _condition(item, field)
        if kind == "phrase" and key != "all":
            loose.setdefault(where, []).extend(values)
        elif kind == "phrase":
            found.append(Condition(TEXT, phrases(values), where))
        elif kind == "regex":
            found.append(Condition(TEXT, values, where))
        else:
            found.append(Condition(kind, values))
    found += [Condition(TEXT, phrases(values), where) for where, values in loose.items()]
    for condition in found:
        if condition.kind == TEXT:
            _check_size(node, condition)
    return tuple(found)


def _condition(node: yaml.Node, field: str) -> tuple[str, tuple[str, ...], str]:
    """Kind, values and field of one condition."""
    if isinstance(node, yaml.ScalarNode):
        return "phrase", (_value(node, "phrase"),), field
    if not isinstance(node, yaml.MappingNode):
        raise _At(node, f"a condition is a phrase, or one of {_quoted(_KINDS)} with its value")
    keys = _mapping(node, (*_KINDS, "field"))
    kinds = [key for key in keys if key != "field"]
    if len(kinds) != 1:
        raise _At(node, f"a condition has exactly one of {_quoted(_KINDS)}; this has {len(kinds)}")
    (kind,) = kinds
    if "field" in keys:
        if kind not in ("phrase", "regex"):
            raise _At(keys["field"], f"`field` goes with phrase and regex only, not with {kind}")
        field = _field(keys["field"])
    value = keys[kind]
    nodes = value.value if isinstance(value, yaml.SequenceNode) else [value]
    if not nodes:
        raise _At(value, f"{kind} has an empty list; name at least one")
    return kind, tuple(_value(one, kind) for one in nodes), field


def _value(node: yaml.Node, kind: str) -> str:
    """The value of a condition in the form it is compared in."""
    text = _text(node, kind)
    if kind == "phrase":
        if not any(map(str.isalnum, text)):
            raise _At(node, f"the phrase {text!r} has no letter and no digit; use `regex:`")
        return text
    if kind == "regex":
        try:
            size = compiled(text).programsize
        except re2.error as error:
            raise _At(node, f"RE2 does not take {text!r}: {_reason(error)}") from error
        if size > MAX_PROGRAM:
            raise _At(
                node,
                f"the expression takes {size:,} steps, more than {MAX_PROGRAM:,}: it would be slow "
                "on every article; count less in it ({1000}), or split it",
            )
        return text
    if kind in (COUNTRY, PRIMARY_COUNTRY):
        return _country(node, text)
    if kind == TOPIC:
        return _topic(node, text)
    text = text.casefold()
    if kind == LANGUAGE and not _LANGUAGE.fullmatch(text):
        raise _At(node, f"{text!r} is no BCP 47 code; write it like en, pt-BR or zh")
    return text.removeprefix("www.") or text if kind == SOURCE else text


def _reason(error: re2.error) -> str:
    detail = error.args[0] if error.args else ""
    text = detail.decode("utf-8", "replace") if isinstance(detail, bytes) else str(detail)
    if "perl operator" in text:
        return f"{text} (look-around is not in RE2; use `none:` or a second condition)"
    if re.search(r"escape sequence: \\\d", text):
        return f"{text} (backreferences are not in RE2; write both forms out)"
    return text


def _country(node: yaml.Node, text: str) -> str:
    code = text.upper()
    if len(code) == 2 and pycountry.countries.get(alpha_2=code) is not None:
        return code
    near = countries(None, text)
    hint = f"did you mean {near[0].code}?" if near else "see ISO 3166-1 alpha-2"
    raise _At(node, f"{text!r} is no country code; {hint}")


def _topic(node: yaml.Node, text: str) -> str:
    code = read_code(text) or codes_by_name().get(text.casefold())
    if code is not None:
        return code
    near = difflib.get_close_matches(text.casefold(), codes_by_name(), n=1, cutoff=0.6)
    hint = f"did you mean {near[0]!r}?" if near else "write it like medtop:04000000 or sport"
    raise _At(node, f"{text!r} is no IPTC Media Topic; {hint}")


def _check_size(node: yaml.Node, condition: Condition) -> None:
    for value in condition.values:
        try:
            compiled(value)
        except re2.error as error:
            raise _At(node, f"too much for one list ({_reason(error)}); split the rule") from error


def _score(node: yaml.Node) -> float:
    try:
        score = float(_text(node, "score"))
    except ValueError:
        score = -1.0
    if not 0 <= score <= 1:
        raise _At(node, "score must be a number from 0 to 1")
    return score


def _field(node: yaml.Node) -> str:
    text = _text(node, "field")
    if text not in FIELDS:
        raise _At(node, f"unknown field {text!r}; {_hint(text, FIELDS)}")
    return text


def _text(node: yaml.Node, what: str) -> str:
    if not isinstance(node, yaml.ScalarNode):
        raise _At(node, f"{what} must be a text, not a list or mapping")
    text: str = node.value.strip()
    if not text:
        raise _At(node, f"{what} is empty")
    if _UNFIT.search(text):
        raise _At(node, f"{what} has a control character or half a character; take it out")
    if len(text) > MAX_VALUE_CHARS:
        raise _At(node, f"{what} has more than {MAX_VALUE_CHARS:,} characters")
    return text


def _list(node: yaml.Node, what: str, example: str) -> list[yaml.Node]:
    if not isinstance(node, yaml.SequenceNode):
        raise _At(node, f"{what} must be a list; write `{example}`, each on a line of its own")
    items: list[yaml.Node] = node.value
    if not items:
        raise _At(node, f"{what} is an empty list")
    return items


def _mapping(node: yaml.MappingNode, known: tuple[str, ...]) -> dict[str, yaml.Node]:
    """The mapping's nodes by key; unknown keys and repeated ones are errors."""
    found: dict[str, yaml.Node] = {}
    for key, value in node.value:
        name = _text(key, "a key")
        if name not in known:
            raise _At(key, f"unknown key {name!r}; {_hint(name, known)}")
        if name in found:
            raise _At(key, f"the key {name!r} stands there twice; merge them")
        found[name] = value
    return found


def _hint(text: str, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(text, known, n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else f"known are {_quoted(known)}"


def _quoted(words: Iterable[str]) -> str:
    return ", ".join(words)
