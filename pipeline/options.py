"""Every option of ours, once; the rest are Beam's own.

A transform reads what it needs in its `from_options` and takes plain arguments below that.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from apache_beam.options.pipeline_options import PipelineOptions, _BeamArgumentParser

from pipeline.arguments import positive_float, positive_int
from pipeline.errors import UsageError

CODECS = ("null", "deflate", "snappy", "zstandard")
MB = 1_000_000


class ArticleOptions(PipelineOptions):
    """The options of `run`."""

    @classmethod
    def _add_argparse_args(cls, parser: argparse.ArgumentParser) -> None:
        add_all(parser)


def add_all(parser: argparse.ArgumentParser) -> None:
    """Adds every option to `parser`."""
    add_output_options(parser)
    add_source_options(parser)
    add_transform_options(parser)
    add_limit_options(parser)


def unknown_flags(flags: list[str]) -> list[str]:
    """Those of `flags` that neither we nor Beam know; Beam itself would pass over them.

    Raises:
        UsageError: one that is known has no value or a wrong one.
    """
    parser = _Flags(add_help=False, allow_abbrev=False)
    for options in {cls.__name__: cls for cls in _subclasses(PipelineOptions)}.values():
        options._add_argparse_args(parser)
    return parser.parse_known_args(flags)[1]


class _Flags(_BeamArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message)


def _subclasses(cls: type[PipelineOptions]) -> Iterator[type[PipelineOptions]]:
    for subclass in cls.__subclasses__():
        yield subclass
        yield from _subclasses(subclass)


def add_output_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("output")
    add = group.add_argument
    add(
        "--output",
        metavar="DIR",
        help="folder that receives articles/, duplicates/ and dead_letters/",
    )
    add(
        "--run_id",
        metavar="NAME",
        help="name of this run in every record (default: the time of its start and a random part)",
    )
    add(
        "--codec",
        choices=CODECS,
        # The one codec beside null that every Avro reader must have (Avro 1.12, "Required Codecs").
        default="deflate",
        help="compression of the Avro files; deflate needs nothing beside an Avro reader "
        "(default: %(default)s)",
    )
    add(
        "--attributes_as",
        choices=("map", "pairs"),
        default="map",
        help="pairs: as an array of {key, value}, for readers that know no Avro maps, such as "
        "polars (default: %(default)s)",
    )
    add(
        "--roll_records",
        type=positive_int,
        default=10_000,
        metavar="N",
        help="close a file at this many records (default: %(default)s)",
    )
    add(
        "--roll_seconds",
        type=positive_float,
        default=10.0,
        metavar="SECONDS",
        help="close a file when its first record has waited so long (default: %(default)s)",
    )
    add(
        "--roll_bytes",
        type=positive_int,
        default=64 * MB,
        metavar="BYTES",
        help="close a file at this size before compression (default: %(default)s)",
    )
    add(
        "--state",
        metavar="URI",
        help="the ledger: sqlite:///PATH, or memory:// for tests "
        "(default: SQLite in OUTPUT/_state/)",
    )
    add(
        "--storage_seconds",
        type=positive_float,
        default=60.0,
        metavar="SECONDS",
        help="how long to try again while the output or the ledger cannot be written (disk full, "
        "read-only, locked), before the run ends with exit 1 (default: %(default)s)",
    )
    add(
        "--dedup_ttl_days",
        type=positive_float,
        default=7.0,
        metavar="DAYS",
        help="how long an article is remembered for duplicates of it (default: %(default)s)",
    )


def add_source_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("source")
    add = group.add_argument
    add(
        "--subscription",
        metavar="projects/P/subscriptions/S",
        help="the Pub/Sub subscription to read",
    )
    add(
        "--max_messages",
        type=positive_int,
        metavar="N",
        help="stop by itself after N messages",
    )
    add(
        "--idle_timeout",
        type=positive_float,
        metavar="SECONDS",
        help="stop by itself when no message has come for so long",
    )
    add(
        "--pull_messages",
        type=positive_int,
        default=1_000,
        metavar="N",
        help="messages in one pull, at most 1000 on Pub/Sub (default: %(default)s)",
    )
    add(
        "--max_unsettled_messages",
        type=positive_int,
        default=50_000,
        metavar="N",
        help="stop pulling while so many wait for their file (default: %(default)s)",
    )
    add(
        "--max_unsettled_bytes",
        type=positive_int,
        default=512 * MB,
        metavar="BYTES",
        help="stop pulling while so many bytes wait for their file (default: %(default)s)",
    )


def add_transform_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("machine")
    group.add_argument(
        "--processes",
        default="auto",
        metavar="auto|N",
        help="pipelines side by side on this machine; auto: one a core, at most 8 "
        "(default: %(default)s)",
    )
    group.add_argument(
        "--drain_timeout",
        type=positive_float,
        default=60.0,
        metavar="SECONDS",
        help="what SIGTERM asked to be finished ends after so long, with exit 1; what is not "
        "written then comes again (default: %(default)s)",
    )
    group = parser.add_argument_group("entities and tags")
    add = group.add_argument
    add(
        "--spacy_model",
        metavar="NAME_OR_PATH",
        help="entity model: an installed spaCy package or a folder (default: the one shipped)",
    )
    add(
        "--entity_workers",
        default="auto",
        metavar="auto|N",
        help="processes that hold the entity model, for each pipeline; auto: its share of the "
        "cores; 0: none, and an article that crashes or hangs the model does so to the pipeline "
        "(default: %(default)s)",
    )
    add(
        "--model_timeout",
        type=positive_float,
        default=60.0,
        metavar="SECONDS",
        help="limit of one answer of the entity model, for a batch (64 articles or 200,000 "
        "characters) or for one article; past it the worker is replaced and the batch read article "
        "by article; raise it for a slow model (default: %(default)s)",
    )
    add("--no_entities", action="store_true", help="leave entities out (the field is then null)")
    add("--tag_rules", metavar="FILE", help="your own tagging rules, a YAML file")
    group = parser.add_argument_group("watching")
    add = group.add_argument
    add("--no_progress", action="store_true", help="no progress line on the terminal")
    add(
        "--log_format",
        choices=("text", "json"),
        default="text",
        help="log lines for people or for machines (default: %(default)s)",
    )


def add_limit_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("limits (what exceeds one becomes a dead letter)")

    def add(name: str, default: int, text: str, kind: Callable[[str], Any] = positive_int) -> None:
        group.add_argument(
            name, type=kind, default=default, metavar="N", help=f"{text} (default: %(default)s)"
        )

    add("--max_message_bytes", 10 * MB, "bytes of a message as it comes, compressed or not")
    add("--max_expanded_bytes", 50 * MB, "bytes of a message after decompression")
    add("--max_expansion_ratio", 200, "expanded bytes for each compressed byte")
    add("--max_json_depth", 64, "nesting of a JSON message")
    add("--max_html_bytes", 10 * MB, "bytes of an HTML page")
    add("--max_text_chars", 1_000_000, "characters of the article's text")
    add("--max_attempts", 3, "tries of one article before it is given up")
