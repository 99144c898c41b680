"""Which files there are, and of what kind each is."""

from __future__ import annotations

import codecs
import json
import logging
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from apache_beam.io.filesystem import BeamIOError, FileSystem
from apache_beam.io.filesystems import FileSystems

from pipeline.avro_bytes import MAGIC as AVRO_MAGIC
from pipeline.errors import Failed, UsageError
from pipeline.sources.files.entries import InputFile
from pipeline.sources.files.opening import ENDINGS, REMOTE, Stored, store_is_gone
from pipeline.sources.files.parquet import MAGIC as PARQUET_MAGIC

KINDS = ("jsonl", "json", "text", "html", "warc", "avro", "parquet", "csv", "tsv")
ONE_ENTRY_KINDS = frozenset(("json", "text", "html"))
"""A file of these is one entry."""

UNKNOWN = "unknown"
"""The kind of a file of which neither the ending nor the first bytes say what it is."""

_ENDINGS = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".jsonlines": "jsonl",
    ".json": "json",
    ".txt": "text",
    ".text": "text",
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
    ".warc": "warc",
    ".avro": "avro",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
}
# What programs call a file that is not finished, or not meant to be read.
_TEMPORARY = (".tmp", ".temp", ".part", ".partial", ".crdownload", ".swp", ".crc", ".lock", "~")
_HIDDEN = (".", "_")
_GLOB = re.compile(r"[*?\[]")
_BUCKET = re.compile(REMOTE.pattern + r"[^/*?\[]+")
SNIFF_BYTES = 64 * 1024

_LOG = logging.getLogger(__name__)


def find_files(
    patterns: Sequence[str],
    *,
    kind: str | None = None,
    wanted: Callable[[str, str], bool] = lambda base, path: True,
) -> list[InputFile]:
    """The files that match, sorted by path, each once, however many links lead to it.

    A pattern is a file, a folder (everything below it is meant), or has `*`, `?`, `[…]` (within a
    name) and `**` (across folders), on this machine or anywhere Beam's FileSystems reads
    (gs://bucket/…). Of what folders and patterns find, names that begin with `.` or `_` or end as
    unfinished files do are left out, and so is all below such a folder.

    Args:
        kind: what all of them are; by default their endings say it, or else their first bytes.
        wanted: whether to take the file at a path; is told the folder that its pattern names
            before the first wildcard as well.

    Raises:
        UsageError: a pattern matches nothing or cannot be looked up, or there is no such kind.
        Failed: a store does not answer.
    """
    if kind is not None and kind not in KINDS:
        raise UsageError(f"there is no kind {kind!r} of files; use one of {', '.join(KINDS)}")
    found: dict[str, int] = {}
    for pattern in patterns:
        base = folder_of(pattern)
        matched = [one for one in _matching(pattern) if wanted(base, one[0])]
        if not matched:
            raise UsageError(
                f"--input {pattern} matches no file (names that begin with . or _ are left out, "
                "and so are the records of --output)"
            )
        found.update(matched)
    return [_described(path, found[path], kind) for path in _each_once(found)]


def _each_once(paths: Iterable[str]) -> list[str]:
    """One path for each file, sorted.

    The path is a part of the ids of what is in the file: so it is the one without links where that
    is among them, and else the first, whatever the order of the patterns.
    """
    kept: dict[str, str] = {}
    for path in sorted(paths):
        real = path if REMOTE.match(path) else os.path.realpath(path)
        if real not in kept or path == real:
            kept[real] = path
    return sorted(kept.values())


def _described(path: str, size: int, kind: str | None) -> InputFile:
    name = path.rpartition("/")[2].lower()
    stem, ending = os.path.splitext(name)
    compression = ENDINGS.get(ending)
    if compression is not None:
        ending = os.path.splitext(stem)[1]
    known = kind or _ENDINGS.get(ending)
    return InputFile(path, size, known or _sniffed(path, size, compression), compression)


# --- looking up ---------------------------------------------------------------------------------


def _matching(pattern: str) -> Iterator[tuple[str, int]]:
    """Path and size of every file that a pattern means. Raises UsageError."""
    pattern = pattern.removeprefix("file://")
    if not pattern:
        raise UsageError("--input is empty; give a file, a folder or a pattern")
    if REMOTE.match(pattern):
        yield from _remote(pattern)
        return
    path = os.path.abspath(pattern)
    if os.path.isfile(path):
        yield path, os.path.getsize(path)
    elif os.path.isdir(path):
        yield from _below(path, None, set())
    elif os.path.exists(path):
        raise UsageError(f"--input {pattern} is a pipe or a device: give an ordinary file")
    elif _GLOB.search(path):
        yield from _below(_base(path), _Glob(path), set())


def folder_of(pattern: str) -> str:
    """The file or folder that a pattern names before its first wildcard; absolute where it is here.

    >>> folder_of("/in/2026-*/a.json")
    '/in'
    """
    pattern = pattern.removeprefix("file://")
    path = pattern if REMOTE.match(pattern) else os.path.abspath(pattern)
    return _base(path) if _GLOB.search(path) else path


def _base(pattern: str) -> str:
    """The folder, or the beginning of the address, in which all that matches must be."""
    glob = _GLOB.search(pattern)
    plain = pattern[: glob.start()] if glob else pattern
    return plain.rpartition("/")[0] or "/"


class _Glob:
    """A pattern for paths on this machine."""

    def __init__(self, pattern: str) -> None:
        self.matches = re.compile(FileSystem.translate_pattern(pattern)).match
        self._slashes = float("inf") if "**" in pattern else pattern.count("/")

    def may_match_below(self, folder: str) -> bool:
        return folder.count("/") < self._slashes


def _below(folder: str, glob: _Glob | None, above: set[str]) -> Iterator[tuple[str, int]]:
    """Every file below a folder that `glob` matches, or that is in a folder it matches.

    Args:
        above: the folders it is in, so that links in a circle end. Each is in it as it really is.
    """
    real = os.path.realpath(folder)
    if real in above:
        return
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        raise UsageError(f"the folder {folder} cannot be read: {error.strerror}") from error
    for name in names:
        path = os.path.join(folder, name)
        if _left_out(name):
            continue
        if os.path.isdir(path):
            if glob is None or glob.matches(path):
                yield from _below(path, None, {*above, real})
            elif glob.may_match_below(path):
                yield from _below(path, glob, {*above, real})
        # No pipes, no devices; and a link to nothing is no file.
        elif os.path.isfile(path) and (glob is None or glob.matches(path)):
            try:
                yield path, os.path.getsize(path)
            except OSError:
                # Taken away since it was listed: then it is no input.
                continue


def _remote(pattern: str) -> Iterator[tuple[str, int]]:
    """What FileSystems finds; a pattern is also taken for that of a folder."""
    if _BUCKET.fullmatch(pattern):
        # A bucket is no object: Beam refuses to look it up as one.
        pattern += "/"
    folder = pattern.rstrip("/") + "/**"
    exact = not _GLOB.search(pattern)
    base = _base(folder)
    for one in (folder,) if pattern.endswith("/") else (pattern, folder):
        try:
            (result,) = FileSystems.match([one])
        except Exception as error:
            # A file system that is unknown, no leave to read, no network: each raises its own.
            inner = _innermost(error)
            said = f"--input {pattern} cannot be looked up: {' '.join(str(inner).split())[:300]}"
            if store_is_gone(inner):
                raise Failed(f"{said}. Start the same command again") from error
            if pattern.startswith("gs://") and "apache-beam[gcp]" in said:
                said = f"--input {pattern} needs pip install 'article-pipeline[gcs]'"
            raise UsageError(said) from error
        for metadata in result.metadata_list:
            path = metadata.path
            # A store keeps folders as objects of no bytes.
            names = [name for name in path[len(base) :].split("/") if name]
            named = exact and path == pattern
            if not path.endswith("/") and (named or not any(map(_left_out, names))):
                yield path, metadata.size_in_bytes


def _innermost(error: Exception) -> Exception:
    """What was wrong, without the BeamIOErrors around it, each of which quotes the one within."""
    while isinstance(error, BeamIOError) and error.exception_details:
        error = next(iter(error.exception_details.values()))
    return error


def _left_out(name: str) -> bool:
    return name.startswith(_HIDDEN) or name.endswith(_TEMPORARY)


# --- the kind, by the first bytes ---------------------------------------------------------------

_HTML_START = re.compile(rb"<(?:!doctype\s+html|html|head|body|meta|title)[\s/>]|<!--", re.I)
_XHTML_START = re.compile(rb"<\?xml\b[^>]{0,200}>\s*<(?:!doctype\s+html|html)\b", re.I)
_BINARY = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_UTF16_BOMS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_TITLES = frozenset(("title", "headline"))
_BODIES = frozenset(("body", "text", "content", "articlebody", "article_body", "body_text"))


def _sniffed(path: str, size: int, compression: str | None) -> str:
    """What the file is by its first bytes; UNKNOWN also where they cannot be read."""
    try:
        with Stored(path, size, compression) as stored:
            return kind_of(stored.data.read(SNIFF_BYTES))
    except Exception as error:  # noqa: BLE001 - reading it makes an entry that says why it fails
        _LOG.debug("cannot open %s to see what it is: %s", path, type(error).__name__)
        return UNKNOWN


def kind_of(head: bytes) -> str:
    """The kind of a file that begins with `head`; text where it is empty."""
    if head.startswith(AVRO_MAGIC):
        return "avro"
    if head.startswith(PARQUET_MAGIC):
        return "parquet"
    if head.startswith(b"WARC/"):
        return "warc"
    if head.startswith(_UTF16_BOMS):
        head = head.decode("utf-16", "ignore").encode("utf-8", "ignore")
    head = head.removeprefix(codecs.BOM_UTF8).lstrip()
    if _BINARY.search(head):
        return UNKNOWN
    if head.startswith(b"{"):
        return _json_kind(head)
    if head.startswith(b"["):
        return "json"
    if _HTML_START.match(head) or _XHTML_START.match(head):
        return "html"
    return _table_kind(head.partition(b"\n")[0]) or "text"


def _json_kind(head: bytes) -> str:
    """jsonl where an object ends in its first line, or where that goes on and on."""
    line, end, _ = head.partition(b"\n")
    if not end:
        return "jsonl"
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return "json"
    return "jsonl"


def _table_kind(line: bytes) -> str | None:
    """csv or tsv where a first line names a title and a text; None otherwise."""
    text = line.decode("utf-8", "replace").lower()
    for delimiter, kind in (("\t", "tsv"), (",", "csv"), (";", "csv"), ("|", "csv")):
        names = {name.strip().strip('"') for name in text.split(delimiter)}
        if names & _TITLES and names & _BODIES:
            return kind
    return None
