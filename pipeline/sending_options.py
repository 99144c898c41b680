"""The arguments of the commands that send to a topic."""

from __future__ import annotations

import argparse

from pipeline.arguments import positive_float, positive_int
from pipeline.option_list import add_letter_options


def add_publish(parser: argparse.ArgumentParser) -> None:
    """The arguments of `publish`."""
    add = parser.add_argument
    _add_topic(parser)
    add("files", nargs="*", metavar="FILE", help="one message each; of a .jsonl file one a line")
    add("--generate", type=positive_int, metavar="N", help="send N generated sample messages")
    add("--seed", type=int, default=0, help="which samples (default: %(default)s)")
    add(
        "--attribute",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="an attribute for every message; may be given several times",
    )
    add("--content_type", metavar="TYPE", help="instead of what the ending of a file says")
    add("--create", action="store_true", help="create the topic where it is missing")
    add("--subscription", metavar="NAME", help="with --create: also a subscription on the topic")
    _add_timeout(parser)


def add_replay(parser: argparse.ArgumentParser) -> None:
    """The arguments of `replay`."""
    add = parser.add_argument
    add("output", metavar="OUTPUT", help="the --output of a run")
    _add_topic(parser)
    add_letter_options(parser)
    add("--limit", type=positive_int, metavar="N", help="send at most N messages")
    add(
        "--attribute",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="instead of what the messages have under that name, to mend it (content_type=text/html"
        ", content_encoding= for none); may be given several times",
    )
    add("--dry_run", action="store_true", help="only say what would be sent")
    _add_timeout(parser)


def _add_topic(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--topic", required=True, metavar="projects/P/topics/T", help="the topic to send to"
    )


def _add_timeout(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--timeout",
        type=positive_float,
        default=60.0,
        metavar="SECONDS",
        help="give up on a message after so long (default: %(default)s)",
    )
