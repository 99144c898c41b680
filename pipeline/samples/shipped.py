"""The messages that ship with the package; `build.py` makes their file."""

from __future__ import annotations

import base64
import gzip
import importlib.resources
import json
from typing import Any

from pipeline.samples.message import SampleMessage

FILE = "articles.jsonl.gz"


def load() -> list[SampleMessage]:
    """The shipped messages, in the order in which to publish them."""
    packed = importlib.resources.files(__package__).joinpath(FILE).read_bytes()
    return [_from_json(json.loads(line)) for line in gzip.decompress(packed).splitlines()]


def _from_json(line: dict[str, Any]) -> SampleMessage:
    text = line.get("text")
    data = base64.b64decode(line["data_base64"]) if text is None else text.encode()
    return SampleMessage(data, line["attributes"], line["expected"], line["kind"])
