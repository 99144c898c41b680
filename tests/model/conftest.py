"""The tiny corpus of our own, unpacked as the training command expects it."""

import gzip
import pathlib

import pytest

from pipeline.model.corpus import Chunk, parse_line

TINY = pathlib.Path(__file__).parent / "data" / "tiny.jsonl"
DEV_LINES = 6


@pytest.fixture(scope="session")
def tiny_lines() -> list[str]:
    return TINY.read_text(encoding="utf-8").splitlines(keepends=True)


@pytest.fixture(scope="session")
def tiny_chunks(tiny_lines: list[str]) -> list[Chunk]:
    return [parse_line(line, f"tiny:{n}") for n, line in enumerate(tiny_lines, 1)]


@pytest.fixture
def tiny_data(tmp_path: pathlib.Path, tiny_lines: list[str]) -> pathlib.Path:
    """A folder with ``train.jsonl.gz`` and ``dev.jsonl.gz``."""
    folder = tmp_path / "ner"
    folder.mkdir()
    parts = {"train": tiny_lines[:-DEV_LINES], "dev": tiny_lines[-DEV_LINES:]}
    for name, lines in parts.items():
        with gzip.open(folder / f"{name}.jsonl.gz", "wt", encoding="utf-8") as out:
            out.writelines(lines)
    return folder
