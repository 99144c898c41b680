"""The command `publish`: files, or generated samples, to a Pub/Sub topic.

The first message that cannot be sent ends the sending, with its name and the reason.
"""

from __future__ import annotations

import argparse
import gzip
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, cast

from backports import zstd

from pipeline.errors import UsageError
from pipeline.samples import generate
from pipeline.sender import Outgoing, PublishError, Sending, publish

MAX_MESSAGE_BYTES = 10_000_000
"""Pub/Sub's limit on a message and on a request."""

CONTENT_TYPES = {
    ".json": "application/json",
    ".jsonl": "application/json",
    ".html": "text/html",
    ".htm": "text/html",
    ".txt": "text/plain",
}
CONTENT_ENCODINGS = {".gz": "gzip", ".zst": "zstd"}
LINES = ".jsonl"


def publish_files(
    topic: str,
    paths: Sequence[str | Path],
    *,
    attributes: Mapping[str, str] | None = None,
    content_type: str | None = None,
    max_message_bytes: int = MAX_MESSAGE_BYTES,
    sending: Sending | None = None,
) -> int:
    """Sends each file as one message, a `.jsonl` file (also .gz, .zst) as one a line.

    Args:
        topic: `projects/P/topics/T`.
        attributes: go with every message, and before what is known from the file.
        content_type: instead of what the file's ending says.

    Returns:
        How many messages were sent.

    Raises:
        UsageError: the topic's name, an attribute or a path; nothing has been sent then.
        PublishError: a message could not be read or sent.
    """
    files = [Path(path) for path in paths]
    for path in files:
        if not path.is_file():
            raise UsageError(f"{path}: {'not a file' if path.exists() else 'no such file'}")
    own = dict(attributes or {})
    if content_type:
        own["content_type"] = content_type
    messages = (one for path in files for one in _read(path, own, max_message_bytes))
    return publish(topic, messages, sending=sending, attributes=own)


def publish_generated(
    topic: str,
    n: int,
    seed: int = 0,
    *,
    attributes: Mapping[str, str] | None = None,
    sending: Sending | None = None,
) -> int:
    """Sends `n` sample messages (`pipeline.samples.generate`); arguments as in `publish_files`."""
    own = dict(attributes or {})
    messages = (
        Outgoing(one.data, {**one.attributes, **own}, f"generated message {number} ({one.kind})")
        for number, one in enumerate(generate(n, seed), start=1)
    )
    return publish(topic, messages, sending=sending, attributes=own)


def _read(path: Path, attributes: Mapping[str, str], limit: int) -> Iterator[Outgoing]:
    """The messages of a file, with the attributes its name tells."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    encoding = CONTENT_ENCODINGS.get(suffixes[-1]) if suffixes else None
    inner = suffixes[-2:-1] if encoding else suffixes[-1:]
    known = {"source_file": path.name}
    if inner and inner[0] in CONTENT_TYPES:
        known["content_type"] = CONTENT_TYPES[inner[0]]
    if inner == [LINES]:
        yield from _read_lines(path, encoding, {**known, **attributes}, limit)
        return
    if encoding:
        known["content_encoding"] = encoding
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise PublishError(f"{path}: {error.strerror or error}") from error
    if not data:
        raise PublishError(f"{path}: the file is empty")
    if len(data) > limit:
        raise PublishError(f"{path}: larger than the {limit} bytes a message may have")
    yield Outgoing(data, {**known, **attributes}, str(path))


def _read_lines(
    path: Path, encoding: str | None, attributes: Mapping[str, str], limit: int
) -> Iterator[Outgoing]:
    """One message for each line that is not blank."""
    number = 0
    try:
        with _opened(path, encoding) as file:
            while line := file.readline(limit + 2):
                number += 1
                data = line.rstrip(b"\r\n")
                if len(data) > limit:
                    raise PublishError(
                        f"{path}:{number}: longer than the {limit} bytes a message may have"
                    )
                if data.strip():
                    yield Outgoing(data, attributes, f"{path}:{number}")
    except (OSError, EOFError, zstd.ZstdError) as error:
        raise PublishError(f"{path}: cannot be read after line {number}: {error}") from error


def _opened(path: Path, encoding: str | None) -> BinaryIO:
    if encoding == "gzip":
        return cast("BinaryIO", gzip.open(path, "rb"))
    if encoding == "zstd":
        return cast("BinaryIO", zstd.open(path, "rb"))
    return path.open("rb")


def run(args: argparse.Namespace) -> int:
    """`publish` with parsed arguments; returns 0. Raises UsageError and PublishError."""
    sending = Sending(
        create=args.create,
        subscription=args.subscription,
        timeout=args.timeout,
        progress=_progress if sys.stderr.isatty() else None,
    )
    count = _run(args, sending)
    print(f"{count} message{'' if count == 1 else 's'} published to {args.topic}")
    return 0


def _run(args: argparse.Namespace, sending: Sending) -> int:
    attributes = parsed_attributes(args.attribute)
    if bool(args.files) == bool(args.generate):
        raise UsageError("give either files to send or --generate N")
    if args.files:
        return publish_files(
            args.topic,
            args.files,
            attributes=attributes,
            content_type=args.content_type,
            sending=sending,
        )
    if args.content_type:
        raise UsageError("--content_type is for files; generated messages have their own")
    return publish_generated(
        args.topic, args.generate, args.seed, attributes=attributes, sending=sending
    )


def parsed_attributes(pairs: Sequence[str]) -> dict[str, str]:
    """
    >>> parsed_attributes(["source=The Harbour Post", "note=a=b"])
    {'source': 'The Harbour Post', 'note': 'a=b'}
    """
    attributes = {}
    for pair in pairs:
        key, separator, value = pair.partition("=")
        if not separator or not key:
            raise UsageError(f"--attribute must be written KEY=VALUE, not {pair!r}")
        attributes[key] = value
    return attributes


def _progress(confirmed: int) -> None:
    if confirmed % 1_000 == 0:
        print(f"{confirmed} messages sent", file=sys.stderr)
