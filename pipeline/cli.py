"""The commands: parse, check, call, exit code.

Exit codes: 0 done, 1 the work failed, 2 bad usage (one line that says what to change).
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NoReturn

from pipeline import logs
from pipeline.arguments import port, positive_int
from pipeline.errors import Failed, UsageError
from pipeline.version import __version__

if TYPE_CHECKING:
    from pipeline.watch.summary import Summary

DONE, FAILED, USAGE = 0, 1, 2
NOT_YET = ("backfill", "replay", "report")
Command = Callable[[argparse.Namespace, list[str]], int]


class _Parser(argparse.ArgumentParser):
    """A parser whose complaint is one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(USAGE, f"{self.prog}: {message} (see {self.prog} --help)\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    logs.configure()
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A title that the locale cannot write is no reason to end.
        sys.stdout.reconfigure(errors="backslashreplace")
    parser = build_parser()
    args, rest = parser.parse_known_args(argv)
    logs.configure(getattr(args, "log_format", "text"))
    command: Command = args.command
    try:
        if rest and command not in (_run, _not_yet):
            raise UsageError(f"unknown argument {' '.join(rest)}")
        code = command(args, rest)
        sys.stdout.flush()
    except UsageError as error:
        hint = "" if command is _not_yet else f" (see {parser.prog} {args.name} --help)"
        return _complain(f"{args.name}: {error}{hint}", USAGE)
    except Failed as error:
        return _complain(f"{args.name}: {error}", FAILED)
    except KeyboardInterrupt:
        # What drains has its own handler; the rest has nothing to put in order.
        return _complain(f"{args.name}: interrupted", FAILED)
    except BrokenPipeError:
        # The reader of our output has gone, as `| head` does. Python flushes once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    return code


def _complain(text: str, code: int) -> int:
    """Says what is wrong, on one line whatever it quotes."""
    print(" ".join(text.split()), file=sys.stderr)
    return code


def build_parser() -> argparse.ArgumentParser:
    """The parser of every command; also what tests of the interface look at."""
    parser = _Parser(
        prog="article-pipeline",
        description="News articles from a Pub/Sub queue to Avro records with entities and tags.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(dest="name", metavar="COMMAND", required=True)

    def add(name: str, text: str, command: Command, example: str) -> argparse.ArgumentParser:
        added = commands.add_parser(
            name,
            help=text,
            description=text[0].upper() + text[1:] + ".",
            epilog=f"example: {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        added.set_defaults(command=command)
        return added

    from pipeline import option_list

    run = add(
        "run",
        "stream from a subscription until stopped (SIGTERM and Ctrl-C drain)",
        _run,
        "article-pipeline run --subscription projects/p/subscriptions/s --output articles\n"
        "every option of Apache Beam's may be given too",
    )
    run.add_argument("--runner", default="DirectRunner", help="default: %(default)s")
    option_list.add_all(run)

    demo = add(
        "demo",
        "broker, sample articles, a streaming run and a summary; stops by itself",
        _demo,
        "article-pipeline demo --articles 1000",
    )
    demo.add_argument("--output", metavar="DIR", help="default: a new folder under ./output")
    demo.add_argument(
        "--articles",
        type=positive_int,
        metavar="N",
        help="generate N messages (default: the samples that ship with the package)",
    )

    broker = add(
        "broker", "the embedded Pub/Sub broker, in memory", _broker, "article-pipeline broker"
    )
    broker.add_argument("--host", default="127.0.0.1", help="default: %(default)s")
    broker.add_argument("--port", type=port, default=8085, help="default: %(default)s; 0 for any")

    option_list.add_publish(
        add(
            "publish",
            "send articles to a topic",
            _publish,
            "article-pipeline publish --topic projects/p/topics/t --create article.json",
        )
    )

    inspect = add(
        "inspect",
        "what the records of an output say",
        _inspect,
        "article-pipeline inspect articles --dead_letters",
    )
    inspect.add_argument("output", metavar="OUTPUT", help="the --output of a run")
    inspect.add_argument("--json", action="store_true", help="one JSON object a line")
    which = inspect.add_mutually_exclusive_group()
    which.add_argument(
        "--dead_letters", action="store_true", help="what could not be read, and why"
    )
    which.add_argument("--duplicates", action="store_true", help="what was there before")
    inspect.add_argument(
        "--limit",
        type=positive_int,
        metavar="N",
        help="at most N records (default: 10, with --json all)",
    )

    verify = add(
        "verify",
        "audit an output; exit 1 where something is wrong",
        _verify,
        "article-pipeline verify articles",
    )
    verify.add_argument("output", metavar="OUTPUT", help="the --output of a run")
    verify.add_argument("--json", action="store_true", help="the findings as JSON")
    verify.add_argument("--state", metavar="URI", help="the ledger, where --state was given to run")
    verify.add_argument(
        "--rebuild_ledger",
        action="store_true",
        help="first make the ledger anew, from the records alone: for one that is lost or damaged "
        "(which is kept beside it)",
    )

    for name in NOT_YET:
        later = commands.add_parser(name, help="not there yet", add_help=False)
        later.set_defaults(command=_not_yet)
    return parser


def _not_yet(args: argparse.Namespace, rest: list[str]) -> int:
    raise UsageError("not there yet: it comes in a later version")


def _run(args: argparse.Namespace, rest: list[str]) -> int:
    from pipeline.launch import launch

    if args.runner != "DirectRunner":
        raise UsageError(f"--runner {args.runner} is not there yet: use DirectRunner")
    ours = {k: v for k, v in vars(args).items() if k not in ("name", "command", "runner")}
    summary = launch(ours, rest)
    print(
        f"{summary.received} messages: {summary.articles} articles, {summary.duplicates} "
        f"duplicates, {summary.dead_letters} dead letters, {summary.redelivered} redelivered"
    )
    return _check_sum(summary)


def _check_sum(summary: Summary) -> int:
    if summary.adds_up:
        return DONE
    print(
        f"the sum is wrong: {summary.received} messages received, {summary.accounted} accounted "
        "for. Run verify on the output, and report this.",
        file=sys.stderr,
    )
    return FAILED


def _demo(args: argparse.Namespace, rest: list[str]) -> int:
    from rich.console import Console

    from pipeline.demo import demo

    return _check_sum(demo(args.output, args.articles, Console()))


def _broker(args: argparse.Namespace, rest: list[str]) -> int:
    from pipeline.broker import serve

    try:
        serve(args.host, args.port)
    except OSError as error:
        raise Failed(str(error)) from error
    return DONE


def _publish(args: argparse.Namespace, rest: list[str]) -> int:
    from pipeline import publish

    return publish.run(args)


def _inspect(args: argparse.Namespace, rest: list[str]) -> int:
    from pipeline.watch import inspect, output

    kind = "articles"
    if args.dead_letters or args.duplicates:
        kind = "dead_letters" if args.dead_letters else "duplicates"
    root = output.open_output(args.output)
    if args.json:
        inspect.as_json(root, kind, args.limit, sys.stdout)
    else:
        console = inspect.Terminal()
        inspect.overview(root, console)
        inspect.show(root, kind, args.limit or 10, console)
    return DONE


def _verify(args: argparse.Namespace, rest: list[str]) -> int:
    from pipeline.rebuild import rebuild_ledger
    from pipeline.watch import output, verify

    root = output.open_output(args.output)
    rebuilt = rebuild_ledger(root, args.state) if args.rebuild_ledger else None
    audit = verify.verify(root, args.state)
    if rebuilt is not None:
        for finding in rebuilt.findings:
            audit.find(finding)
        audit.notes.append(str(rebuilt))
    if args.json:
        print(json.dumps(audit.as_dict()))
    else:
        for line in (*audit.findings, *audit.notes):
            print(output.printable(line))
        if audit.left_out:
            print(f"and {audit.left_out} findings more")
        counts = ", ".join(f"{n} {kind}" for kind, n in audit.counts.items())
        print(f"{'sound' if audit.sound else 'NOT SOUND'}: {counts} in {audit.files} files")
    return DONE if audit.sound else FAILED
