"""Every option of ours, once, with its default and help. Beam's own come beside them.

Free of Beam, which takes seconds to import: what starts the processes of a run need not wait for it
(`pipeline.launch`), nor need `--help`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from pipeline.arguments import (
    columns,
    fields_of_records,
    positive_float,
    positive_int,
    schedule_name,
    share,
)

NEAR_DUPLICATES = ("separate", "annotate", "off")
OVERLAPS = ("allow", "skip", "fail")
# As `pipeline.sources.files.KINDS` has them, which comes with Beam.
INPUT_KINDS = ("jsonl", "json", "text", "html", "warc", "avro", "parquet", "csv", "tsv")
CODECS = ("null", "deflate", "snappy", "zstandard")
STAGES = ("decode", "deduplicate", "entities", "tag", "write")
MB = 1_000_000


def defaults() -> dict[str, Any]:
    """Every option with its default."""
    parser = argparse.ArgumentParser(add_help=False)
    add_all(parser)
    return vars(parser.parse_args([]))


def names() -> frozenset[str]:
    """Every option as it stands on a command line."""
    parser = argparse.ArgumentParser(add_help=False)
    add_all(parser)
    return frozenset(name for action in parser._actions for name in action.option_strings)


def add_all(parser: argparse.ArgumentParser) -> None:
    """Adds every option to `parser`."""
    add_run(parser)
    add_file_options(parser)
    add_letter_options(parser)


def add_run(parser: argparse.ArgumentParser) -> None:
    """The options of `run`."""
    add_output_options(parser)
    add_source_options(parser)
    add_transform_options(parser)
    add_limit_options(parser)
    add_schedule_options(parser)


def add_backfill(parser: argparse.ArgumentParser) -> None:
    """The options of `backfill`."""
    add_file_options(parser)
    add_letter_options(parser)
    # Not one of all options: Beam has another of this name.
    parser.add_argument(
        "--dry_run",
        action="store_true",
        help="only list the files, with their kind, size and about how many articles",
    )
    add_output_options(parser)
    add_transform_options(parser)
    add_limit_options(parser)
    add_schedule_options(parser)


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
        help="the ledger: sqlite:///PATH, redis://[USER:PASSWORD@]HOST[:PORT][/DB][?prefix=NAME] "
        "for runs on several machines, or memory:// for tests "
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
    add(
        "--near_duplicates",
        choices=NEAR_DUPLICATES,
        default="separate",
        help="what becomes of an article whose text is nearly that of an earlier one: a whole "
        "record in duplicates/, an article that says so, or nothing (default: %(default)s)",
    )
    add(
        "--near_duplicate_threshold",
        type=share,
        default=0.8,
        metavar="SHARE",
        help="how much of two texts must be the same, in runs of three words, of both or of the "
        "shorter one (default: %(default)s)",
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


def add_file_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("input")
    add = group.add_argument
    add(
        "--input",
        nargs="+",
        metavar="GLOB",
        help="files, folders (all that is below) and patterns, local or of any file system that "
        "Beam knows (gs://…); JSON Lines, JSON, text, HTML, WARC, Avro, Parquet and CSV, plain or "
        "as .gz, .zst or .bz2, mixed at will",
    )
    add(
        "--kind",
        choices=INPUT_KINDS,
        help="what all the files are, for those whose names do not say so",
    )
    add(
        "--csv_columns",
        type=columns,
        metavar="FIELD=COLUMN,…",
        help="which column of a CSV file is which field of an article (title=headline,body=text); "
        "by default the names are taken as those of JSON are",
    )
    add(
        "--reprocess",
        type=fields_of_records,
        metavar="entities,tags",
        help="the input is articles/ of another OUTPUT: make entities, tags or both of its records "
        "anew, and leave all else in them as it is, ids as well",
    )


def add_letter_options(parser: argparse.ArgumentParser) -> None:
    """Which dead letters to take: of a replay, and of a backfill that reads some."""
    group = parser.add_argument_group("which dead letters (of an OUTPUT)")
    add = group.add_argument
    add(
        "--stage",
        action="append",
        choices=STAGES,
        help="only what failed there; may be given several times",
    )
    add(
        "--error_type",
        action="append",
        metavar="WORD",
        help="only what failed for this reason (no_body, model_failed …); may be given several "
        "times",
    )
    when = "a date or a time (ISO 8601, UTC unless it says), or a span back from now such as 24h"
    add("--since", metavar="TIME", help=f"only what failed then or later: {when} or 7d")
    add("--until", metavar="TIME", help=f"only what failed before: {when} or 7d")
    add("--again", action="store_true", help="also what has been replayed before")


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
        action="append",
        metavar="[LANG=]NAME_OR_PATH",
        help="entity model: an installed spaCy package or a folder, for the language of its "
        "meta.json, or for LANG (de=…), or for every language without one of its own (*=…); may be "
        "given several times; articles in any other language have no entities (default: the one "
        "shipped, for English)",
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


def add_schedule_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("schedule")
    add = group.add_argument
    add(
        "--summary_json",
        metavar="FILE",
        help="what the run did, or why not, as one JSON object; - for the last line of standard "
        "output. A file is replaced whole: first by one that says the run is under way (exit_code "
        "null; so it stays where the run is killed), then at the end",
    )
    add(
        "--overlap",
        choices=OVERLAPS,
        default="allow",
        help="where another run of the same schedule over this OUTPUT is under way: run beside it, "
        "or leave it alone and exit with 0 (skip) or 75 (fail). The lock is "
        "OUTPUT/_state/NAME.lock; it ends with its process, and holds on one machine (over NFS 4 "
        "mostly on all that have mounted it) (default: %(default)s)",
    )
    add(
        "--schedule",
        type=schedule_name,
        metavar="NAME",
        help="the schedule this run belongs to, for --overlap (default: the name of the command)",
    )
