"""From the bytes of a message to its text: content encoding, media type, charset.

Everything here is bounded: decompression stops at the first byte too many, whatever the stream
claims, and no charset is used that is not on the list.
"""

from __future__ import annotations

import codecs
import functools
import re
import zlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from pipeline.compressed import (
    GZIP_MAGIC,
    MAX_WINDOW_LOG,
    ZSTD_MAGIC,
    ZstdError,
    gzip_decoder,
    starts_zstd,
    zstd_decoder,
)
from pipeline.dead_letters import Unreadable
from pipeline.records import Message
from pipeline.transforms.limits import Limits
from pipeline.transforms.text import warn

JSON = "application/json"
PLAIN = "text/plain"
HTML = "text/html"

# More members than any tool makes of a message (bgzip cuts every 64 kB: 800 for 50 MB); each costs
# a decompressor, and an empty one has only 20 bytes.
MAX_MEMBERS = 1_000
# How much a decompressor gets at a time: what it did not use is copied when a member ends.
CHUNK_BYTES = 256 * 1024
# RFC 8878 asks every decoder for windows of 8 MB; zstd itself has no smaller bound than 1 kB.
MIN_WINDOW_LOG = 23

# Longer content types are none that a cache would meet again.
MAX_CACHED_CHARS = 200

# How far into a page a charset or a sign of HTML is looked for, as browsers do.
SNIFF_BYTES = 1024


class Payload(NamedTuple):
    """The text of a message and its media type, one of JSON, PLAIN and HTML."""

    text: str
    media_type: str


def read(
    message: Message, attributes: Mapping[str, str], limits: Limits, warnings: list[str]
) -> Payload:
    """Decompresses and decodes the data of `message`.

    Args:
        attributes: those of the message, names in lower case with `_` for `-`.
        warnings: what was mended is added to it.

    Raises:
        Unreadable: too_large, bomb, bad_encoding, unsupported_type, no_body (no data at all).
    """
    size = len(message.data)
    if size > limits.max_message_bytes:
        raise Unreadable(
            "too_large",
            f"the message has {size} bytes, more than "
            f"--max_message_bytes={limits.max_message_bytes}",
        )
    data = expand(message.data, attributes.get("content_encoding", ""), limits, warnings)
    if not data:
        raise Unreadable("no_body", "the message has no data")
    content_type = attributes.get("content_type", "")
    if len(content_type) <= MAX_CACHED_CHARS:
        known, charset = _media_type_and_charset(content_type)
    else:
        known, charset = _media_type_and_charset.__wrapped__(content_type)
    media_type = known or sniff(data)
    if media_type == HTML and len(data) > limits.max_html_bytes:
        raise Unreadable(
            "too_large",
            f"the page has {len(data)} bytes, more than --max_html_bytes={limits.max_html_bytes}",
        )
    if not charset and media_type == HTML and not bom(data):
        charset = meta_charset(data)
    return Payload(to_text(data, charset), media_type)


# --- content encoding ---------------------------------------------------------------------------


def expand(data: bytes, encoding: str, limits: Limits, warnings: list[str]) -> bytes:
    """`data` decompressed as `encoding` says, or, where it says nothing, as its first bytes say.

    Raises:
        Unreadable: bad_encoding (unknown, truncated or damaged), bomb (ratio), too_large.
    """
    name = encoding.strip().lower()
    if not name and data.startswith(GZIP_MAGIC):
        name = "gzip"
    elif not name and data.startswith(ZSTD_MAGIC):
        name = "zstd"
    if name in ("", "identity"):
        return data
    if name in ("gzip", "x-gzip"):
        return _members(data, "gzip", gzip_decoder, limits, warnings)
    if name == "zstd":
        window_log = limits.max_expanded_bytes.bit_length()
        window_log = min(max(window_log, MIN_WINDOW_LOG), MAX_WINDOW_LOG)
        return _members(data, "zstd", lambda: zstd_decoder(window_log), limits, warnings)
    raise Unreadable(
        "bad_encoding",
        f"content_encoding is {_quoted(encoding)}; use gzip or zstd, or leave it out",
    )


def _members(
    data: bytes, name: str, start: Callable[[], Any], limits: Limits, warnings: list[str]
) -> bytes:
    """Every gzip member or zstd frame in `data`, one after the other.

    What follows the last one is left out with a warning, as gzip(1) does; zeros are padding.
    """
    ratio_bytes = max(limits.ratio_floor_bytes, limits.max_expansion_ratio * len(data))
    allowed = min(limits.max_expanded_bytes, ratio_bytes)
    out: list[bytes] = []
    total = position = members = 0
    while position < len(data):
        if members and not _member_starts(data, position, name):
            _left_out(data, position, name, warnings)
            break
        if members == MAX_MEMBERS:
            raise Unreadable("bomb", f"the {name} data has more than {MAX_MEMBERS} members")
        decoder = start()
        while not decoder.eof:
            chunk = data[position : position + CHUNK_BYTES]
            if not chunk:
                raise Unreadable("bad_encoding", f"the {name} data ends too early")
            try:
                piece = decoder.decompress(chunk, allowed - total + 1)
            except (zlib.error, ZstdError) as error:
                raise Unreadable(
                    "bad_encoding", f"the {name} data is damaged or not {name}: {error}"
                ) from error
            total += len(piece)
            if total > allowed:
                raise _too_big(name, len(data), limits, by_ratio=allowed == ratio_bytes)
            out.append(piece)
            position += len(chunk) - (len(decoder.unused_data) if decoder.eof else 0)
        members += 1
    return out[0] if len(out) == 1 else b"".join(out)


def _member_starts(data: bytes, position: int, name: str) -> bool:
    if name == "gzip":
        return data.startswith(GZIP_MAGIC, position)
    return starts_zstd(data, position)


def _left_out(data: bytes, position: int, name: str, warnings: list[str]) -> None:
    rest = len(data) - position
    if data.count(b"\0", position) != rest:
        warn(warnings, f"{rest} bytes after the {name} data were left out")


def _too_big(name: str, size: int, limits: Limits, *, by_ratio: bool) -> Unreadable:
    if by_ratio:
        return Unreadable(
            "bomb",
            f"{size} bytes of {name} data expand to more than "
            f"--max_expansion_ratio={limits.max_expansion_ratio} times their size",
        )
    return Unreadable(
        "too_large",
        f"the {name} data expands to more than --max_expanded_bytes={limits.max_expanded_bytes}",
    )


@functools.lru_cache(maxsize=256)
def _media_type_and_charset(content_type: str) -> tuple[str | None, str]:
    declared, charset = split_content_type(content_type)
    return known_media_type(declared), charset


# --- media type ---------------------------------------------------------------------------------

_CHARSET = re.compile(r";\s*charset\s*=\s*[\"']?([^\s\"';]+)", re.I)
# Types that say nothing: the data is looked at instead.
_UNKNOWN_TYPES = ("", "application/octet-stream", "binary/octet-stream", "application/unknown")
_SIGNATURES = (
    (b"%PDF-", "a PDF"),
    (b"PK\x03\x04", "a ZIP archive or an Office document"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"Obj\x01", "an Avro file"),
    (b"PAR1", "a Parquet file"),
    (b"BZh", "bzip2 data"),
    (b"\xfd7zXZ", "xz data"),
    (b"\x7fELF", "a program"),
    (b"{\\rtf", "a Rich Text document"),
)
_MAGICS = tuple(signature for signature, _ in _SIGNATURES)
_JSON_START = re.compile(rb"\{\s*[\"}]|\[\s*\{")
# https://mimesniff.spec.whatwg.org/#identifying-a-resource-with-an-unknown-mime-type, and the tags
# with which fragments of news pages begin.
_HTML_START = re.compile(
    rb"<(?:!doctype\s+html|html|head|body|script|iframe|h[1-6]|div|font|table|a|style|title|b|br|p"
    rb"|article|section|main|header|meta|link|ul|ol|span|figure|img|strong|em|blockquote)[\s/>]"
    rb"|<!--",
    re.I,
)
_XML_START = re.compile(rb"<(?:\?xml|!doctype|rss|feed|nitf|newsitem|newsml)\b", re.I)
_XHTML = re.compile(rb"<html[\s>]|<!doctype\s+html", re.I)


def split_content_type(value: str) -> tuple[str, str]:
    """The media type in lower case and the charset of a `content_type`; "" where missing.

    >>> split_content_type('Text/HTML; charset="ISO-8859-1"')
    ('text/html', 'ISO-8859-1')
    """
    match = _CHARSET.search(value)
    return value.split(";", 1)[0].strip().lower(), match[1] if match else ""


def known_media_type(declared: str) -> str | None:
    """JSON, PLAIN or HTML for a declared media type; None where it says nothing.

    Raises:
        Unreadable: unsupported_type.
    """
    if declared in _UNKNOWN_TYPES:
        return None
    if declared in (JSON, "text/json") or (
        declared.startswith("application/") and declared.endswith("+json")
    ):
        return JSON
    if declared == PLAIN:
        return PLAIN
    if declared in (HTML, "application/xhtml+xml"):
        return HTML
    raise Unreadable(
        "unsupported_type",
        f"content_type is {_quoted(declared)}; use {JSON}, {PLAIN} or {HTML}",
    )


def sniff(data: bytes) -> str:
    """JSON, PLAIN or HTML, as the first bytes say; what looks like none of them is plain text.

    Raises:
        Unreadable: unsupported_type, where the bytes are of a kind that is known and not ours.
    """
    for signature, kind in _SIGNATURES if data.startswith(_MAGICS) else ():
        if data.startswith(signature):
            raise Unreadable("unsupported_type", f"the message holds {kind}, not an article")
    head = data[:SNIFF_BYTES]
    mark = bom(head)
    if mark:
        head = head.decode(mark, "ignore").encode("utf-8", "ignore")
    head = head.lstrip(b" \t\r\n\f")
    if _JSON_START.match(head):
        return JSON
    if _HTML_START.match(head):
        return HTML
    if _XML_START.match(head):
        if _XHTML.search(head):
            return HTML
        raise Unreadable("unsupported_type", "the message holds XML that is not XHTML")
    return PLAIN


# --- charset ------------------------------------------------------------------------------------

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_MARKS = tuple(mark for mark, _ in _BOMS)
_META_CHARSET = re.compile(rb"<meta\s[^>]{0,200}?charset\s*=\s*[\"']?\s*([\w.:-]{1,40})", re.I)
# Python's registry also holds codecs that are no charsets and some that take quadratic time
# (unicode_escape, punycode, idna), so only these are used.
_CHARSETS_TEXT = (
    "utf-8 utf-16 utf-16-le utf-16-be utf-32 cp1250 cp1251 cp1252 cp1253 cp1254 cp1255 cp1256 "
    "cp1257 cp1258 iso8859-2 iso8859-3 iso8859-4 iso8859-5 iso8859-6 iso8859-7 iso8859-8 iso8859-9 "
    "iso8859-10 iso8859-11 iso8859-13 iso8859-14 iso8859-15 iso8859-16 koi8-r koi8-u cp866 cp874 "
    "tis-620 mac-roman mac-cyrillic gb2312 gbk gb18030 big5 big5hkscs cp950 shift_jis cp932 euc_jp "
    "iso2022_jp euc_kr cp949"
)
_CHARSETS = frozenset(_CHARSETS_TEXT.split())
# What the labels mean in practice: https://encoding.spec.whatwg.org/#names-and-labels. ASCII is
# what mail software says when it does not know; UTF-8 holds all of it.
_IN_PRACTICE = {"iso8859-1": "cp1252", "ascii": "utf-8", "utf-8": "utf-8-sig", "gb2312": "gbk"}


def bom(data: bytes) -> str:
    """The codec that a byte order mark at the start of `data` asks for, or ""."""
    if not data.startswith(_MARKS):
        return ""
    return next(codec for mark, codec in _BOMS if data.startswith(mark))


def meta_charset(data: bytes) -> str:
    """The charset that a page declares in a meta element, or "".

    UTF-16 there is a mistake, since the declaration could be read: UTF-8 is meant.
    """
    match = _META_CHARSET.search(data, 0, SNIFF_BYTES)
    charset = match[1].decode("ascii", "ignore").lower() if match else ""
    return "utf-8" if charset.startswith("utf-16") else charset


def to_text(data: bytes, charset: str) -> str:
    """`data` decoded by `charset`, else by its byte order mark, else as UTF-8; strictly.

    Raises:
        Unreadable: bad_encoding.
    """
    codec = _codec(charset) if charset else bom(data) or "utf-8"
    try:
        return data.decode(codec)
    except UnicodeDecodeError as error:
        hint = "" if charset else "; name the charset in content_type"
        raise Unreadable(
            "bad_encoding", f"byte {error.start} of the message is not {codec}{hint}"
        ) from error


def _codec(charset: str) -> str:
    try:
        name = codecs.lookup(charset).name
    except (LookupError, ValueError, UnicodeError):
        name = ""
    name = _IN_PRACTICE.get(name, name)
    if name not in _CHARSETS and name != "utf-8-sig":
        raise Unreadable("bad_encoding", f"the charset {_quoted(charset)} is not supported")
    return name


def _quoted(value: str) -> str:
    """An attribute's value for an error message: short, and in ASCII."""
    return ascii(value if len(value) <= 60 else value[:60] + "...")
