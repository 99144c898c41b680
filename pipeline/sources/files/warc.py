"""WARC: the pages in a web archive (ISO 28500).

warcio reads the headers and takes chunks together. The frame is read here, since warcio holds a
line of any length, expands a body whatever comes of it, and gives up at the first bad record.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

from warcio.bufferedreaders import ChunkedDataReader  # type: ignore[import-untyped]
from warcio.statusandheaders import StatusAndHeadersParser  # type: ignore[import-untyped]

from pipeline.sources.files.entries import HTML, KEPT_BYTES, Broken, Entry, Maker, ReadOptions
from pipeline.sources.files.expanding import expand
from pipeline.sources.files.lines import too_long
from pipeline.sources.files.opening import CHUNK_BYTES, Data, Stored

# What browsers and servers bear: a line of a header, and all of it.
MAX_LINE_BYTES = 64 * 1024
MAX_HEADER_BYTES = 256 * 1024
_VERSION = b"WARC/"
_PAGES = (HTML, "application/xhtml+xml")
_PARSER = StatusAndHeadersParser([], verify=False)


def read_warc(stored: Stored, maker: Maker, options: ReadOptions) -> Iterator[Entry]:
    """One entry for each page: a `response` with status 2xx, or a `resource`, that is HTML.

    All other records are passed over: requests, metadata, revisits, images, redirects, errors.
    A record that is no record is a problem, and the reading goes on at the next that is one.
    """
    file = stored.data
    number = 0
    while True:
        record = _Record(file, number + 1)
        try:
            if not record.begin():
                break
            number += 1
            page = record.page(options)
            record.finish()
        except Broken as error:
            number = record.number
            if stored.failure is not None:
                # Said below, with what the file was torn in.
                break
            if maker.mine():
                yield maker.broken(
                    record.where, record.kept, stored.position, error.error_type, error
                )
            if not _to_next(file):
                break
            continue
        if isinstance(page, Broken):
            if maker.mine():
                yield maker.broken(
                    record.where, record.kept, stored.position, page.error_type, page
                )
        elif page is not None and maker.mine():
            content_type, data, attributes = page
            yield maker.entry(
                record.where,
                data,
                stored.position,
                content_type=content_type,
                attributes=attributes,
            )
    if stored.failure is not None and maker.mine():
        yield maker.failed(record.where, record.kept, stored.failure, stored.position)


def _to_next(file: Data) -> bool:
    """Goes to the next line that begins a record; whether there is one."""
    at_start = True
    while True:
        if at_start and file.peek(len(_VERSION))[: len(_VERSION)] == _VERSION:
            return True
        line = file.readline(MAX_LINE_BYTES)
        if not line:
            return False
        at_start = line.endswith(b"\n")


Page = tuple[str, bytes, dict[str, str]]


class _Record:
    """One record, from its version line to the blank lines behind it.

    Attributes:
        number: which record of the file it is, from 1.
        kept: the first bytes of its content, as far as they were read.
    """

    def __init__(self, file: Data, number: int) -> None:
        self._file = file
        self.number = number
        self.kept = b""
        self._left = 0

    @property
    def where(self) -> str:
        return f"record {self.number}"

    def begin(self) -> bool:
        """Reads the header; False at the end of the file.

        Raises:
            Broken: bad_row, where there is none.
        """
        line = self._file.readline(MAX_LINE_BYTES)
        while line and not line.strip():
            line = self._file.readline(MAX_LINE_BYTES)
        if not line:
            return False
        self.kept = line[:KEPT_BYTES]
        if _VERSION.startswith(line):
            raise Broken("torn_file", "the file ends within a header")
        if not line.startswith(_VERSION):
            raise Broken("bad_row", "no record begins where one should")
        headers = _headers(_bounded(line, self._file))
        self._type = _header(headers, "WARC-Type").lower()
        self._content_type = _header(headers, "Content-Type")
        self._attributes = {
            name: value
            for name, value in (
                ("url", _header(headers, "WARC-Target-URI").strip("<> ")),
                ("warc_date", _header(headers, "WARC-Date")),
                ("warc_record_id", _header(headers, "WARC-Record-ID")),
            )
            if value
        }
        length = _header(headers, "Content-Length").strip()
        if not (length.isascii() and length.isdigit() and len(length) < 16):
            raise Broken("bad_row", "the record has no Content-Length")
        self._left = int(length)
        return True

    def page(self, options: ReadOptions) -> Page | Broken | None:
        """The page in the record; what is wrong with it; None where there is none.

        Raises:
            Broken: torn_file, where the record is not whole.
        """
        most = options.max_message_bytes
        if self._type == "resource":
            if not _is_page(self._content_type):
                return None
            data = self._read(most + 1)
            self.kept = data[:KEPT_BYTES]
            if len(data) > most:
                return too_long("the page", most)
            return self._content_type, data, self._attributes
        if self._type != "response" or "msgtype=request" in self._content_type.replace(" ", ""):
            return None
        # The headers count as a part of the page here: what is over the limit by them is no page.
        block = self._read(most + MAX_HEADER_BYTES)
        self.kept = block[:KEPT_BYTES]
        if not block.startswith(b"HTTP/"):
            return None
        file = io.BytesIO(block)
        try:
            headers = _headers(_bounded(file.readline(MAX_LINE_BYTES), file))
        except Broken as error:
            return error
        content_type = _header(headers, "Content-Type")
        if not headers.statusline.startswith("2") or not _is_page(content_type):
            return None
        body = block[file.tell() :]
        if self._left or len(body) > most:
            return too_long("the page", most)
        try:
            data = _body(body, headers, options)
        except Broken as error:
            return error
        return content_type, data, self._attributes

    def finish(self) -> None:
        """Passes over what is left of the record.

        Raises:
            Broken: torn_file, where the file ends within it.
        """
        while self._left:
            self._read(CHUNK_BYTES)

    def _read(self, size: int) -> bytes:
        wanted = min(size, self._left)
        data = self._file.read(wanted)
        self._left -= len(data)
        if len(data) < wanted:
            self.kept = (self.kept or data)[:KEPT_BYTES]
            raise Broken("torn_file", "the file ends within the record")
        return data


def _bounded(first: bytes, file: Data | io.BytesIO) -> io.BytesIO:
    """A header from its first line to the blank line behind it.

    Raises:
        Broken: bad_row, where it is too long; torn_file, where the file ends within it.
    """
    parts = [first]
    size = len(first)
    while parts[-1].strip(b"\r\n"):
        if not parts[-1].endswith(b"\n"):
            if len(parts[-1]) >= MAX_LINE_BYTES:
                raise Broken("bad_row", f"a line of a header has more than {MAX_LINE_BYTES} bytes")
            raise Broken("torn_file", "the file ends within a header")
        if size > MAX_HEADER_BYTES:
            raise Broken("bad_row", f"a header has more than {MAX_HEADER_BYTES} bytes")
        parts.append(file.readline(MAX_LINE_BYTES))
        size += len(parts[-1])
    return io.BytesIO(b"".join(parts))


def _headers(block: io.BytesIO) -> Any:
    """Raises Broken: bad_row."""
    try:
        return _PARSER.parse(block)
    except (EOFError, ValueError) as error:
        raise Broken("bad_row", f"a header cannot be read: {error}") from error


def _header(headers: Any, name: str) -> str:
    return headers.get_header(name) or ""


def _is_page(content_type: str) -> bool:
    return content_type.split(";", 1)[0].strip().lower() in _PAGES


def _body(body: bytes, headers: Any, options: ReadOptions) -> bytes:
    """The body without its encodings. Raises Broken: bad_encoding, bomb or too_large."""
    if _header(headers, "Transfer-Encoding").strip().lower() == "chunked":
        # What is not in chunks, though it says so, comes out as it is.
        body = ChunkedDataReader(io.BytesIO(body)).read()
    encoding = _header(headers, "Content-Encoding").strip().lower()
    data = expand(body, encoding, options)
    if len(data) > options.max_message_bytes:
        raise too_long("the page", options.max_message_bytes)
    return data
