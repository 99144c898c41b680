"""Makes the file of messages that ships with the package.

python -m pipeline.samples.build
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from pipeline.samples.forms import gzipped
from pipeline.samples.generate import generate
from pipeline.samples.message import SampleMessage
from pipeline.samples.shipped import FILE

COUNT = 300
"""Three decks: every form, every kind of copy and every kind of unreadable message."""
SEED = 2026


def build() -> bytes:
    """The content of the file: JSON Lines, gzipped. A payload that is not UTF-8 is in base64."""
    lines = (json.dumps(_to_json(one), ensure_ascii=False) for one in generate(COUNT, SEED))
    return gzipped("".join(f"{line}\n" for line in lines).encode())


def _to_json(message: SampleMessage) -> dict[str, Any]:
    try:
        payload = {"text": message.data.decode()}
    except UnicodeDecodeError:
        payload = {"data_base64": base64.b64encode(message.data).decode()}
    rest = {"expected": message.expected, "kind": message.kind}
    return payload | {"attributes": dict(message.attributes)} | rest


if __name__ == "__main__":
    target = Path(__file__).with_name(FILE)
    target.write_bytes(build())
    print(f"{target.name}: {COUNT} messages, {target.stat().st_size} bytes")
