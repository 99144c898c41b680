"""The command `replay`: dead letters of an output go back to a topic.

Each is sent with its original payload, attributes and ordering key, and the attribute
`replayed_from`: the dead letter's key. What fails again becomes a dead letter with a key of its
own, which is offered as any other; its `replayed_from` is then replaced, so that attributes don't
grow however often an article comes round.

A dead letter is marked as replayed (`pipeline.replayed`) when Pub/Sub has given the receipt for it,
in batches. A replay that is killed between the two sends what was in flight once more the next
time: at most `unconfirmed_messages` and one batch of marks. Nothing is lost by that, and no article
is there twice: the second copy has the same payload, so that it is recognised as a duplicate of the
first, or fails like it and is one dead letter more.

The output may be written to meanwhile: files appear whole.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime as dt
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.errors import UsageError
from pipeline.letters import Wanted, parsed_wanted
from pipeline.publish import parsed_attributes
from pipeline.records import DeadLetter, from_avro
from pipeline.replayed import REPLAYED_FROM, Marks
from pipeline.sendable import fault_of
from pipeline.sender import (
    Outgoing,
    PublishError,
    Sending,
    check_attributes,
    check_received,
    check_topic,
    publish,
)
from pipeline.watch import output

UNCONFIRMED_MESSAGES = 1_000
"""What is sent twice at most after a kill; a fifth of what `publish` has in flight."""

MAX_SAID = 20
"""Lines about dead letters that cannot be sent, before their number alone is said."""

PROGRESS_MESSAGES = 1_000

_ORIGIN = "dead letter "

Say = Callable[[str], None]


@dataclass
class Outcome:
    """What became of the dead letters that were wanted.

    Attributes:
        found: how many there are.
        replayed: sent with a receipt; in a dry run what would be sent.
        before: replayed before, and left alone.
        unsendable: Pub/Sub would not take them.
        left: left alone since the limit was reached.
        unreadable: files of the output that could not be read.
        groups: what was sent, or would be, by stage and error.
    """

    found: int = 0
    replayed: int = 0
    before: int = 0
    unsendable: int = 0
    left: int = 0
    unreadable: int = 0
    groups: Counter[str] = field(default_factory=Counter)

    @property
    def complete(self) -> bool:
        return not self.unsendable and not self.unreadable

    def describe(self, *, dry_run: bool = False) -> str:
        """The summary line.

        >>> Outcome(found=12, replayed=9, before=2, unsendable=1).describe()
        '12 dead letters: 9 replayed, 2 replayed before, 1 could not be sent'
        """
        letters = f"{self.found} dead letter{'' if self.found == 1 else 's'}"
        done = "would be replayed" if dry_run else "replayed"
        parts = [
            f"{self.replayed} {done}",
            f"{self.before} replayed before",
            f"{self.unsendable} could not be sent",
        ]
        if self.left:
            parts.append(f"{self.left} left by --limit")
        return f"{letters}: {', '.join(parts)}"


def replay(
    root: Path,
    topic: str,
    *,
    wanted: Wanted | None = None,
    limit: int | None = None,
    attributes: Mapping[str, str] | None = None,
    again: bool = False,
    dry_run: bool = False,
    sending: Sending | None = None,
    say: Say = lambda line: None,
) -> Outcome:
    """Sends the dead letters of the output `root` to `topic`, and marks what was sent.

    Args:
        limit: send at most so many.
        attributes: instead of what the messages have under these names.
        again: also what was replayed before.
        dry_run: sends nothing and changes nothing.
        sending: how; its `receipt` is not used.
        say: told what cannot be read or sent, a line each.

    Raises:
        UsageError: the topic's name or an attribute; nothing has been sent then.
        Failed: another replay is at work on the output, the marks cannot be used, nobody receives
            what is sent to the topic, or a message could not be sent. What was sent until then is
            marked.
    """
    own = dict(attributes or {})
    check_topic(topic)
    check_attributes(own)
    if REPLAYED_FROM in own:
        raise UsageError(f"the attribute {REPLAYED_FROM} says which dead letter a message was")
    how = sending or Sending(unconfirmed_messages=UNCONFIRMED_MESSAGES)
    if not output.files(root, "dead_letters"):
        return Outcome()
    if not dry_run:
        check_received(topic, timeout=how.timeout)
    with Marks(root, keep=not dry_run) as marks:
        walk = _Walk(root, topic, wanted or Wanted(), limit, own, again, marks, say)
        walk.unreadable(marks.learn())
        if dry_run:
            walk.outcome.replayed = sum(1 for _ in walk)
        else:
            walk.outcome.replayed = publish(topic, walk, sending=walk.with_receipts(how))
    walk.say_the_rest()
    return walk.outcome


class _Walk:
    """Every message to send, in the order of the files; what is not sent is counted."""

    def __init__(
        self,
        root: Path,
        topic: str,
        wanted: Wanted,
        limit: int | None,
        attributes: Mapping[str, str],
        again: bool,
        marks: Marks,
        say: Say,
    ) -> None:
        self.outcome = Outcome()
        self._root = root
        self._topic = topic
        self._wanted = wanted
        self._limit = limit
        self._attributes = attributes
        self._again = again
        self._marks = marks
        self._say = say
        self._said: set[str] = set()

    def __iter__(self) -> Iterator[Outgoing]:
        outcome = self.outcome
        for letter in self._letters():
            outcome.found += 1
            if not self._again and letter.key in self._marks:
                outcome.before += 1
            elif self._limit is not None and outcome.groups.total() >= self._limit:
                outcome.left += 1
            elif message := self._message(letter):
                outcome.groups[f"{letter.stage}/{letter.error_type}"] += 1
                yield message

    def _letters(self) -> Iterator[DeadLetter]:
        for path in output.files(self._root, "dead_letters"):
            try:
                for record in output.read(self._root, "dead_letters", path):
                    letter = from_avro(DeadLetter, record)
                    if self._wanted.takes(letter):
                        yield letter
            except output.Damaged as error:
                self.unreadable([str(error)])

    def _message(self, letter: DeadLetter) -> Outgoing | None:
        """What to send for `letter`; None where Pub/Sub would not take it."""
        attributes = mended(letter.attributes, self._attributes, letter.key)
        ordering_key = letter.ordering_key or ""
        fault = fault_of(self._topic, letter.payload, attributes, ordering_key)
        if fault is None:
            return Outgoing(letter.payload, attributes, _ORIGIN + letter.key, ordering_key)
        self.outcome.unsendable += 1
        if self.outcome.unsendable <= MAX_SAID:
            self._say(f"{_ORIGIN}{letter.key} cannot be sent: {fault}")
        return None

    def with_receipts(self, how: Sending) -> Sending:
        """`how`, marking what is confirmed."""

        def receipt(origin: str) -> None:
            self._marks.add(origin.removeprefix(_ORIGIN))

        return dataclasses.replace(how, receipt=receipt)

    def unreadable(self, lines: list[str]) -> None:
        for line in lines:
            # A file of dead letters is read for marks and for its letters.
            if line not in self._said:
                self._said.add(line)
                self._say(line)
                self.outcome.unreadable += 1

    def say_the_rest(self) -> None:
        """What stands for lines that were too many, and what helps."""
        more = self.outcome.unsendable - MAX_SAID
        if more > 0:
            self._say(f"and {more} more cannot be sent")
        if self.outcome.unsendable:
            self._say(
                "what cannot be sent can go straight into a backfill: "
                f"article-pipeline backfill --input {self._root / 'dead_letters'}"
            )
        if self.outcome.unreadable:
            self._say(f"run verify on {self._root}: files of it cannot be read")


def mended(attributes: Mapping[str, str], instead: Mapping[str, str], key: str) -> dict[str, str]:
    """The attributes of a message that is replayed from the dead letter `key`.

    Names are compared as decode does, whatever their case and `-` for `_`: what is mended must not
    stand beside what was wrong.

    >>> mended({"Content-Type": "text/plain", "id": "7"}, {"content_type": "text/html"}, "9@1")
    {'id': '7', 'content_type': 'text/html', 'replayed_from': '9@1'}
    """
    new = {**instead, REPLAYED_FROM: key}
    names = {_name(name) for name in new}
    return {**{k: v for k, v in attributes.items() if _name(k) not in names}, **new}


def _name(name: str) -> str:
    return name.lower().replace("-", "_")


def run(args: argparse.Namespace) -> int:
    """`replay` with parsed arguments; returns 0, or 1 where something was left behind.

    Raises:
        UsageError, Failed: as `replay`.
    """
    now = dt.datetime.now(dt.timezone.utc)
    wanted = parsed_wanted(args.stage, args.error_type, args.since, args.until, now)
    try:
        outcome = _replay(args, wanted)
    except PublishError as error:
        # It names a dead letter, whose id may hold anything.
        raise PublishError(output.printable(str(error))) from error
    if args.dry_run:
        for group, count in sorted(outcome.groups.items()):
            print(output.printable(f"{group}: {count}"))
    print(outcome.describe(dry_run=args.dry_run))
    return 0 if outcome.complete else 1


def _replay(args: argparse.Namespace, wanted: Wanted) -> Outcome:
    return replay(
        output.open_output(args.output),
        args.topic,
        wanted=wanted,
        limit=args.limit,
        attributes=parsed_attributes(args.attribute),
        again=args.again,
        dry_run=args.dry_run,
        sending=Sending(
            timeout=args.timeout,
            unconfirmed_messages=UNCONFIRMED_MESSAGES,
            progress=_progress if sys.stderr.isatty() else None,
        ),
        say=lambda line: print(output.printable(line), file=sys.stderr),
    )


def _progress(confirmed: int) -> None:
    if confirmed % PROGRESS_MESSAGES == 0:
        print(f"{confirmed} messages sent", file=sys.stderr)
