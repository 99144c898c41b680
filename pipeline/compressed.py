"""Compressed data known by their first bytes, and the decoders that read them."""

from __future__ import annotations

import sys
import zlib
from typing import Any

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

GZIP_MAGIC = b"\x1f\x8b\x08"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
# The largest window zstd reads unless it is told otherwise: 128 MB, `zstd --ultra`.
MAX_WINDOW_LOG = 27
# wbits of zlib for a gzip header and trailer, checksum verified.
_GZIP_WBITS = 31

ZstdError = zstd.ZstdError


def gzip_decoder() -> zlib._Decompress:
    """A decompressor of one gzip member."""
    return zlib.decompressobj(_GZIP_WBITS)


def zstd_decoder(window_log: int = MAX_WINDOW_LOG) -> Any:
    """A decompressor of one zstd frame.

    Args:
        window_log: a frame that asks for a larger window is refused.
    """
    return zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: window_log})


def starts_zstd(data: bytes, position: int = 0) -> bool:
    """Whether a zstd frame begins at `position`.

    RFC 8878, 3.1.2: skippable frames have sixteen magic numbers.
    """
    skippable = data.startswith(b"\x2a\x4d\x18", position + 1) and data[position] & 0xF0 == 0x50
    return skippable or data.startswith(ZSTD_MAGIC, position)
