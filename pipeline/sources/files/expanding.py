"""Small pieces of compressed data, expanded whole: pages in an archive, blocks of a table."""

from __future__ import annotations

import bz2
import lzma
import zlib
from typing import Any

from cramjam import snappy

from pipeline.compressed import ZSTD_MAGIC, ZstdError, gzip_decoder, zstd_decoder
from pipeline.sources.files.entries import MB, Broken, ReadOptions

# A short text that repeats itself packs as well as a bomb does, and cannot hurt.
RATIO_FLOOR_BYTES = MB
SNAPPY_CHECKSUM_BYTES = 4
# The data say how large a dictionary they need; xz at its highest level takes 65 MB.
XZ_MEMORY_BYTES = 100 * MB


def expand(data: bytes, encoding: str, options: ReadOptions) -> bytes:
    """The body of an HTTP response without its content encoding.

    Archives may hold the body expanded already, under the header it came with: what does not
    begin as its encoding does is taken as it is.

    Raises:
        Broken: bad_encoding (unknown, damaged or cut off), bomb or too_large.
    """
    if encoding in ("", "identity", "none"):
        return data
    if encoding in ("gzip", "x-gzip"):
        if not data.startswith(b"\x1f\x8b"):
            return data
        decoder: Any = gzip_decoder()
    elif encoding == "zstd":
        if not data.startswith(ZSTD_MAGIC):
            return data
        decoder = zstd_decoder()
    elif encoding == "deflate":
        # With zlib's header by RFC 9110, without it in practice.
        wrapped = len(data) > 1 and data[0] & 0x0F == 8 and (data[0] << 8 | data[1]) % 31 == 0
        decoder = zlib.decompressobj(zlib.MAX_WBITS if wrapped else -zlib.MAX_WBITS)
    else:
        raise Broken("bad_encoding", f"Content-Encoding is {encoding[:40]!a}, which is not read")
    most = min(
        options.max_expanded_bytes,
        max(RATIO_FLOOR_BYTES, options.max_expansion_ratio * len(data)),
    )
    try:
        expanded: bytes = decoder.decompress(data, most + 1)
    except (zlib.error, ZstdError) as error:
        raise Broken("bad_encoding", f"the {encoding} data of the page are damaged") from error
    if len(expanded) > most:
        if most == options.max_expanded_bytes:
            raise Broken("too_large", f"the page has more than --max_expanded_bytes={most}")
        raise Broken(
            "bomb",
            "the page expands to more than "
            f"--max_expansion_ratio={options.max_expansion_ratio} times its size",
        )
    if not decoder.eof:
        raise Broken("bad_encoding", f"the {encoding} data of the page end too early")
    return expanded


AVRO_CODECS = ("null", "deflate", "snappy", "zstandard", "bzip2", "xz")


def expand_block(data: bytes, codec: str, most: int) -> bytes:
    """A block of an Avro file by one of `AVRO_CODECS`, of at most `most` bytes.

    Raises:
        Broken: torn_file, where it is damaged or cut off; bomb.
    """
    if codec == "null":
        return data
    try:
        if codec == "snappy":
            return _snappy(data, most)
        decoder = _block_decoder(codec)
        expanded: bytes = decoder.decompress(data, most + 1)
    except (zlib.error, ZstdError, lzma.LZMAError, OSError, EOFError, ValueError) as error:
        raise Broken("torn_file", f"a block of {codec} data is damaged: {error}") from error
    if len(expanded) > most:
        raise _bomb(most)
    # Behind deflate data fastavro leaves a part of zlib's checksum, so what follows is passed over.
    if not decoder.eof:
        raise Broken("torn_file", f"a block of {codec} data is cut off")
    return expanded


def _block_decoder(codec: str) -> Any:
    if codec == "deflate":
        return zlib.decompressobj(-zlib.MAX_WBITS)
    if codec == "zstandard":
        return zstd_decoder()
    if codec == "bzip2":
        return bz2.BZ2Decompressor()
    return lzma.LZMADecompressor(memlimit=XZ_MEMORY_BYTES)


def _snappy(data: bytes, most: int) -> bytes:
    body, checksum = data[:-SNAPPY_CHECKSUM_BYTES], data[-SNAPPY_CHECKSUM_BYTES:]
    if len(checksum) < SNAPPY_CHECKSUM_BYTES:
        raise ValueError("no checksum")
    # Taken at its word, it would have so much memory at once.
    if snappy.decompress_raw_len(body) > most:
        raise _bomb(most)
    expanded = bytes(snappy.decompress_raw(body))
    if zlib.crc32(expanded).to_bytes(SNAPPY_CHECKSUM_BYTES, "big") != checksum:
        raise ValueError("its checksum is wrong")
    return expanded


def _bomb(most: int) -> Broken:
    return Broken("bomb", f"a block expands to more than {most} bytes")
