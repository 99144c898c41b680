"""The README's commands, as they stand."""

from __future__ import annotations

import argparse
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.cli import build_parser
from pipeline.transforms.rule_file import parse_rules

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.M | re.S)


def block(language: str, containing: str) -> str:
    (found,) = (text for name, text in BLOCKS if name == language and containing in text)
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_streaming_and_reading_the_records(tmp_path: Path) -> None:
    """The commands under "Stream", then the program under "The records"."""
    commands = block("sh", "article-pipeline run").replace("8085", str(free_port()))
    environment = {
        **os.environ,
        # The console script stands beside the interpreter.
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    environment.pop("PUBSUB_EMULATOR_HOST", None)
    shell = subprocess.Popen(
        ["bash", "-euxo", "pipefail", "-c", commands],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        # The broker keeps the pipe open: what is said is read until the audit.
        said = []
        assert shell.stdout is not None
        for line in shell.stdout:
            said.append(line)
            if line.startswith(("sound:", "NOT SOUND")):
                break
        assert shell.wait(60) == 0, "".join(said)
    finally:
        os.killpg(shell.pid, signal.SIGTERM)
    assert "500 messages published" in "".join(said)
    assert "500 messages: 450 articles, 35 duplicates, 15 dead letters" in "".join(said)
    assert said[-1].startswith("sound: 450 articles, 35 duplicates, 15 dead_letters")
    program = block("python", "fastavro")
    read = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert read.returncode == 0, read.stderr
    assert read.stdout.count("\n") == 450


@pytest.mark.parametrize(
    "line",
    [
        line
        for name, text in BLOCKS
        if name == "sh"
        for line in text.splitlines()
        if line.startswith("article-pipeline") and "$" not in line
    ],
)
def test_every_command_is_one(line: str) -> None:
    command, _, _ = line.removesuffix("&").partition("|")
    build_parser().parse_args(shlex.split(command)[1:])


def test_the_rule_file() -> None:
    rules = parse_rules(block("yaml", "- name:").encode(), "README.md")
    assert [rule.name for rule in rules] == ["pipelines"]


def test_one_article_in_its_tags_out(tmp_path: Path) -> None:
    (tmp_path / "article.json").write_text(block("json", "articleBody"), encoding="utf-8")
    (tmp_path / "rules.yaml").write_text(block("yaml", "- name:"), encoding="utf-8")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block("sh", "inspect try --why")],
        cwd=tmp_path,
        env={**os.environ, "PATH": path, "COLUMNS": "132"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    shown = block("text", "the story").rstrip("\n")
    assert without_versions(done.stdout)[-len(without_versions(shown)) :] == without_versions(shown)


def without_versions(shown: str) -> list[str]:
    """The lines as they read, but for the versions of tables: those change with every name."""
    return " ".join(re.sub(r"\b\d-[0-9a-f]{8}\b", "", line) for line in shown.split("\n")).split()


@pytest.mark.parametrize("option", sorted(set(re.findall(r"`(--\w+)", README))))
def test_every_option_named_is_there(option: str) -> None:
    commands = next(a for a in build_parser()._actions if isinstance(a, argparse._SubParsersAction))
    known = {flag for one in commands.choices.values() for flag in one._option_string_actions}
    assert option in known


def test_every_file_named_is_there() -> None:
    root = Path(__file__).parents[1]
    for name in re.findall(r"`((?:pipeline|tests|schemas)/[\w./*]+)`", README):
        assert list(root.glob(name)), name
