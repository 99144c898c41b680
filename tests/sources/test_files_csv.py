"""CSV as programs write it, and as it should not be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.sources.made_files import entries, objects, problems, stored


def read(folder: Path, data: bytes | str, name: str = "a.csv", **options: Any) -> list[Any]:
    return entries(
        stored(folder, name, data.encode() if isinstance(data, str) else data), **options
    )


class TestRows:
    def test_under_the_names_of_the_first_row(self, tmp_path: Path) -> None:
        found = read(tmp_path, "title,body,\r\nA,B,C\r\n")
        # A column without a name has nothing to stand under.
        assert objects(found) == [{"title": "A", "body": "B"}]
        assert found[0].message.attributes["source_position"] == "line 2"
        assert found[0].message.attributes["content_type"] == "application/json"

    def test_a_text_over_several_lines(self, tmp_path: Path) -> None:
        found = read(tmp_path, 'title,body\nA,"One ""said"",\n\nTwo"\nB,C\n')
        assert objects(found) == [
            {"title": "A", "body": 'One "said",\n\nTwo'},
            {"title": "B", "body": "C"},
        ]
        assert [e.message.attributes["source_position"] for e in found] == ["line 2", "line 5"]

    def test_blank_lines(self, tmp_path: Path) -> None:
        assert objects(read(tmp_path, "\n\na,b\n\n1,2\n\n")) == [{"a": "1", "b": "2"}]

    def test_a_last_line_without_end(self, tmp_path: Path) -> None:
        assert objects(read(tmp_path, "a,b\n1,2")) == [{"a": "1", "b": "2"}]

    def test_only_the_names(self, tmp_path: Path) -> None:
        assert read(tmp_path, "a,b\n") == []

    @pytest.mark.parametrize("sign", [",", ";", "\t", "|"])
    def test_what_parts_the_fields(self, sign: str, tmp_path: Path) -> None:
        found = read(
            tmp_path,
            f'title{sign}body{sign}"a,;|b"\nA{sign}B, and more{sign}\n'.replace(
                "B, and more", '"B, and; more"'
            ),
        )
        assert objects(found) == [{"title": "A", "body": "B, and; more"}]

    def test_tabs_in_tsv_alone(self, tmp_path: Path) -> None:
        assert objects(read(tmp_path, "a,x\tb\n1,2\t3\n", "a.tsv")) == [{"a,x": "1,2", "b": "3"}]

    @pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
    def test_encodings(self, encoding: str, tmp_path: Path) -> None:
        assert objects(read(tmp_path, "é,b\n1,😀\n".encode(encoding))) == [{"é": "1", "b": "😀"}]

    def test_a_text_longer_than_the_default_of_the_library(self, tmp_path: Path) -> None:
        assert objects(read(tmp_path, f"a,b\n1,{'x' * 500_000}\n"))[0]["b"] == "x" * 500_000


class TestColumns:
    def test_chosen_ones(self, tmp_path: Path) -> None:
        columns = {"title": "Überschrift", "body": "Text 1"}
        found = read(tmp_path, "Überschrift,Text 1,url\nA,B,C\n", csv_columns=columns)
        assert objects(found) == [{"title": "A", "body": "B", "url": "C"}]

    def test_a_chosen_one_goes_before_one_of_that_name(self, tmp_path: Path) -> None:
        found = read(tmp_path, "body,full\nA,B\n", csv_columns={"body": "full"})
        assert objects(found) == [{"body": "B"}]

    def test_one_that_is_missing(self, tmp_path: Path) -> None:
        (entry,) = read(tmp_path, "body,full\nA,B\n", csv_columns={"body": "ful"})
        assert entry.problem is not None
        assert entry.problem.error_type == "unreadable_file"
        assert "'ful'" in entry.problem.text
        assert "--csv_columns" in entry.problem.text

    def test_a_name_twice(self, tmp_path: Path) -> None:
        assert problems(read(tmp_path, "a,b,a\n1,2,3\n")) == ["unreadable_file"]

    def test_too_many(self, tmp_path: Path) -> None:
        names = ",".join(f"c{n}" for n in range(11))
        assert problems(read(tmp_path, names + "\n", max_columns=10)) == ["too_large"]

    def test_names_in_no_encoding(self, tmp_path: Path) -> None:
        assert problems(read(tmp_path, b"caf\xe9,b\n1,2\n")) == ["bad_encoding"]


class TestBadRows:
    @pytest.mark.parametrize("row", ["1", "1,2,3", '"1"x,2,3'])
    def test_another_number_of_fields(self, row: str, tmp_path: Path) -> None:
        found = read(tmp_path, f"a,b\n1,2\n{row}\n3,4\n")
        assert problems(found) == ["bad_row"]
        assert found[1].message.data == row.encode() + b"\n"
        assert found[1].problem.text.startswith("line 3 of ")
        assert objects(found) == [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]

    def test_torn_in_a_row(self, tmp_path: Path) -> None:
        found = read(tmp_path, "a,b\n1,2\n3")
        assert problems(found) == ["torn_file"]
        assert objects(found) == [{"a": "1", "b": "2"}]

    def test_torn_in_a_text_over_several_lines(self, tmp_path: Path) -> None:
        found = read(tmp_path, 'a,b\n1,2\n3,"One,\n\nTwo\n')
        assert problems(found) == ["torn_file"]
        assert found[-1].message.data == b'3,"One,\n\nTwo\n'
        assert found[-1].message.attributes["source_position"] == "line 3"

    def test_a_quote_too_many_spoils_its_own_row_alone(self, tmp_path: Path) -> None:
        found = read(tmp_path, 'a,b\n1,2\n3,"4\n5,6\n7,8\n')
        assert problems(found) == ["bad_row"]
        assert found[1].message.data == b'3,"4\n'
        assert objects(found) == [{"a": n, "b": str(int(n) + 1)} for n in "157"]

    def test_and_where_the_row_would_be_too_long(self, tmp_path: Path) -> None:
        rows = "".join(f"{n},x\n" for n in range(1_000))
        found = read(tmp_path, f'a,b\n0,"x\n{rows}', max_message_bytes=500)
        assert problems(found) == ["bad_row"]
        assert len(objects(found)) == 1_000

    def test_a_row_too_long(self, tmp_path: Path) -> None:
        found = read(tmp_path, f"a,b\n1,{'x' * 500}\n3,4\n", max_message_bytes=500)
        assert problems(found) == ["too_large"]
        assert objects(found) == [{"a": "3", "b": "4"}]

    def test_a_text_too_long_over_several_lines(self, tmp_path: Path) -> None:
        text = "\n".join(["many words"] * 100)
        found = read(tmp_path, f'a,b\n1,"{text}"\n3,4\n', max_message_bytes=500)
        # What is left of the text is then read as rows, and is none.
        assert problems(found)[0] == "too_large"
        assert set(problems(found)[1:]) <= {"bad_row"}
        assert objects(found)[-1:] in ([{"a": "3", "b": "4"}], [])

    def test_a_zero_byte(self, tmp_path: Path) -> None:
        found = read(tmp_path, b"a,b\n1,\0\n3,4\n")
        assert problems(found) == ["bad_row"]
        assert objects(found) == [{"a": "3", "b": "4"}]

    def test_reading_again_ends(self, tmp_path: Path) -> None:
        """A file in which each line could be the beginning of a row that never ends."""
        found = read(tmp_path, "a,b\n" + 'x"y,"z\n' * 3_000, max_message_bytes=2_000)
        assert set(problems(found)) <= {"bad_row", "too_large", "torn_file"}
        assert len(found) < 3_000
