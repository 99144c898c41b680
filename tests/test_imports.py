"""Imports point one way, and what a module may know is kept to those that must."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "pipeline"
MODULES = sorted(PACKAGE.rglob("*.py"))

# What each part may import of the others; the order is the direction.
ALLOWED = {
    "broker": set(),
    "model": set(),
    "samples": set(),
    "similarity": set(),
    "ledger": {"records", "similarity"},
    "leases": {"records"},
    "runners": set(),
    "sources": {"leases", "ledger", "records", "watch"},
    "transforms": {"ledger", "model", "records", "similarity", "watch"},
    "sinks": {"ledger", "leases", "records", "watch"},
    "watch": {"ledger", "records"},
}
# Scores what another part does, and is imported by `make eval-ner` alone.
SCORES = {"model/compare_linking.py": {"transforms"}}
# Known to all: they import nothing of ours but each other.
COMMON = {
    "arguments",
    "avro_bytes",
    "clock",
    "compressed",
    "dead_letters",
    "durable",
    "errors",
    "failpoints",
    "letters",
    "nfkc",
    "option_list",
    "options",
    "patience",
    "records",
    "schemas",
    "version",
}
PUBSUB = {"sources/puller.py", "leases.py", "sender.py"}


def imports(path: Path) -> Iterator[str]:
    """Every module that `path` imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield f"{node.module}"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def part(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.relative_to(PACKAGE).as_posix())
class TestModule:
    def test_imports_point_one_way(self, path: Path) -> None:
        own = part(path)
        if own not in ALLOWED:
            return
        allowed = ALLOWED[own] | SCORES.get(path.relative_to(PACKAGE).as_posix(), set())
        known = {
            name.split(".")[1]
            for name in imports(path)
            if name.startswith("pipeline.") and len(name.split(".")) > 1
        }
        assert known - COMMON - {own} <= allowed

    def test_nothing_imports_cli_or_graph(self, path: Path) -> None:
        name = path.relative_to(PACKAGE).as_posix()
        if name in ("__main__.py", "run.py"):
            return
        assert not {"pipeline.cli", "pipeline.graph"} & set(imports(path))

    def test_only_runners_know_beams_local_runner(self, path: Path) -> None:
        if part(path) == "runners":
            return
        assert not [n for n in imports(path) if n.startswith("apache_beam.runners.direct")]

    def test_only_a_few_know_the_pubsub_client(self, path: Path) -> None:
        if part(path) == "broker" or path.relative_to(PACKAGE).as_posix() in PUBSUB:
            return
        assert not [n for n in imports(path) if n.startswith(("google.cloud", "google.pubsub"))]

    def test_is_of_readable_length(self, path: Path) -> None:
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 420


def test_what_starts_a_run_waits_for_no_large_import() -> None:
    """The parent of all processes; and `--help`."""
    program = (
        "import sys, pipeline.cli, pipeline.launch\n"
        "pipeline.cli.build_parser()\n"
        "print(*{'apache_beam', 'google', 'spacy', 'numpy'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("\n", "")


def test_there_are_modules() -> None:
    assert len(MODULES) > 40
