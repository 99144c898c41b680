"""The Avro schemas of the records, one `.avsc` a kind; installed as `pipeline.schemas`.

A schema may name one in another file (a Duplicate holds an Article); `load` puts them together.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import fastavro

KINDS = {"articles": "article", "duplicates": "duplicate", "dead_letters": "dead_letter"}
"""The folder of an output for each kind of record, and the schema file of its records."""


@functools.cache
def load(kind: str, *, pairs: bool = False) -> Any:
    """The parsed schema for the folder `kind`: articles, duplicates or dead_letters.

    It stands for itself: what the file refers to is put in its place, since every Avro file
    carries its schema whole.

    Args:
        pairs: maps as arrays of {key, value}, for readers that know no maps. The encoding of both
            is the same to the byte (Avro 1.12, "Binary encoding", Arrays and Maps), so what was
            encoded by one schema may be read by the other.

    Raises:
        KeyError: there is no such kind.
    """
    schema = _read(KINDS[kind])
    if kind == "duplicates":
        for field in schema["fields"]:
            if field["name"] == "article":
                field["type"] = _read("article")
    return fastavro.parse_schema(_with_pairs(schema) if pairs else schema)


def has_pairs(schema: Any) -> bool:
    """Whether a file with this writer's schema has pairs where the schema here has maps."""
    if schema.get("name", "").endswith("Duplicate"):
        return any(has_pairs(f["type"]) for f in schema["fields"] if f["name"] == "article")
    return any(
        field["type"]["type"] == "array" for field in schema["fields"] if field["name"] == MAP
    )


MAP = "attributes"
PAIR = {
    "type": "record",
    "name": "article_pipeline.Pair",
    "doc": "An entry of a map.",
    "fields": [
        {"name": "key", "type": "string", "doc": "Its key."},
        {"name": "value", "type": "string", "doc": "Its value."},
    ],
}


def _with_pairs(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_with_pairs(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("type") == "map":
        return {"type": "array", "items": PAIR}
    changed = {key: _with_pairs(value) for key, value in schema.items()}
    if changed.get("name") == MAP:
        changed["default"] = []
    return changed


def _read(name: str) -> Any:
    return json.loads((Path(__file__).parent / f"{name}.avsc").read_text(encoding="utf-8"))
