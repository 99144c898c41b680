"""The commands as a user meets them: exit codes, and what is said in one line."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from apache_beam.options.pipeline_options import DirectOptions
from google.auth import exceptions as auth

import pipeline.launch as launch_module
import pipeline.run as run_module
from pipeline import cli, logs, options
from pipeline.cli import main
from pipeline.errors import Failed, UsageError
from pipeline.launch import check, draining, new_run_id
from pipeline.option_list import defaults
from pipeline.options import ArticleOptions
from pipeline.samples import generate
from pipeline.sender import Outgoing, Sending, publish
from pipeline.watch.summary import Summary
from tests.brokers import embedded_broker
from tests.watch.outputs import make_output

SUBSCRIPTION = "projects/test-project/subscriptions/s"
COMMANDS = ("run", "backfill", "replay", "demo", "broker", "publish", "inspect", "verify")
Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Log lines are another matter, and pytest's handlers are not to be replaced."""
    monkeypatch.setattr(logs, "configure", lambda log_format="text": None)


def said(capsys: Captured, code: int, *command: str | Path) -> str:
    """The one line on standard error with which the command ends with `code`."""
    try:
        ended = main([str(part) for part in command])
    except SystemExit as ending:
        ended = ending.code if isinstance(ending.code, int) else -1
    out, err = capsys.readouterr()
    assert (ended, out, err.count("\n")) == (code, "", 1), err
    return err.rstrip("\n")


def in_run(*more: str) -> list[str]:
    return ["run", "--subscription", SUBSCRIPTION, "--output", "never-made", *more]


class TestUsage:
    @pytest.mark.parametrize(
        ("command", "what"),
        [
            ([], "required: COMMAND"),
            (["frobnicate"], "invalid choice: 'frobnicate'"),
            (["--frobnicate"], "required: COMMAND"),
            (["inspect"], "required: OUTPUT"),
            (["inspect", "x", "--frobnicate"], "unknown argument --frobnicate"),
            (["inspect", "x", "--limit", "0"], "must be at least 1"),
            (["inspect", "x", "--dead_letters", "--duplicates"], "not allowed with"),
            (["inspect", "no/such/folder"], "holds no records"),
            (["verify"], "required: OUTPUT"),
            (["verify", "x", "y"], "unknown argument y"),
            (["verify", "no/such/folder"], "holds no records"),
            (["demo", "--articles", "0"], "must be at least 1"),
            (["demo", "--frobnicate"], "unknown argument"),
            (["broker", "--port", "x"], "invalid int value"),
            (["broker", "--port", "99999"], "from 0 to 65535"),
            (["publish"], "--topic"),
            (["run"], "--subscription projects/P/subscriptions/S is missing"),
            (["run", "--subscription", SUBSCRIPTION], "--output DIR is missing"),
            (["run", "--subscription"], "expected one argument"),
            (["run", "--output", "x"], "--subscription projects/P/subscriptions/S is missing"),
            (in_run("--subscription", "s"), "not of the form projects/PROJECT"),
            (in_run("--subscription", "projects/p/topics/t"), "not of the form"),
            (in_run("--output", "gs://bucket/x"), "only a local folder"),
            (in_run("--runner", "FlinkRunner"), "--runner FlinkRunner is not there yet"),
            (in_run("--runner=DataflowRunner"), "is not there yet: use DirectRunner"),
            (in_run("--frobnicate", "3"), "unknown option --frobnicate"),
            (in_run("--outputs", "x"), "unknown option --outputs"),
            (in_run("stray"), "unknown option stray"),
            (in_run("--direct_num_workers", "x"), "--direct_num_workers: invalid int value: 'x'"),
            (in_run("--direct_num_workers"), "--direct_num_workers: expected one argument"),
            (in_run("--codec", "bzip2"), "invalid choice: 'bzip2'"),
            (in_run("--roll_records", "0"), "must be at least 1"),
            (in_run("--roll_records", "x"), "invalid int value: 'x'"),
            (in_run("--roll_seconds", "-1"), "must be above 0"),
            (in_run("--roll_seconds", "nan"), "must be above 0"),
            (in_run("--max_messages", "0"), "must be at least 1"),
            (in_run("--processes", "x"), "neither auto nor a number"),
            (in_run("--processes", "0"), "neither auto nor a number"),
            (in_run("--state", "redis://:pw@host/x"), "not of the form redis://[USER:PASSWORD@]HOST"),
            (in_run("--state", "file:///x"), "neither sqlite:///PATH, redis://HOST nor memory://"),
            (in_run("--state", "sqlite:///"), "neither sqlite:///PATH, redis://HOST nor memory"),
            (in_run("--log_format", "xml"), "invalid choice: 'xml'"),
            (in_run("--attributes_as", "rows"), "invalid choice: 'rows'"),
            (in_run("--tag_rules", "no/such.yaml"), "no/such.yaml: cannot be read"),
            (
                in_run("--spacy_model", "en_no_such_model"),
                "run `python -m spacy download en_no_such_model`",
            ),
            (in_run("--spacy_model", "no/such/model"), "there is no spaCy model at"),
            (
                in_run("--spacy_model", "de=de_no_such_model", "--processes", "2"),
                "run `python -m spacy download de_no_such_model`",
            ),
            (in_run("--spacy_model", "dk=x"), "'dk' is no language that is told apart"),
        ],
    )  # fmt: skip
    def test_is_one_line_and_two(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured,
        command: Sequence[str], what: str,
    ) -> None:  # fmt: skip
        monkeypatch.chdir(tmp_path)
        assert what in said(capsys, 2, *command)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("processes", ["1", "2"])
    def test_rules_that_are_wrong_name_their_line(
        self, tmp_path: Path, capsys: Captured, processes: str
    ) -> None:
        rules = tmp_path / "rules.yaml"
        rules.write_text("rules:\n  - name: one\n    any: [a]\n  - nome: two\n")
        command = in_run("--tag_rules", str(rules), "--processes", processes)
        assert f"{rules}, line 4: " in said(capsys, 2, *command)

    def test_what_is_not_yaml(self, tmp_path: Path, capsys: Captured) -> None:
        rules = tmp_path / "rules.yaml"
        rules.write_text("rules:\n  - [")
        assert "is not YAML" in said(capsys, 2, *in_run("--tag_rules", str(rules)))

    @pytest.mark.parametrize("name", cli.NOT_YET)
    @pytest.mark.parametrize("more", [[], ["--help"], ["x", "--topic", "t"], ["--input", "a", "b"]])
    def test_what_is_not_there_yet(self, capsys: Captured, name: str, more: list[str]) -> None:
        assert said(capsys, 2, name, *more) == (
            f"{name}: not there yet: it comes in a later version"
        )

    def test_it_points_to_the_help_that_is_there(self, capsys: Captured) -> None:
        assert said(capsys, 2, "run").endswith("(see article-pipeline run --help)")

    def test_what_it_quotes_stays_on_the_line(self, capsys: Captured) -> None:
        said(capsys, 2, "inspect", "a\nb\n\nc")

    def test_as_a_process(self) -> None:
        ended = subprocess.run(
            [sys.executable, "-m", "pipeline", "run", "--output", "x"],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (2, "", 1)


class TestHelp:
    def test_of_all(self, capsys: Captured) -> None:
        with pytest.raises(SystemExit) as ending:
            main(["--help"])
        assert ending.value.code == 0
        text = capsys.readouterr().out
        assert all(f"\n    {name} " in text for name in (*COMMANDS, *cli.NOT_YET))

    @pytest.mark.parametrize("name", COMMANDS)
    def test_of_each_has_an_example(self, capsys: Captured, name: str) -> None:
        with pytest.raises(SystemExit) as ending:
            main([name, "--help"])
        assert ending.value.code == 0
        assert f"example: article-pipeline {name}" in capsys.readouterr().out

    def test_version(self, capsys: Captured) -> None:
        with pytest.raises(SystemExit) as ending:
            main(["--version"])
        assert ending.value.code == 0
        assert capsys.readouterr().out.startswith("article-pipeline ")


class TestOptions:
    def test_every_option_has_help_and_says_its_default(self) -> None:
        parser = argparse.ArgumentParser(add_help=False)
        options.add_all(parser)
        for action in parser._actions:
            assert action.help, action.dest
            if action.default not in (None, False):
                assert "%(default)s" in action.help, action.dest

    def test_defaults_are_those_of_the_design(self) -> None:
        given = ArticleOptions([])
        assert given.dedup_ttl_days == 7
        assert given.state is None
        assert given.log_format == "text"
        assert not given.no_entities
        assert not given.no_progress
        limits = {
            "max_message_bytes": 10_000_000,
            "max_expanded_bytes": 50_000_000,
            "max_expansion_ratio": 200,
            "max_json_depth": 64,
            "max_text_chars": 1_000_000,
            "max_html_bytes": 10_000_000,
            "max_attempts": 3,
        }
        assert {name: getattr(given, name) for name in limits} == limits

    @pytest.mark.parametrize(
        "flags",
        [
            [], ["--direct_num_workers", "1"], ["--direct_num_workers=1"], ["--save_main_session"],
            ["--job_name", "x"], ["--codec", "null"], ["--experiments", "a", "--experiments=b"],
        ],
    )  # fmt: skip
    def test_beams_own_and_ours_are_known(self, flags: list[str]) -> None:
        assert options.unknown_flags(flags) == []

    def test_others_are_not(self) -> None:
        assert options.unknown_flags(["--codec", "null", "--x=1", "--y", "2"]) == [
            "--x=1", "--y", "2",
        ]  # fmt: skip

    def test_the_check_takes_what_is_right(self) -> None:
        check({**defaults(), "subscription": SUBSCRIPTION, "output": "x"})

    def test_run_ids_differ(self) -> None:
        assert len({new_run_id() for _ in range(100)}) == 100


class TestRun:
    """With a run that is not one."""

    @pytest.fixture
    def given(self, monkeypatch: pytest.MonkeyPatch) -> list[ArticleOptions]:
        seen: list[ArticleOptions] = []

        def launch(given: Mapping[str, Any], flags: Sequence[str], **hooks: Any) -> Summary:
            one = options.options_of({**defaults(), **given}, flags)
            seen.append(one)
            if one.run_id == "failed":
                raise Failed("it\nfailed")
            if one.run_id == "interrupted":
                raise KeyboardInterrupt
            ends = 2 if one.run_id == "sound" else 1
            return Summary({"messages_received": 2, "articles_written": ends})

        monkeypatch.setattr(launch_module, "launch", launch)
        return seen

    def test_options_arrive(self, given: list[ArticleOptions]) -> None:
        flags = ["--direct_num_workers", "3", "--roll_records", "7", "--run_id", "sound"]
        assert main(in_run(*flags)) == 0
        (one,) = given
        assert one.view_as(DirectOptions).direct_num_workers == 3
        assert (one.roll_records, one.subscription, one.output) == (7, SUBSCRIPTION, "never-made")

    def test_it_says_what_it_did(self, given: list[ArticleOptions], capsys: Captured) -> None:
        assert main(in_run("--run_id", "sound")) == 0
        assert capsys.readouterr().out == (
            "2 messages: 2 articles, 0 duplicates, 0 dead letters, 0 redelivered\n"
        )

    def test_a_sum_that_is_wrong(self, given: list[ArticleOptions], capsys: Captured) -> None:
        assert main(in_run("--run_id", "wrong")) == 1
        assert "the sum is wrong: 2 messages received, 1 accounted for" in capsys.readouterr().err

    def test_a_failure(self, given: list[ArticleOptions], capsys: Captured) -> None:
        assert said(capsys, 1, *in_run("--run_id", "failed")) == "run: it failed"

    def test_an_interruption(self, given: list[ArticleOptions], capsys: Captured) -> None:
        assert said(capsys, 1, *in_run("--run_id", "interrupted")) == "run: interrupted"


@pytest.fixture(scope="module")
def broker() -> Iterator[str]:
    with embedded_broker() as address:
        yield address


class TestFailures:
    @pytest.fixture(autouse=True)
    def emulator(self, broker: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", broker)

    def command(self, output: Path, *more: str) -> list[str]:
        return ["run", "--subscription", SUBSCRIPTION, "--output", str(output),
                "--no_entities", "--processes", "1", *more]  # fmt: skip

    @pytest.mark.parametrize("processes", ["1", "2"])
    def test_no_subscription(self, tmp_path: Path, capsys: Captured, processes: str) -> None:
        command = self.command(tmp_path, "--processes", processes)
        assert f"{SUBSCRIPTION} cannot be read: " in said(capsys, 1, *command)

    def test_a_file_in_the_place_of_the_output(self, tmp_path: Path, capsys: Captured) -> None:
        file = tmp_path / "file"
        file.write_text("not ours")
        assert f"{file} is a file, where a folder" in said(capsys, 2, *self.command(file))
        assert file.read_text() == "not ours"

    def test_a_file_above_the_output(self, tmp_path: Path, capsys: Captured) -> None:
        file = tmp_path / "file"
        file.write_text("not ours")
        output = file / "output"
        assert f"{output}: {file} is a file" in said(capsys, 2, *self.command(output))

    def test_a_state_that_is_no_ledger(self, tmp_path: Path, capsys: Captured) -> None:
        state = tmp_path / "state"
        state.write_bytes(b"no database " * 1000)
        command = self.command(tmp_path / "output", "--state", f"sqlite:///{state}")
        assert str(state) in said(capsys, 1, *command)

    def test_no_credentials(
        self, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def none(subscription: str) -> None:
            raise auth.DefaultCredentialsError("Your default credentials were not found.")

        monkeypatch.setattr(run_module, "leases_of", none)
        line = said(capsys, 1, *self.command(tmp_path))
        assert "gcloud auth application-default login" in line
        assert "PUBSUB_EMULATOR_HOST" in line

    def test_a_port_that_is_taken(self, broker: str, capsys: Captured) -> None:
        host, port = broker.split(":")
        assert port in said(capsys, 1, "broker", "--host", host, "--port", port)


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_run_and_its_log(tmp_path: Path, broker: str, log_format: str) -> None:
    environment = {**os.environ, "PUBSUB_EMULATOR_HOST": broker}
    name = f"t{uuid.uuid4().hex[:8]}"
    topic, subscription = (
        f"projects/test-project/{what}/{name}" for what in ("topics", "subscriptions")
    )
    os.environ["PUBSUB_EMULATOR_HOST"] = broker
    try:
        messages = [Outgoing(one.data, one.attributes, one.kind) for one in generate(5)]
        publish(topic, messages, sending=Sending(create=True, subscription=subscription))
    finally:
        del os.environ["PUBSUB_EMULATOR_HOST"]
    ended = subprocess.run(
        [
            sys.executable, "-m", "pipeline", "run", "--subscription", subscription,
            "--output", str(tmp_path / "output"), "--max_messages", "5", "--no_entities",
            "--processes", "1", "--log_format", log_format, "--direct_num_workers", "1",
        ],
        env=environment, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("5 messages: ")
    lines = ended.stderr.splitlines()
    assert any("running on StreamingDirectRunner" in line for line in lines)
    if log_format == "json":
        assert {"time", "level", "logger", "message"} <= set.intersection(
            *(set(json.loads(line)) for line in lines)
        )


class TestDraining:
    def test_handlers_are_put_back(self) -> None:
        import signal

        before = signal.getsignal(signal.SIGTERM)
        asked = []
        with draining(lambda: asked.append(1), timeout=60.0):
            assert signal.getsignal(signal.SIGTERM) is not before
            signal.raise_signal(signal.SIGTERM)
        assert asked == [1]
        assert signal.getsignal(signal.SIGTERM) is before


def test_interrupting_an_audit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    make_output(tmp_path)

    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("pipeline.watch.verify.verify", interrupted)
    assert said(capsys, 1, "verify", tmp_path) == "verify: interrupted"


def test_usage_errors_are_value_errors() -> None:
    assert issubclass(UsageError, ValueError)
