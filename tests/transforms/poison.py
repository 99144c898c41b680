"""A spaCy component that does the worst a model can do, on marker words.

It imports spaCy alone. A process finds it as it finds any component of a package: by an entry point
of spaCy's, in a folder that must be on its path (see `installed`).
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import pathlib
import re
import signal
import sys
import time
from typing import Any

import spacy
from spacy.language import Language
from spacy.tokens import Doc

MARKERS = ("KILLED", "EXITS", "QUITS", "SEGFAULT", "LOOPS", "SLEEPS", "LOCKS", "RAISES")
NAME = "Vladimir Putin"
LOADS = "POISON_LOADS"
# A text may name a file that is to be there before anything else is done, …
_FIRST = re.compile(r"FIRST=(\S+)")
# … or one that is made when its article is read for the first time, which then hangs.
_ONCE = re.compile(r"ONCE=(\S+)")
# How the package that the entry points need is called.
_DISTRIBUTION = "poison_for_tests"


@Language.component("poison")
def poison(doc: Doc) -> Doc:
    """Does what the first marker in the text says."""
    first, once = _FIRST.search(doc.text), _ONCE.search(doc.text)
    if first:
        pathlib.Path(first[1]).touch()
    if once and not pathlib.Path(once[1]).exists():
        pathlib.Path(once[1]).touch()
        time.sleep(3600)
    for marker in MARKERS:
        if f"POISON-{marker}" in doc.text:
            _act(marker)
    return doc


def _act(marker: str) -> None:
    if marker == "KILLED":
        os.kill(os.getpid(), signal.SIGKILL)
    elif marker == "EXITS":
        os._exit(3)
    elif marker == "QUITS":
        sys.exit(4)
    elif marker == "SEGFAULT":
        ctypes.string_at(0)
    elif marker == "LOOPS":
        while True:
            pass
    elif marker == "SLEEPS":
        time.sleep(3600)
    elif marker == "LOCKS":
        # Hours of work in C, without letting go of the interpreter's lock.
        re.match(r"(?:a|a)+b", "a" * 60)
    raise RuntimeError("poison, as told")


@Language.factory("dies_when_loaded")
def dies_when_loaded(nlp: Language, name: str) -> Any:
    """Ends the process of a worker that loads it."""
    if multiprocessing.parent_process() is not None:
        os._exit(5)
    return poison


@Language.factory("tells_when_loaded")
def tells_when_loaded(nlp: Language, name: str) -> Any:
    """Writes the process that loads it into the file that `LOADS` names."""
    with open(os.environ[LOADS], "a", encoding="utf-8") as file:
        file.write(f"{os.getpid()}\n")
    return poison


def poisonous_model(folder: pathlib.Path, component: str = "poison") -> pathlib.Path:
    """A model in `folder` that finds `NAME`, and has the component."""
    nlp = spacy.blank("en")
    nlp.add_pipe(component)
    ruler: Any = nlp.add_pipe("entity_ruler")
    ruler.add_patterns([{"label": "PERSON", "pattern": NAME}])
    nlp.meta["name"] = "poisonous"
    nlp.meta["version"] = "1.0.0"
    nlp.to_disk(folder)
    return folder


def installed(folder: pathlib.Path) -> pathlib.Path:
    """Makes `folder` one that, on `sys.path`, lets spaCy find the components by itself."""
    package = folder / f"{_DISTRIBUTION}-1.0.dist-info"
    package.mkdir(parents=True)
    (package / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {_DISTRIBUTION}\nVersion: 1.0\n", encoding="utf-8"
    )
    (package / "entry_points.txt").write_text(
        f"[spacy_factories]\npoison = {__name__}:poison\n"
        f"dies_when_loaded = {__name__}:dies_when_loaded\n"
        f"tells_when_loaded = {__name__}:tells_when_loaded\n",
        encoding="utf-8",
    )
    return folder
