"""The file that ships: what the build makes, and a bit of everything."""

from __future__ import annotations

import collections
import gzip
import json
import subprocess
import sys

from pipeline.samples import build, duplicates, generate, load, malformed, shipped
from pipeline.samples.build import COUNT, SEED
from pipeline.samples.generate import DECK
from pipeline.samples.message import SampleMessage
from pipeline.transforms.limits import Limits
from pipeline.transforms.payload import expand


def unpacked(message: SampleMessage) -> tuple[object, ...]:
    """Comparable where zlib or zstd pack differently from the machine that built the file."""
    data = message.data
    if message.expected != "dead_letter":
        data = expand(data, message.attributes.get("content_encoding", ""), Limits(), [])
    elif "content_encoding" in message.attributes:
        data = b"broken on purpose"
    rest = (message.expected, message.kind, sorted(message.attributes.items()))
    return (data, *rest)


def test_the_file_is_what_the_build_makes() -> None:
    assert [unpacked(m) for m in load()] == [unpacked(m) for m in generate(COUNT, SEED)]


def test_the_build_round_trips() -> None:
    lines = gzip.decompress(build.build()).splitlines()
    assert [shipped._from_json(json.loads(line)) for line in lines] == list(generate(COUNT, SEED))


def test_the_file_has_everything_in_it() -> None:
    messages = load()
    assert sum(message.expected == "article" for message in messages) >= 200
    assert {message.kind for message in messages} == {
        *DECK,
        *(f"duplicate_{kind}" for kind in duplicates.KINDS),
        *(f"malformed_{kind}" for kind in malformed.KINDS),
    }
    expected = collections.Counter(message.expected for message in messages)
    assert expected == {"article": 270, "duplicate": 21, "dead_letter": 9}


def test_the_samples_need_neither_beam_nor_the_pipeline() -> None:
    code = "import sys, pipeline.samples as s; s.load(); print('apache_beam' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
