"""How alike two texts are by their signatures, and whether that makes them one story."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.similarity.signature import FACTS, SKETCH, Short, Signature, common

CONTAINED = 0.25
"""How far from the threshold towards 1 the containment must be: of two texts of one length with a
Jaccard similarity of 0.67 each contains 0.8 of the other, and neither is cut off."""

SHORTEST_CUT = 0.4
"""A text of less than this share of the other is no cut-off copy of it: it may be one item of a
round-up, or the first line of a story that was told afterwards."""

MISSING_FACTS = 1
MISSING_SHARE = 1 / 7
"""Of the names and numbers that one text begins with, so many or such a share may be nowhere in the
other: a name that was misspelt, a number that was corrected. Chosen on the dev part of the natural
pairs, see `make eval-dedup`."""


@dataclass(frozen=True, slots=True)
class Likeness:
    """How alike the words of two texts are, each number from 0 to 1.

    Args:
        jaccard: shingles of both, of all that either has.
        containment: shingles of both, of those of the one with fewer.
        cut: how long the shorter is, measured by the longer.
    """

    jaccard: float
    containment: float
    cut: float


def similarity(one: Signature, other: Signature, threshold: float) -> float | None:
    """How alike two texts are where they tell the same story, else None.

    They do where enough of both is the same, or of the shorter one, if that is a copy cut off, and
    where names and numbers agree. What is returned is the Jaccard similarity, or the containment.

    >>> from pipeline.similarity.signature import sign
    >>> a = sign("The council of Leeds voted by 31 to 12 to reopen the pool in May. " * 5)
    >>> similarity(a, a, 0.8)
    1.0
    """
    alike = likeness(one, other)
    if alike.jaccard >= threshold:
        found = alike.jaccard
    elif alike.cut >= SHORTEST_CUT and (
        alike.containment >= threshold + CONTAINED * (1 - threshold)
    ):
        found = alike.containment
    else:
        return None
    return found if same_facts(one, other) else None


def likeness(one: Signature, other: Signature) -> Likeness:
    """Compares the shingles of two texts; exact where both have at most `SKETCH` of them."""
    few, many = sorted((one.shingles, other.shingles))
    jaccard = _jaccard(one.sketch, other.sketch, whole=many <= SKETCH)
    # From |A n B| = J |A u B| and |A u B| = |A| + |B| - |A n B|.
    shared = jaccard / (1 + jaccard) * (few + many)
    return Likeness(jaccard, min(1.0, shared / few), few / many)


def same_facts(one: Signature, other: Signature) -> bool:
    """Whether what one of them begins with is in the other.

    Of one, not of both: the other may have a new lead before the old text, or be cut before the end
    of it.
    """
    return _has_lead(one, other) or _has_lead(other, one)


def _has_lead(one: Signature, other: Signature) -> bool:
    """Whether `other` has the names and numbers that `one` begins with."""
    lead = one.lead
    if len(other.facts) == FACTS:
        # Only the least of its facts are known.
        lead = lead[lead <= other.facts[-1]]
    missing = len(lead) - len(common(lead, other.facts))
    return missing <= max(MISSING_FACTS, MISSING_SHARE * len(lead))


def _jaccard(one: Short, other: Short, *, whole: bool) -> float:
    """Of two bottom-k samples: the share of both in the k least of either (Cohen and Kaplan 2007).

    Args:
        whole: both have every hash of their text.
    """
    both = common(one, other)
    union = len(one) + len(other) - len(both)
    if not whole and union > SKETCH:
        least = np.union1d(one, other)[:SKETCH]
        both, union = both[both <= least[-1]], SKETCH
    return len(both) / union
