"""What the records of an output say: for people on a terminal, for machines as JSON lines."""

from __future__ import annotations

import base64
import datetime as dt
import itertools
import json
from collections import Counter
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.watch import output

BODY_CHARS = 240
NAMES = 8


class Terminal(Console):
    """A console that leaves it to its caller what becomes of a reader that has gone.

    Rich (since 13.8) ends the process then, with exit code 1.
    """

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def as_json(root: Path, kind: str, limit: int | None, out: TextIO) -> None:
    """Writes one JSON object a record: times in RFC 3339, bytes in base64."""
    # What the terminal or the locale cannot write is escaped, so that every line can be parsed.
    ascii_only = (out.encoding or "utf-8").lower().replace("_", "-") not in ("utf-8", "utf8")
    for record in itertools.islice(output.records(root, kind), limit):
        json.dump(record, out, default=_plain, ensure_ascii=ascii_only)
        out.write("\n")


def _plain(value: Any) -> str:
    if isinstance(value, dt.datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    raise TypeError(f"{type(value).__name__} has no JSON form")


def overview(root: Path, console: Console) -> None:
    """Counts of each kind, and what is in them."""
    table = Table("records", "files", "what", box=None, pad_edge=False)
    for kind in ("articles", "duplicates", "dead_letters"):
        of = Counter[str]()
        count = 0
        for record in output.records(root, kind):
            count += 1
            of[_group(kind, record)] += 1
        what = ", ".join(f"{name} {n}" for name, n in of.most_common(NAMES))
        table.add_row(f"{count} {kind}", str(len(output.files(root, kind))), _line(what))
    console.print(table)


def _group(kind: str, record: dict[str, Any]) -> str:
    if kind == "articles":
        language = record["language"]
        return language["code"] if language else "no language"
    if kind == "duplicates":
        return str(record["kind"])
    return f"{record['stage']}/{record['error_type']}"


# Schemes whose codes people read as they are.
CODE_SAYS_IT = frozenset({"iso3166", "rule"})
WHY = ("scheme", "code", "name", "score", "times", "because of", "by")


def show(
    root: Path, kind: str, limit: int | None, console: Console, *, language: str | None = None
) -> None:
    """The first `limit` records of one kind, a paragraph each.

    Args:
        language: only articles in this one.
    """
    describe = DESCRIBE[kind]
    records = (
        record
        for record in output.records(root, kind)
        if language is None or (record["language"] or {}).get("code") == language
    )
    for record in itertools.islice(records, limit):
        console.print()
        for line in describe(record):
            console.print(line, soft_wrap=True)


def _describe_article(record: dict[str, Any]) -> list[Text]:
    published = record["published_at"]
    language = record["language"]
    facts = [
        f"published {published:%Y-%m-%d}" if published else None,
        record["source"]["name"] or record["source"]["domain"],
        f"{record['word_count']} words",
        f"{language['code']} {language['score']:.2f}" if language else None,
    ]
    lines = [
        _line((_short(record["title"] or "(no title)"), "bold")),
        _line(_short(" · ".join(fact for fact in facts if fact))),
        _line(_short(record["article_id"])),
        _line(_short(record["body"])),
    ]
    entities = record["entities"]
    if entities is not None:
        by_label: dict[str, list[str]] = {}
        for entity in entities:
            by_label.setdefault(entity["label"], []).append(_short(entity["name"]))
        for label, names in sorted(by_label.items()):
            more = f" and {len(names) - NAMES} more" if len(names) > NAMES else ""
            lines.append(_line((label, "cyan"), f" {', '.join(names[:NAMES])}{more}"))
    by_scheme: dict[str, list[str]] = {}
    for tag in record["tags"] or ():
        name = tag["code"] if tag["scheme"] in CODE_SAYS_IT else tag["name"]
        by_scheme.setdefault(tag["scheme"], []).append(_short(name))
    for scheme, names in by_scheme.items():
        # Names of topics have commas in them.
        lines.append(_line((scheme, "cyan"), f" {' · '.join(names)}"))
    return lines


def why(root: Path, limit: int | None, console: Console) -> None:
    """The first `limit` articles, each with a table of its tags and what each was given for."""
    for record in itertools.islice(output.records(root, "articles"), limit):
        console.print()
        console.print(_line((_short(record["title"] or "(no title)"), "bold")), soft_wrap=True)
        console.print(_line(_short(record["article_id"])), soft_wrap=True)
        table = Table(*WHY, box=None, pad_edge=False, padding=(0, 1))
        for tag in record["tags"] or ():
            score, count = tag["score"], tag["count"]
            story = [(" (the story)", "bold")] if tag["scheme"] == "iso3166" else []
            table.add_row(
                _line((_short(tag["scheme"]), "cyan")),
                _line(_short(tag["code"])),
                _line(_short(tag["name"]), *(story if tag["primary"] else ())),
                f"{score:.2f}" if score is not None else "",
                str(count) if count is not None else "",
                _line(_short(" · ".join(tag["evidence"]))),
                _line(" ".join(part for part in (tag["source"], tag["version"]) if part)),
            )
        console.print(table if record["tags"] else "no tags")


def _describe_duplicate(record: dict[str, Any]) -> list[Text]:
    return [
        *_describe_article(record["article"]),
        _line(
            (record["kind"], "cyan"),
            f" of {_short(record['canonical_id'])}, message {record['canonical_message_id']}, "
            f"similarity {record['similarity']:.2f}",
        ),
    ]


def _describe_dead_letter(record: dict[str, Any]) -> list[Text]:
    return [
        _line(
            (f"{record['stage']}/{record['error_type']}", "bold"),
            f" message {record['message_id']}, failed {record['failed_at']:%Y-%m-%d %H:%M:%S}",
        ),
        _line(_short(record["error_message"])),
        _line(f"{len(record['payload'])} bytes, attributes {_short(str(record['attributes']))}"),
    ]


DESCRIBE = {
    "articles": _describe_article,
    "duplicates": _describe_duplicate,
    "dead_letters": _describe_dead_letter,
}


def _line(*parts: str | tuple[str, str]) -> Text:
    """Parts, some with a style. Not markup, which an article's text could hold; no escapes."""
    return Text.assemble(
        *(
            output.printable(part)
            if isinstance(part, str)
            else (output.printable(part[0]), part[1])
            for part in parts
        )
    )


def _short(text: str, chars: int = BODY_CHARS) -> str:
    # Never a whole book for one line.
    line = " ".join(text[: 8 * chars].split())
    whole = len(text) <= 8 * chars and len(line) <= chars
    return line if whole else line[: chars - 1].rstrip() + "…"
