from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import fastavro
import pipeline.schemas as schemas
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.cli import main
from pipeline.errors import UsageError
from pipeline.ledger import Ledger, default_uri, open_ledger
from pipeline.option_list import CODECS
from pipeline.sinks.files import Form, write_durably
from pipeline.watch import verify as module
from pipeline.watch.verify import Audit, verify
from tests.articles import NOON, article
from tests.watch.outputs import DAY, encoded, make_output, some, write

SOUND = {"articles": 3, "duplicates": 1, "dead_letters": 1}


def only(audit: Audit) -> str:
    """The one thing found."""
    assert len(audit.findings) == 1, audit.findings
    return audit.findings[0]


class TestSound:
    @pytest.mark.parametrize("codec", CODECS)
    @pytest.mark.parametrize("pairs", [False, True], ids=["map", "pairs"])
    def test_every_form(self, tmp_path: Path, codec: str, pairs: bool) -> None:
        make_output(tmp_path, Form(codec, pairs=pairs))
        assert verify(tmp_path) == Audit(counts=SOUND, files=3)

    def test_state_elsewhere(self, tmp_path: Path) -> None:
        state = f"sqlite:///{tmp_path / 'elsewhere.sqlite3'}"
        make_output(tmp_path / "output", state=state)
        assert verify(tmp_path / "output", state) == Audit(counts=SOUND, files=3)

    def test_one_id_with_two_times_is_two_messages(self, tmp_path: Path) -> None:
        later = NOON + dt.timedelta(microseconds=1)
        write(tmp_path, "articles", [encoded(article("m"))])
        write(tmp_path, "articles", [encoded(article("m", publish_time=later))])
        audit = verify(tmp_path)
        assert audit.sound
        assert audit.counts["articles"] == 2

    def test_no_ledger_is_a_note(self, tmp_path: Path) -> None:
        path = write_durably(
            tmp_path, f"articles/{DAY}/part-1.avro", [some("articles", "m")[0].avro],
            Form("null"), owner="o",
        )  # fmt: skip
        assert path
        audit = verify(tmp_path)
        assert audit.sound
        assert audit.notes == [f"no ledger at {default_uri(tmp_path)}: only the files were audited"]
        assert not (tmp_path / "_state").exists()

    def test_an_open_intent_with_its_file_is_a_note(self, tmp_path: Path) -> None:
        make_output(tmp_path)
        name = f"articles/{DAY}/part-0.avro"
        (one,) = some("articles", "m")
        ledger = open_ledger(default_uri(tmp_path), tmp_path)
        try:
            ledger.begin("articles", [(one.key, "m")], lambda keys: name)
            write_durably(tmp_path, name, [one.avro], Form("null"), owner=ledger.owner)
            audit = verify(tmp_path)
        finally:
            ledger.close()
        assert audit.sound
        assert audit.notes == [f"{name} is written and not committed yet: the next run does that"]

    def test_files_that_a_run_adds_meanwhile(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make_output(tmp_path)
        late: list[Path] = []

        def opened(uri: str, root: Path, **how: bool) -> Ledger:
            if not late:
                late.append(write(root, "articles", some("articles", "late")))
            return open_ledger(uri, root, **how)

        monkeypatch.setattr(module, "open_ledger", opened)
        audit = verify(tmp_path)
        assert audit.findings == []
        assert audit.counts["articles"] == 4

    def test_an_intent_that_is_committed_meanwhile(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make_output(tmp_path)
        name = f"articles/{DAY}/part-0.avro"
        (one,) = some("articles", "m")
        run = open_ledger(default_uri(tmp_path), tmp_path)
        intent = run.begin("articles", [(one.key, "m")], lambda keys: name)
        write_durably(tmp_path, name, [one.avro], Form("null"), owner=run.owner)

        def opened(uri: str, root: Path, **how: bool) -> Ledger:
            ledger = open_ledger(uri, root, **how)
            files, intents = ledger.committed_files, ledger.open_intents

            def after(read: Any) -> Any:
                found = read()
                run.commit(intent)
                return found

            monkeypatch.setattr(ledger, "committed_files", lambda: after(files))
            monkeypatch.setattr(ledger, "open_intents", lambda: after(intents))
            return ledger

        monkeypatch.setattr(module, "open_ledger", opened)
        try:
            assert verify(tmp_path).findings == []
        finally:
            run.close()


class TestWrong:
    def test_a_truncated_file(self, tmp_path: Path) -> None:
        path = make_output(tmp_path)["articles"]
        path.write_bytes(path.read_bytes()[:-20])
        first, second = verify(tmp_path).findings[:2]
        assert first.startswith(f"articles/{DAY}/{path.name} cannot be read: ValueError: it ends")
        assert "is committed in articles/" in second

    @pytest.mark.parametrize("codec", CODECS)
    def test_cut_off_anywhere(self, tmp_path: Path, codec: str) -> None:
        path = make_output(tmp_path, Form(codec))["dead_letters"]
        whole = path.read_bytes()
        for size in [*range(0, len(whole) - 300, 97), *range(len(whole) - 300, len(whole), 7)]:
            path.write_bytes(whole[:size])
            assert not verify(tmp_path).sound, size

    @pytest.mark.parametrize("codec", ["snappy", "zstandard", "deflate"])
    def test_a_flipped_byte_in_the_data(self, tmp_path: Path, codec: str) -> None:
        path = make_output(tmp_path, Form(codec))["articles"]
        damaged = bytearray(path.read_bytes())
        damaged[-30] ^= 0xFF
        path.write_bytes(damaged)
        assert f"{path.name} cannot be read" in verify(tmp_path).findings[0]

    @pytest.mark.parametrize("content", [b"", b"Obj", b"no Avro at all", b"Obj\x01" + b"\xff" * 99])
    def test_what_is_no_avro(self, tmp_path: Path, content: bytes) -> None:
        make_output(tmp_path)
        (tmp_path / f"articles/{DAY}/part-x.avro").write_bytes(content)
        assert (
            verify(tmp_path)
            .findings[0]
            .startswith(f"articles/{DAY}/part-x.avro cannot be read: ValueError: ")
        )

    def test_a_folder_in_the_place_of_a_file(self, tmp_path: Path) -> None:
        make_output(tmp_path)
        (tmp_path / f"articles/{DAY}/part-x.avro").mkdir()
        assert "part-x.avro cannot be read: IsADirectoryError" in verify(tmp_path).findings[0]

    def test_a_message_in_two_files(self, tmp_path: Path) -> None:
        make_output(tmp_path)
        name = f"dead_letters/{DAY}/part-0.avro"
        (one,) = some("dead_letters", "a1")
        write_durably(tmp_path, name, [one.avro], Form("null"), owner="o")
        twice, unknown = verify(tmp_path).findings
        assert twice.startswith(f"message {one.key} is twice: in articles/{DAY}/part-")
        assert twice.endswith(f" and in {name}")
        assert unknown == f"{name} is not in the ledger"

    def test_a_message_twice_in_one_file(self, tmp_path: Path) -> None:
        name = f"articles/{DAY}/part-0.avro"
        (one,) = some("articles", "m")
        write_durably(tmp_path, name, [one.avro] * 2, Form("null"), owner="o")
        assert only(verify(tmp_path)) == f"message {one.key} is twice: in {name} and in {name}"

    def test_a_committed_file_deleted(self, tmp_path: Path) -> None:
        path = make_output(tmp_path)["articles"]
        path.unlink()
        name = path.relative_to(tmp_path)
        assert only(verify(tmp_path)) == f"{name} is committed in the ledger and is not there"

    def test_one_record_fewer(self, tmp_path: Path) -> None:
        path = make_output(tmp_path)["articles"]
        name = path.relative_to(tmp_path).as_posix()
        records = some("articles", "a1", "a2", "a3")
        write_durably(tmp_path, name, [one.avro for one in records[:2]], Form("null"), owner="o")
        assert verify(tmp_path).findings == [
            f"message {records[2].key} is committed in {name} and is not in that file",
            f"{name} holds 2 messages, its commit says 3, the ledger knows 3 of them",
        ]

    def test_a_file_of_another_kind(self, tmp_path: Path) -> None:
        files = make_output(tmp_path)
        files["articles"].write_bytes(files["dead_letters"].read_bytes())
        assert "cannot be read: SchemaResolutionError" in verify(tmp_path).findings[0]

    @pytest.mark.parametrize(
        "schema",
        ["string", ["null", "string"], {"type": "record", "name": "R", "fields": []},
         {"type": "array", "items": "null"}],
    )  # fmt: skip
    def test_a_schema_that_is_none_of_ours(self, tmp_path: Path, schema: Any) -> None:
        folder = tmp_path / "articles" / DAY
        folder.mkdir(parents=True)
        with (folder / "part-x.avro").open("wb") as file:
            fastavro.writer(file, schema, [])
        assert "part-x.avro cannot be read: " in only(verify(tmp_path))

    def test_a_ledger_that_is_none(self, tmp_path: Path) -> None:
        make_output(tmp_path)
        (tmp_path / "_state/ledger.sqlite3").write_bytes(b"no database" * 1000)
        finding = only(verify(tmp_path))
        assert "is damaged (file is not a database): rebuild it" in finding
        assert finding.endswith(f"`article-pipeline verify {tmp_path} --rebuild_ledger`")

    def test_a_ledger_that_is_empty(self, tmp_path: Path) -> None:
        make_output(tmp_path)
        (tmp_path / "_state/ledger.sqlite3").write_bytes(b"")
        assert "is empty: rebuild it" in only(verify(tmp_path))

    def test_a_ledger_that_is_damaged_deep_inside(self, tmp_path: Path) -> None:
        make_output(tmp_path)
        ledger = tmp_path / "_state/ledger.sqlite3"
        content = bytearray(ledger.read_bytes())
        # The last page, of an index or a table, whichever it is.
        content[-4096:] = bytes(4096)
        ledger.write_bytes(content)
        audit = verify(tmp_path)
        assert "is damaged" in audit.findings[0]
        assert "--rebuild_ledger" in "".join((*audit.findings, *audit.notes))

    @pytest.mark.parametrize(
        "state", ["memory://", "redis://127.0.0.1:1", "sqlite:////nowhere/at/all"]
    )
    def test_a_state_that_is_not_there(self, tmp_path: Path, state: str) -> None:
        make_output(tmp_path)
        with pytest.raises(UsageError, match="--state"):
            verify(tmp_path, state)

    def test_findings_are_bounded(self) -> None:
        audit = Audit()
        for n in range(module.MAX_FINDINGS + 5):
            audit.find(str(n))
        assert (len(audit.findings), audit.left_out) == (module.MAX_FINDINGS, 5)


@pytest.fixture(scope="module", params=CODECS)
def reused(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("output")
    path = make_output(root, Form(request.param))["articles"]
    (root / "whole").write_bytes(path.read_bytes())
    return path


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_bytes_are_wrong_the_audit_ends_with_its_answer(
    reused: Path, data: st.DataObject
) -> None:
    root = reused.parents[2]
    damaged = bytearray((root / "whole").read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        # The end, with the data, as often as the header, most of which is schema.
        at = data.draw(st.integers(0, len(damaged) - 1) | st.integers(-400, -1))
        damaged[at] = data.draw(st.integers(0, 255))
    reused.write_bytes(damaged)
    audit = verify(root)
    assert audit.files == 3
    assert audit.counts["duplicates"] == 1


@pytest.mark.parametrize("instead", [b"timestamp-micrXs", b"local-timestamp-"])
def test_a_schema_whose_times_are_none(tmp_path: Path, instead: bytes) -> None:
    path = make_output(tmp_path)["articles"]
    path.write_bytes(path.read_bytes().replace(b"timestamp-micros", instead))
    (finding, *_) = verify(tmp_path).findings
    assert path.name in finding
    assert "not a time in UTC" in finding


class TestCommand:
    def test_sound(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        make_output(tmp_path)
        assert main(["verify", str(tmp_path)]) == 0
        assert capsys.readouterr().out == (
            "sound: 3 articles, 1 duplicates, 1 dead_letters in 3 files\n"
        )

    def test_not_sound(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        make_output(tmp_path)["articles"].unlink()
        assert main(["verify", str(tmp_path)]) == 1
        finding, verdict = capsys.readouterr().out.splitlines()
        assert finding.endswith("is committed in the ledger and is not there")
        assert verdict == "NOT SOUND: 0 articles, 1 duplicates, 1 dead_letters in 2 files"

    def test_json(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        make_output(tmp_path)["articles"].unlink()
        assert main(["verify", "--json", str(tmp_path)]) == 1
        audit = json.loads(capsys.readouterr().out)
        assert audit["sound"] is False
        assert audit["counts"] == {**SOUND, "articles": 0}
        assert len(audit["findings"]) == 1
        assert audit["notes"] == []

    def test_no_output(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["verify", str(tmp_path)]) == 2
        assert capsys.readouterr().err.count("\n") == 1

    def test_a_message_id_that_would_steer_the_terminal(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (one,) = some("articles", "\x1b[2J\nm")
        name = f"articles/{DAY}/part-0.avro"
        write_durably(tmp_path, name, [one.avro] * 2, Form("null"), owner="o")
        assert main(["verify", str(tmp_path)]) == 1
        out = capsys.readouterr().out
        assert "\x1b" not in out
        assert len(out.splitlines()) == 3


def test_all_kinds_are_audited() -> None:
    assert set(Audit().counts) == set(schemas.KINDS)
