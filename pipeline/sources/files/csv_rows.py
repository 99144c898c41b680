"""CSV: each row under the names of the first, as a JSON object."""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence

from pipeline.sources.files.entries import JSON, KEPT_BYTES, Broken, Entry, Maker, ReadOptions
from pipeline.sources.files.lines import Line, as_utf8, lines, too_long
from pipeline.sources.files.opening import Stored
from pipeline.sources.files.rows import to_json

# Spreadsheets write a semicolon where the decimal sign is a comma.
DELIMITERS = ",;\t|"
# How often lines are read again in one file, at most --max_message_bytes of them each time.
MAX_TIMES = 100
_QUOTED = re.compile(r'"[^"]*"')


def read_csv(
    stored: Stored, maker: Maker, options: ReadOptions, *, delimiter: str | None = None
) -> Iterator[Entry]:
    """One entry for each row below the first, which names the columns.

    A row has as many fields as there are columns (RFC 4180, 2.4); any other number is a problem,
    since its fields would stand under wrong names. A quote that is never closed spoils its own line
    alone, as long as the lines after it look like rows.

    Args:
        delimiter: between fields; by default the one of `DELIMITERS` that the first row has most.
    """
    most = options.max_message_bytes
    source = _Lines(stored, most)
    if csv.field_size_limit() < most:
        # One for the whole process, and its default is less than a long article.
        csv.field_size_limit(most)
    header = _header(source, maker, delimiter, options)
    if isinstance(header, Entry):
        yield header
    if not isinstance(header, _Header):
        return
    rows = csv.reader(source, delimiter=header.delimiter)
    while True:
        source.begin()
        problem: Exception | None = None
        try:
            row = next(rows)
        except StopIteration:
            break
        except (Broken, csv.Error) as error:
            row, problem = [], error
        if source.torn or problem is not None:
            if source.swallowed(header):
                source.put_back()
                problem = Broken("bad_row", "the row has a quote that is not closed")
            elif source.torn:
                # Said below, once for the file, with what there is of this row.
                break
        if not row and problem is None:
            continue
        if not maker.mine():
            continue
        where = f"line {source.first}"
        try:
            if problem is not None:
                raise problem
            data = to_json(_named(row, header, source), most)
        except (Broken, csv.Error) as error:
            error_type = error.error_type if isinstance(error, Broken) else "bad_row"
            yield maker.broken(where, source.bytes_read(), stored.position, error_type, error)
        else:
            yield maker.entry(where, data, stored.position, content_type=JSON)
    yield from _end(source, stored, maker)


def _end(source: _Lines, stored: Stored, maker: Maker) -> Iterator[Entry]:
    """What is wrong with the end of the file, if anything is."""
    failure = stored.failure
    if failure is None and source.torn:
        failure = Broken("torn_file", "the file ends within a row")
    if failure is not None and maker.mine():
        first, data = (source.first, source.bytes_read()) if source.torn else (source.last + 1, b"")
        yield maker.failed(f"line {first}", data, failure, stored.position)


class _Header:
    """The first row, with the names that decode knows in place of those of the columns."""

    def __init__(self, columns: Sequence[str], delimiter: str, wanted: Mapping[str, str]) -> None:
        self.delimiter = delimiter
        fields = {column: name for name, column in wanted.items()}
        # What has the name of a field that another column was chosen for would be in its way.
        self.names = [
            fields.get(column, None if column in wanted else column) for column in columns
        ]


def _header(
    source: _Lines, maker: Maker, delimiter: str | None, options: ReadOptions
) -> _Header | Entry | None:
    """The first row; an entry where it cannot be used; None where there is none."""
    stored = source.stored
    source.begin()
    try:
        first = next(source, None)
        while first is not None and not first.strip():
            source.begin()
            first = next(source, None)
        if first is None or source.torn:
            if stored.failure is None:
                return None
            raise stored.failure
        chosen = delimiter or _delimiter(first)
        rows = csv.reader(_Again(first, source), delimiter=chosen)
        columns = [column.strip() for column in next(rows)]
        if source.torn:
            raise stored.failure or Broken("torn_file", "the file ends within the first row")
        _check(columns, options)
    except Exception as error:  # noqa: BLE001 - becomes an entry, whatever csv or the store raised
        if not maker.mine():
            return None
        error_type = error.error_type if isinstance(error, Broken) else "unreadable_file"
        return maker.broken(
            f"line {source.first}", source.bytes_read(), stored.position, error_type, error
        )
    return _Header(columns, chosen, options.csv_columns)


def _check(columns: Sequence[str], options: ReadOptions) -> None:
    if len(columns) > options.max_columns:
        raise Broken("too_large", f"the first row has more than {options.max_columns} columns")
    if any(_undecoded(column) for column in columns):
        raise Broken("bad_encoding", "the first row is neither UTF-8 nor UTF-16 with its mark")
    named = [column for column in columns if column]
    twice = sorted({column for column in named if named.count(column) > 1})
    if twice:
        raise Broken("unreadable_file", f"the first row has the name {twice[0][:60]!r} twice")
    missing = sorted(set(options.csv_columns.values()) - set(columns))
    if missing:
        raise Broken(
            "unreadable_file",
            f"the first row has no column {missing[0]!r}, which --csv_columns names",
        )


def _delimiter(first: str) -> str:
    bare = _QUOTED.sub("", first)
    return max(DELIMITERS, key=bare.count)


def _named(row: Sequence[str], header: _Header, source: _Lines) -> dict[str, str]:
    """The fields of a row under their names; those that are empty left out.

    Raises:
        Broken: bad_row, torn_file or bad_encoding.
    """
    wanted = len(header.names)
    if len(row) != wanted:
        error_type = "bad_row" if source.ended or len(row) > wanted else "torn_file"
        raise Broken(error_type, f"the row has {len(row)} fields, where the first has {wanted}")
    if any(_undecoded(value) for value in row):
        raise Broken("bad_encoding", "the row is neither UTF-8 nor UTF-16 with its mark")
    pairs = zip(header.names, row, strict=False)
    return {name: value for name, value in pairs if name and value}


def _undecoded(text: str) -> bool:
    return not text.isascii() and any("\udc80" <= c <= "\udcff" for c in text)


class _Lines:
    """The lines that make up a row, for `csv.reader`, and how far that has come.

    Attributes:
        first, last: the numbers of the first and the last line of this row.
        torn: whether the data ended in the middle of this row.
        ended: whether the last line of this row has an end.
    """

    def __init__(self, stored: Stored, most: int) -> None:
        self.stored = stored
        self.first, self.last = 1, 0
        self.torn, self.ended = False, True
        self._most = most
        self._lines = lines(as_utf8(stored.data), most)
        self._row: list[Line] = []
        self._again: deque[Line] = deque()
        self._times = 0
        self._size = 0

    def begin(self) -> None:
        """A new row begins with the next line."""
        self._row, self._size = [], 0
        self.first = self.last + 1

    def bytes_read(self) -> bytes:
        """This row as it stands in the file, as far as it has been read."""
        return b"".join(line.data for line in self._row)[:KEPT_BYTES]

    def swallowed(self, header: _Header) -> bool:
        """Whether lines of this row but the first are rows themselves: a quote too many took them.

        False from some time on: each time, lines are read again.
        """
        columns = len(header.names)
        if columns < 2 or self._times == MAX_TIMES:
            return False
        for line in self._row[1:]:
            text = line.data.decode("utf-8", "surrogateescape")
            if not line.too_long and text.count(header.delimiter) >= columns - 1:
                try:
                    if len(next(csv.reader([text], delimiter=header.delimiter))) == columns:
                        return True
                except csv.Error:
                    continue
        return False

    def put_back(self) -> None:
        """All lines of this row but the first are to be read again."""
        self._times += 1
        self._again.extendleft(reversed(self._row[1:]))
        del self._row[1:]
        self.last = self.first
        self.torn = False

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._lines, None)
        if line is None:
            self.torn = bool(self._row)
            raise StopIteration
        self.last = line.number
        self.ended = line.data.endswith(b"\n")
        self._row.append(line)
        self._size += len(line.data)
        if self.stored.failure is not None and not (self.ended or self._again):
            self.torn = True
        if line.too_long or self._size > self._most:
            raise too_long("the row", self._most)
        if b"\0" in line.data:
            raise Broken("bad_row", "the row has a zero byte")
        return line.data.decode("utf-8", "surrogateescape")


class _Again:
    """A line that was read already, then what follows it."""

    def __init__(self, first: str, rest: Iterator[str]) -> None:
        self._first: str | None = first
        self._rest = rest

    def __iter__(self) -> _Again:
        return self

    def __next__(self) -> str:
        first, self._first = self._first, None
        return next(self._rest) if first is None else first
