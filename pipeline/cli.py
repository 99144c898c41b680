"""The commands: parse, check, call, exit code.

Exit codes: 0 done, 1 the work failed, 2 bad usage (one line that says what to change), 75 another
run of the schedule is under way (`--overlap fail`).
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
from pipeline.errors import DONE, FAILED, USAGE, Failed, UsageError
from pipeline.version import __version__

if TYPE_CHECKING:
    from pipeline.watch.summary import Summary

NOT_YET = ("report",)
EXIT_CODES = """\
exit codes:
  0   done: --max_messages, --idle_timeout, or drained; or --overlap skip left another run alone
  1   the work failed, or its counts do not add up; what is not written is not acknowledged and
      comes again: start the run again
  2   bad usage: one line says what to change, and starting it again as it is cannot help
  75  --overlap fail: another run of the schedule is under way
  128+N  a second signal N ended the process at once"""
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
        if rest and command not in (_run, _backfill, _not_yet):
            raise UsageError(f"unknown argument {' '.join(rest)}")
        if command is not _not_yet:
            _refuse_ours(rest, args.name)
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


def _refuse_ours(rest: Sequence[str], command: str) -> None:
    """Refuses what is an option of ours, and none of this command, where it goes on to Beam."""
    from pipeline.option_list import names

    ours = names()
    for argument in rest:
        if argument.partition("=")[0] in ours:
            raise UsageError(f"{argument} is no option of {command}")


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

    from pipeline import option_list, sending_options

    run = add(
        "run",
        "stream from a subscription until stopped (SIGTERM and Ctrl-C drain)",
        _run,
        "article-pipeline run --subscription projects/p/subscriptions/s --output articles\n"
        "every option of Apache Beam's may be given too\n\n" + EXIT_CODES,
    )
    run.add_argument("--runner", default="DirectRunner", help="default: %(default)s")
    option_list.add_run(run)

    backfill = add(
        "backfill",
        "the same for files, to their end; what is written already is left alone",
        _backfill,
        "article-pipeline backfill --input 'news/*.jsonl.gz' pages/ --output articles\n"
        "examples:\n"
        "  a look first          … --input 'news/*.jsonl.gz' --output articles --dry_run\n"
        "  columns of a CSV      … --input a.csv --csv_columns title=headline,body=text …\n"
        "  a new entity model    … --input old/articles --reprocess entities,tags --output new\n"
        "  what was dead letters … --input articles/dead_letters --output articles\n"
        "Stopped or killed, the same command goes on where it was.\n"
        "every option of Apache Beam's may be given too\n\n" + EXIT_CODES,
    )
    backfill.add_argument(
        "--runner",
        default="DirectRunner",
        help="DirectRunner is this machine, with all its cores; or another one of Beam's "
        "(default: %(default)s)",
    )
    option_list.add_backfill(backfill)

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

    sending_options.add_publish(
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
    which.add_argument(
        "--why", action="store_true", help="the tags of articles, and what each was given for"
    )
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

    sending_options.add_replay(
        add(
            "replay",
            "send dead letters to a topic again, with their original payload and attributes",
            _replay,
            "article-pipeline replay articles --topic projects/p/topics/t --stage entities "
            "--since 24h",
        )
    )

    for name in NOT_YET:
        later = commands.add_parser(name, help="not there yet", add_help=False)
        later.set_defaults(command=_not_yet)
    return parser


def _not_yet(args: argparse.Namespace, rest: list[str]) -> int:
    raise UsageError("not there yet: it comes in a later version")


def _run(args: argparse.Namespace, rest: list[str]) -> int:
    from pipeline.launch import check, launch
    from pipeline.schedule import Job, run_job

    if args.runner != "DirectRunner":
        raise UsageError(f"--runner {args.runner} is not there yet: use DirectRunner")
    ours = {k: v for k, v in vars(args).items() if k not in ("name", "command", "runner")}

    def stream(job: Job) -> None:
        summary = launch(job.options, rest, drain=job.drain, report=job.report, cut_off=job.cut_off)
        job.report(summary)
        _tell(summary)

    return run_job("run", ours, stream, lambda: check(ours))


def _backfill(args: argparse.Namespace, rest: list[str]) -> int:
    from pipeline.schedule import Job, run_job

    no_options = ("name", "command", "runner", "dry_run")
    ours = {k: v for k, v in vars(args).items() if k not in no_options}
    if args.dry_run:
        from pipeline import backfill

        backfill.dry_run(ours, rest)
        return DONE

    # Beam comes with it: whoever interrupts that is told by --summary_json, too.
    def check() -> None:
        from pipeline import backfill

        backfill.check(ours)

    def read(job: Job) -> None:
        from pipeline import backfill

        summary = backfill.launch(
            *(job.options, rest),
            runner=args.runner,
            drain=job.drain,
            report=job.report,
            cut_off=job.cut_off,
        )
        job.report(summary)
        _tell(summary)
        if summary.done != 1:
            print(backfill.goes_on(args.output), file=sys.stderr)

    return run_job("backfill", ours, read, check)


def _tell(summary: Summary) -> None:
    """Says what a run did. Raises Failed where that does not add up."""
    print(
        f"{summary.received} messages: {summary.articles} articles, {summary.duplicates} "
        f"duplicates, {summary.dead_letters} dead letters, {summary.redelivered} redelivered"
    )
    _check_sum(summary)


def _check_sum(summary: Summary) -> None:
    if not summary.adds_up:
        raise Failed(
            f"the sum is wrong: {summary.received} messages received, {summary.accounted} "
            "accounted for. Run verify on the output, and report this."
        )


def _demo(args: argparse.Namespace, rest: list[str]) -> int:
    from rich.console import Console

    from pipeline.demo import demo

    _check_sum(demo(args.output, args.articles, Console()))
    return DONE


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


def _replay(args: argparse.Namespace, rest: list[str]) -> int:
    from pipeline import replay

    return replay.run(args)


def _inspect(args: argparse.Namespace, rest: list[str]) -> int:
    from pipeline.watch import inspect, output

    kind = "articles"
    if args.dead_letters or args.duplicates:
        kind = "dead_letters" if args.dead_letters else "duplicates"
    root = output.open_output(args.output)
    if args.json:
        inspect.as_json(root, kind, args.limit, sys.stdout)
    elif args.why:
        inspect.why(root, args.limit or 10, inspect.Terminal())
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
