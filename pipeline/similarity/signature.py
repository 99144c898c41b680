"""The signature of a text: small, stable, and enough to find and to judge its near-duplicates.

    text ─► words ─► shingles ─┬─► MinHash ─► bands     which signatures to look at
                               ├─► sketch               how alike two are
                               └─► facts, lead          whether names and numbers differ

**Shingles.** Three words in a row. Five would be surer of themselves and are all lost sooner: of a
text with one word in thirty changed, 90 % of its threes and 84 % of its fives stay. Texts of few
words, and of scripts without spaces, have shingles of characters instead.

**Bands.** 64 MinHash values (Broder 1997), each the least of all shingles under a permutation, in
16 bands of 4 (Indyk and Motwani 1998). Two texts of Jaccard similarity s share a band, and so are
looked at, with a probability of 1 - (1 - s^4)^16:

    s     0.01   0.1    0.3    0.5    0.6    0.65   0.7    0.75   0.8    0.9
    p     2e-7   0.002  0.12   0.64   0.89   0.96   0.99   0.998  0.9998 1

Copies cut to 70 % have 0.7; unrelated news has 0.01 and less, so that a million of them bring less
than one to look at.

**Sketch.** The 512 least shingle hashes (bottom-k, Cohen and Kaplan 2007). A text of up to 512
different shingles is there whole, and similarity of two such is exact; above it has a standard
error of 0.022 at most.

**Facts.** Names and numbers: words that are never without a capital letter in the text, and those
with a digit. Of two texts from one template these are what differs, and soonest in the first lines.

The values must be the same in every version and on every machine: they are kept. Whoever changes
what comes out of `sign` counts `VERSION` up.
"""

from __future__ import annotations

import hashlib
import re
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.nfkc import nfkc
from pipeline.similarity.boilerplate import without_boilerplate

VERSION = 1

SHINGLE_WORDS = 3
SHINGLE_CHARACTERS = 6
BANDS, ROWS = 16, 4
SKETCH = 512
FACTS = 256
LEAD_WORDS = 100
"""Where a story says what it is about; chosen on the dev part of the natural pairs."""

FEWEST_WORDS = 30
"""With fewer, one changed word takes a tenth of the shingles along: characters are used."""

FEWEST_CHARACTERS = 40
"""Shorter texts ("More follows.") are known again by their content hash alone."""

WORD_CHARACTERS = 20
"""Where words are longer on average, nothing parts them: characters are used."""

MOST_CHARACTERS = 200_000
"""So much of a text is signed."""

_HASH_BYTES = 3
"""Of a shingle in a sketch: two different ones of two texts of 500 are taken for the same with a
probability of 2^-24, which makes 1 pair in 70 similar by one shingle more."""

Hashes = NDArray[np.uint64]
Short = NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class Signature:
    """What is kept of a text.

    Args:
        bands: keys of the index, 32 bits each; unrelated texts that share one are seldom enough.
        shingles: how many different ones the text has.
        sketch: the least of them, in order, 24 bits each.
        facts: of its names and numbers the least `FACTS`, in the same form.
        lead: those of them that are in its first `LEAD_WORDS` words.
    """

    bands: tuple[int, ...]
    shingles: int
    sketch: Short
    facts: Short
    lead: Short

    def pack(self) -> bytes:
        """As it is stored, without the bands: version, counts, then the rest in order."""
        parts = self.sketch, self.facts, self.lead
        header = _HEADER.pack(VERSION, self.shingles, *map(len, parts))
        return header + b"".join(map(_packed, parts))


_HEADER = struct.Struct("<BIHHH")


def unpack(stored: bytes, bands: tuple[int, ...] = ()) -> Signature | None:
    """What `Signature.pack` made; None where another version did."""
    version, shingles, *lengths = _HEADER.unpack_from(stored)
    if version != VERSION:
        return None
    parts, start = [], _HEADER.size
    for length in lengths:
        end = start + length * _HASH_BYTES
        parts.append(_unpacked(stored[start:end]))
        start = end
    return Signature(bands, shingles, *parts)


def sign(text: str) -> Signature | None:
    """The signature of a text; None for one that is too short to have one."""
    text = without_boilerplate(text[:MOST_CHARACTERS])
    words = _words(text)
    if len(words) >= FEWEST_WORDS and len(text) <= WORD_CHARACTERS * len(words):
        shingles = _sorted_set(_mixed(_joined(words >> _ONE, SHINGLE_WORDS)))
    else:
        characters = np.frombuffer(_letters(text).encode("utf-32-le", "replace"), np.uint32)
        if len(characters) < FEWEST_CHARACTERS:
            return None
        # Another start, so that no shingle of characters is one of words.
        codes = _mixed(characters.astype(np.uint64) + _OTHER)
        shingles = _sorted_set(_mixed(_joined(codes, SHINGLE_CHARACTERS)))
    facts = _least(_facts(words), FACTS)
    return Signature(
        _bands(shingles),
        len(shingles),
        _least(shingles, SKETCH),
        facts,
        common(facts, _least(_sorted_set(_mixed(words[:LEAD_WORDS])), LEAD_WORDS)),
    )


_ONE = np.uint64(1)
_OTHER = np.uint64(0x9E6C63D0876A9A47)
_HIGH = np.uint64(32)
# Odd, and without a pattern: primes of xxHash (https://xxhash.com, XXH64).
_PRIMES = np.array(
    [0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63,
     0x27D4EB2F165667C5, 0xFF51AFD7ED558CCD], dtype=np.uint64,
)  # fmt: skip


_SPACES = b"\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f "
_MARKS = bytes(byte for byte in range(128) if byte not in _SPACES and not chr(byte).isalnum())
# What stands between words becomes 0, which adds nothing to a sum.
_PLAIN = bytes.maketrans(_SPACES, bytes(len(_SPACES)))
_OTHER_MARK = re.compile(r"[^\x00-\x7f\w]")
_DIGITS = frozenset(b"0123456789")
_IS_DIGIT = np.array([byte in _DIGITS for byte in range(256)])
_WEIGHTS = np.frombuffer(hashlib.shake_128(b"words 1").digest(8 * 256), "<u8").astype(np.uint64)


def _words(text: str) -> Hashes:
    """The hash of each word, by its letters and digits in one case.

    Its last bit is 1 where the word may be a name or number: it has a capital letter or a digit.
    It is multilinear in the bytes of UTF-8 (Carter and Wegman 1979), and made for all words at
    once: to look them up in a dictionary takes longer.
    """
    if text.isascii():
        plain = text.encode().translate(_PLAIN, _MARKS)
        lower = plain.lower()
    else:
        text = nfkc(text)
        text = _OTHER_MARK.sub(lambda mark: " " if mark[0].isspace() else "", text)
        plain = text.encode("utf-8", "replace").translate(_PLAIN, _MARKS)
        lower = text.casefold().encode("utf-8", "replace").translate(_PLAIN, _MARKS)
    values = np.frombuffer(b"\0" + lower, np.uint8)
    inside = values != 0
    starts = np.flatnonzero(inside[1:] & ~inside[:-1]) + 1
    if not len(starts):
        return np.zeros(0, np.uint64)
    bounds = np.append(starts, len(values))
    places = np.arange(starts[0], len(values)) - np.repeat(starts, bounds[1:] - bounds[:-1])
    weighted = values[starts[0] :] * _WEIGHTS[places & 255]
    hashes = _mixed(np.add.reduceat(weighted, starts - starts[0]))
    marked: NDArray[np.bool_]
    if len(plain) == len(lower):
        marked = _IS_DIGIT.take(values)
        marked[1:] |= np.frombuffer(plain, np.uint8) != values[1:]
        marked = np.logical_or.reduceat(marked, starts)
    else:
        # Of few letters the other case is longer or shorter.
        pairs = zip(*(filter(None, each.split(b"\0")) for each in (plain, lower)), strict=False)
        marked = np.zeros(len(starts), np.bool_)
        for place, (one, other) in enumerate(pairs):
            marked[place] = one != other or not _DIGITS.isdisjoint(other)
    words: Hashes = (hashes | _ONE) ^ (~marked).astype(np.uint64)
    return words


def _letters(text: str) -> str:
    """The letters and digits of `text` in one form, and nothing else."""
    if not text.isascii():
        text = nfkc(text)
    return "".join(filter(str.isalnum, text.casefold()))


def _joined(parts: Hashes, count: int) -> Hashes:
    """One number for each run of `count` parts, by their order."""
    length = len(parts) - count + 1
    joined = np.zeros(length, np.uint64)
    for place in range(count):
        joined += parts[place : place + length] * _PRIMES[place]
    return joined


def _mixed(values: Hashes) -> Hashes:
    """The finaliser of MurmurHash3 (Appleby): every bit of a value bears on every other."""
    values = values ^ (values >> np.uint64(33))
    values *= np.uint64(0xFF51AFD7ED558CCD)
    values ^= values >> np.uint64(33)
    values *= np.uint64(0xC4CEB9FE1A85EC53)
    values ^= values >> np.uint64(33)
    return values


def _sorted_set(values: Hashes) -> Hashes:
    ordered = np.sort(values)
    return ordered[_firsts(ordered)]


def _firsts(ordered: NDArray[Any]) -> NDArray[np.bool_]:
    """Where a value stands for the first time."""
    first = np.ones(len(ordered), np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
    return first


def _facts(words: Hashes) -> Hashes:
    """Words that are never without a capital letter here, and those with digits."""
    ordered = np.sort(words)
    first = ordered[_firsts(ordered >> _ONE)]
    # Of a word with and without a capital, the one without comes first.
    return np.sort(_mixed(first[(first & _ONE) == _ONE]))


def _least(values: Hashes, count: int) -> Short:
    """The least of sorted hashes, by their first 24 bits, which few share."""
    short = (values[:count] >> np.uint64(40)).astype(np.uint32)
    least: Short = short[_firsts(short)]
    return least


def common(one: Short, other: Short) -> Short:
    """What is in two sorted sets."""
    merged = np.sort(np.concatenate((one, other)), kind="stable")
    both: Short = merged[1:][merged[1:] == merged[:-1]]
    return both


def _permutations() -> tuple[Short, Short]:
    """Multipliers and masks of 64 permutations of 32 bits: digits of a hash, for ever the same."""
    digest = hashlib.shake_128(b"pipeline.similarity.signature 1").digest(8 * BANDS * ROWS)
    numbers = np.frombuffer(digest, "<u4").reshape(2, BANDS * ROWS, 1).astype(np.uint32)
    return numbers[0] | np.uint32(1), numbers[1]


_MULTIPLIERS, _MASKS = _permutations()
_PLACES = np.arange(BANDS, dtype=np.uint64)[:, None] * _PRIMES[0]


def _bands(shingles: Hashes) -> tuple[int, ...]:
    values = (shingles >> _HIGH).astype(np.uint32)
    permuted = values ^ _MASKS
    permuted *= _MULTIPLIERS
    least = permuted.min(axis=1).astype(np.uint64).reshape(BANDS, ROWS)
    seeded = least + _PLACES + np.uint64(VERSION)
    keys = _mixed((seeded * _PRIMES[:ROWS]).sum(axis=1, dtype=np.uint64))
    return tuple((keys >> _HIGH).tolist())


def _packed(values: Short) -> bytes:
    return values.astype("<u4").view(np.uint8).reshape(-1, 4)[:, :_HASH_BYTES].tobytes()


def _unpacked(stored: bytes) -> Short:
    values = np.zeros((len(stored) // _HASH_BYTES, 4), np.uint8)
    values[:, :_HASH_BYTES] = np.frombuffer(stored, np.uint8).reshape(-1, _HASH_BYTES)
    return values.view("<u4").reshape(-1).astype(np.uint32)
