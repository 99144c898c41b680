"""What is taken off before texts are compared, and what is not."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.similarity.boilerplate import without_boilerplate

STORY = (
    "The council of Leeds voted on Monday to reopen the swimming pool that was closed in March.\n\n"
    "It had been closed for repairs, the mayor said. She thanked those who had waited so long."
)
HEADS = [
    "LONDON (Reuters) - ",
    "LONDON, Jan 5 (Reuters) - ",
    "NEW YORK, Jan. 5, 2025 (GLOBE NEWSWIRE) -- ",
    "SPRINGVILLE, UT, August 07, 2025 /24-7PressRelease/ -- ",
    "BEIJING, Jan 21 (Xinhua) -- ",
    "PARIS, France (AP) — ",
    "(Reuters) - ",
    "WASHINGTON — ",
    "KYIV, 5 January 2025 - ",
    "Leeds, 5 January (dpa) – ",
    "date 2025-01-21 ",
    "By Ann Lee\n\n",
    "UPDATE 2-Pool to reopen\n\n",
    "Published: 5 January 2025, 10:15 GMT\n\nLEEDS, England (AP) -- ",
    "<p><b>LEEDS</b> &mdash; ",
]
TAILS = [
    " (Reporting by Ann Lee; Editing by Bob Day)",
    "\n\nReporting by Ann Lee in Leeds; Editing by Bob Day",
    "\n\nCopyright 2025 The Associated Press. All rights reserved. This material may not be "
    "published, broadcast, rewritten or redistributed without permission.",
    "\n\n© 2025 AFP",
    "\n\nOur Standards: The Thomson Reuters Trust Principles.",
    "\n\nRead more: Pool closed for repairs",
    "\n\nSign up for our newsletter.\n\nFollow us on Facebook and Twitter.",
    "\n\nThe post Pool to reopen appeared first on Leeds News.",
    "\n\nAssociated Press writer Bob Day contributed to this report.",
    "\n\nSource: Leeds City Council",
]


@pytest.mark.parametrize("head", HEADS)
def test_a_head_is_taken_off(head: str) -> None:
    assert without_boilerplate(head + STORY).strip() == STORY


@pytest.mark.parametrize("tail", TAILS)
def test_a_tail_is_taken_off(tail: str) -> None:
    assert without_boilerplate(STORY + tail) == STORY


@pytest.mark.parametrize(
    "text",
    [
        STORY,
        "Reporting by Reuters was cited in court. " + STORY,
        f"{STORY}\n\nCopyright law is what the case is about, and it goes on tomorrow.\n\n{STORY}",
        "Leeds - a city of the north - has a pool again. " + STORY,
        "IBM said on Monday that it would reopen its pool. " + STORY,
        "By Monday the pool will be open. " + STORY,
        "Copyright 2025 The Associated Press. All rights reserved.",
    ],
)
def test_a_story_stays_whole(text: str) -> None:
    assert without_boilerplate(text) == text


def test_tags_and_entities_are_spaces_and_signs() -> None:
    text = "<p class='x'>The pool&nbsp;&amp; the mayor</p>\n<br/>are back &lt;again&gt;"
    assert without_boilerplate(text).split() == [
        "The",
        "pool",
        "&",
        "the",
        "mayor",
        "are",
        "back",
        "<again>",
    ]


def test_less_than_and_ampersand_are_no_tags() -> None:
    text = "Profits at R&D units were < 5 and > 3 &unknownentity; per cent."
    assert without_boilerplate(text) == text


@given(st.text())
def test_nothing_is_added(text: str) -> None:
    assert len(without_boilerplate(text)) <= len(text)


@pytest.mark.parametrize(
    "text",
    ["A" * 200_000, "A, " * 70_000, "<a" * 100_000, "&a" * 100_000, "(" * 200_000,
     "By " * 70_000, "A.\n" * 70_000, "Copyright " * 20_000, "Jan 5 " * 30_000, "A-" * 100_000,
     " " * 200_000, "," * 200_000, "By Ann Lee\n" + " " * 200_000 + "x", "By A B\n" * 30_000,
     "LEEDS" + " ," * 90_000, "Read " * 40_000, "This story " * 20_000, "The post " * 25_000],
)  # fmt: skip
def test_hostile_texts_take_no_time(text: str) -> None:
    """All are done in milliseconds; a rule that goes back over what it read would take hours."""
    began = time.process_time()
    without_boilerplate(text)
    assert time.process_time() - began < 5
