"""Articles from files: finding them, and reading each as a stream of entries.

    for file in find_files(["in/*.jsonl.gz", "gs://bucket/folder"]):
        for entry in read_file(file, ReadOptions()):
            ...

Nothing in a file raises: what cannot be read is an entry with a problem that says which file and
where, and the reading goes on behind it where that can be done. No file, line or record is held
that is larger than a limit; compressed files are expanded as they are read.

The bytes are as they were in the file where a message can hold them (a line, a document, a page);
rows of tables become JSON objects.
"""

from __future__ import annotations

from pipeline.sources.files.entries import BLOCK_ENTRIES, Entry, InputFile, Problem, ReadOptions
from pipeline.sources.files.finding import KINDS, ONE_ENTRY_KINDS, UNKNOWN, find_files
from pipeline.sources.files.reading import read_file

__all__ = [
    "BLOCK_ENTRIES",
    "KINDS",
    "ONE_ENTRY_KINDS",
    "UNKNOWN",
    "Entry",
    "InputFile",
    "Problem",
    "ReadOptions",
    "find_files",
    "read_file",
]
