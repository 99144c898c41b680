"""The compatibility form of Unicode (NFKC), in linear time.

Putting marks in order takes Python quadratic time over a run of them: 4 s were seen for 80,000
after one letter, which for a million would be ten minutes.
"""

from __future__ import annotations

import re
import unicodedata

MARKS = 30
"""As in the Stream-Safe Text Format (UAX #15, section 13), which no real word comes near."""

# Has no order among marks, and none passes it.
_JOINER = "\u034f"
# With the two letters that are marks in NFKC, the half-width voiced ones of Japanese.
_LONG = re.compile(rf"(?:[^\x00-\x7f\w\s]|[\uff9e\uff9f]){{{MARKS + 1},}}")


def nfkc(text: str) -> str:
    """`text` in NFKC; runs of more than `MARKS` combining marks are parted before."""
    if text.isascii():
        return text
    return unicodedata.normalize("NFKC", _LONG.sub(_parted, text))


def _parted(run: re.Match[str]) -> str:
    marks = run[0]
    if not any(map(unicodedata.combining, marks)):
        return marks
    return _JOINER.join(marks[at : at + MARKS] for at in range(0, len(marks), MARKS))
