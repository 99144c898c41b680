"""The options of a run as Beam has them.

A transform reads what it needs in its `from_options` and takes plain arguments below that. What
options there are says `pipeline.option_list`.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NoReturn

from apache_beam.options.pipeline_options import PipelineOptions, _BeamArgumentParser

from pipeline.errors import UsageError
from pipeline.option_list import add_all


class ArticleOptions(PipelineOptions):
    """The options of `run`."""

    @classmethod
    def _add_argparse_args(cls, parser: argparse.ArgumentParser) -> None:
        add_all(parser)


def options_of(given: Mapping[str, Any], flags: Sequence[str] = ()) -> ArticleOptions:
    """The options of a run.

    Args:
        given: of ours, by name.
        flags: Beam's own, as they stand on the command line.

    Raises:
        UsageError: one of `flags` is not known, or has no value or a wrong one.
    """
    unknown = unknown_flags(flags)
    if unknown:
        raise UsageError(f"unknown option {' '.join(unknown)}")
    # Without flags of its own it would take those of the program we run in.
    return ArticleOptions(list(flags), **given)


def unknown_flags(flags: Sequence[str]) -> list[str]:
    """Those of `flags` that neither we nor Beam know; Beam itself would pass over them.

    Raises:
        UsageError: one that is known has no value or a wrong one.
    """
    parser = _Flags(add_help=False, allow_abbrev=False)
    for options in {cls.__name__: cls for cls in _subclasses(PipelineOptions)}.values():
        options._add_argparse_args(parser)
    return parser.parse_known_args(list(flags))[1]


class _Flags(_BeamArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message)


def _subclasses(cls: type[PipelineOptions]) -> Iterator[type[PipelineOptions]]:
    for subclass in cls.__subclasses__():
        yield subclass
        yield from _subclasses(subclass)
