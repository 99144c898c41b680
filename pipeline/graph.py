"""The whole data flow. What streams and backfills have in common is `articles` and `write`."""

from __future__ import annotations

from typing import NamedTuple

import apache_beam as beam
from apache_beam.pvalue import PBegin, PCollection

from pipeline.options import ArticleOptions
from pipeline.records import DeadLetter, Draft, DuplicateDraft, Message
from pipeline.sinks.avro import Settlement, WriteRecords
from pipeline.sinks.settle import CountSettled, Settle
from pipeline.sources.files import Entry
from pipeline.sources.pubsub import PubSubSource
from pipeline.sources.sorting import SortEntries
from pipeline.transforms.decode import Decode
from pipeline.transforms.deduplicate import Deduplicate
from pipeline.transforms.entities import ExtractEntities
from pipeline.transforms.renew import ENTITIES, TAGS, Renew
from pipeline.transforms.tag import Tag


class Outputs(NamedTuple):
    """The three ends of the graph, and the messages that were at theirs before."""

    articles: PCollection[Draft]
    duplicates: PCollection[DuplicateDraft]
    dead_letters: PCollection[DeadLetter]
    redelivered: PCollection[tuple[str, ...]]


def stream(pipeline: beam.Pipeline, source: PubSubSource, options: ArticleOptions) -> None:
    """From a subscription to files, acknowledging what is durable."""
    messages = pipeline | "ReadMessages" >> beam.io.Read(source)
    outputs = articles(messages, options)
    settlements = write(outputs, options)
    _ = settlements | "Settle" >> Settle(source.subscription)


def backfill(
    pipeline: beam.Pipeline,
    entries: beam.PTransform[PBegin, PCollection[Entry]],
    options: ArticleOptions,
    *,
    by_bundle: bool = False,
) -> None:
    """From files to files; nobody waits to hear what is durable.

    Args:
        by_bundle: see `WriteRecords`.
    """
    sorted_ = (
        pipeline | "ReadEntries" >> entries | "SortEntries" >> SortEntries.from_options(options)
    )
    if options.reprocess:
        outputs = renewed(sorted_.drafts, options)
    else:
        outputs = articles(sorted_.messages, options)
    outputs = outputs._replace(
        dead_letters=(outputs.dead_letters, sorted_.dead_letters)
        | "WithProblems" >> beam.Flatten(),
        redelivered=(outputs.redelivered, sorted_.redelivered) | "WithDone" >> beam.Flatten(),
    )
    _ = write(outputs, options, by_bundle=by_bundle) | "Settle" >> CountSettled()


def renewed(drafts: PCollection[Draft], options: ArticleOptions) -> Outputs:
    """From records to the same records with some fields made anew (`--reprocess`)."""
    kept = drafts | "Deduplicate" >> Deduplicate.from_options(options)
    drafts = kept.articles | "Renew" >> Renew.from_options(options)
    dead_letters = []
    if ENTITIES in options.reprocess:
        named = drafts | "ExtractEntities" >> ExtractEntities.from_options(options)
        drafts, dead_letters = named.articles, [named.dead_letters]
    if TAGS in options.reprocess:
        tagged = drafts | "Tag" >> Tag.from_options(options)
        drafts, dead_letters = tagged.articles, [*dead_letters, tagged.dead_letters]
    return Outputs(
        articles=drafts,
        duplicates=kept.duplicates,
        dead_letters=tuple(dead_letters) | "AllDeadLetters" >> beam.Flatten(),
        redelivered=kept.redelivered,
    )


def articles(messages: PCollection[Message], options: ArticleOptions) -> Outputs:
    """From messages to records."""
    decoded = messages | "Decode" >> Decode.from_options(options)
    unique = decoded.articles | "Deduplicate" >> Deduplicate.from_options(options)
    drafts, dead_letters = unique.articles, [decoded.dead_letters]
    if not options.no_entities:
        named = drafts | "ExtractEntities" >> ExtractEntities.from_options(options)
        drafts, dead_letters = named.articles, [*dead_letters, named.dead_letters]
    tagged = drafts | "Tag" >> Tag.from_options(options)
    return Outputs(
        articles=tagged.articles,
        duplicates=unique.duplicates,
        dead_letters=(*dead_letters, tagged.dead_letters) | "AllDeadLetters" >> beam.Flatten(),
        redelivered=unique.redelivered,
    )


def write(
    outputs: Outputs, options: ArticleOptions, *, by_bundle: bool = False
) -> PCollection[Settlement]:
    """From records to files; what comes out may be acknowledged."""
    written = (
        (outputs.articles, outputs.duplicates, outputs.dead_letters)
        | "AllRecords" >> beam.Flatten()
        | "WriteRecords" >> WriteRecords.from_options(options, by_bundle=by_bundle)
    )
    known = outputs.redelivered | "SettleAgain" >> beam.Map(Settlement)
    settlements: PCollection[Settlement] = (written, known) | "AllSettlements" >> beam.Flatten()
    return settlements
