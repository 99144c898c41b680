"""Files that are one document: JSON, plain text, HTML."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.sources.files.entries import KEPT_BYTES, Entry, Maker, ReadOptions
from pipeline.sources.files.lines import too_long
from pipeline.sources.files.opening import Stored

WHERE = "the whole"


def read_document(
    stored: Stored, maker: Maker, options: ReadOptions, *, content_type: str, must_be: bool = False
) -> Iterator[Entry]:
    """The one entry of a file that is a document; none for an empty file.

    Args:
        must_be: an empty file is a problem: no document of this type is empty.
    """
    most = options.max_message_bytes
    data = stored.data.read(most + 1)
    if stored.failure is not None:
        yield maker.failed(WHERE, data, stored.failure, stored.position)
    elif len(data) > most:
        error = too_long("the document", most)
        yield maker.broken(WHERE, data[:KEPT_BYTES], stored.position, error.error_type, error)
    elif data:
        yield maker.entry(WHERE, data, stored.position, content_type=content_type)
    elif must_be:
        yield maker.broken(WHERE, b"", stored.position, "invalid_json", "the file is empty")
