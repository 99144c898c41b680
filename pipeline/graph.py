"""The whole data flow. What streams and, one day, backfills have in common is `articles`."""

from __future__ import annotations

from typing import NamedTuple

import apache_beam as beam
from apache_beam.pvalue import PCollection

from pipeline.options import ArticleOptions
from pipeline.records import DeadLetter, Draft, DuplicateDraft, Message
from pipeline.sinks.avro import Settlement, WriteRecords
from pipeline.sinks.settle import Settle
from pipeline.sources.pubsub import PubSubSource
from pipeline.transforms.decode import Decode
from pipeline.transforms.deduplicate import Deduplicate
from pipeline.transforms.entities import ExtractEntities
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


def write(outputs: Outputs, options: ArticleOptions) -> PCollection[Settlement]:
    """From records to files; what comes out may be acknowledged."""
    written = (
        (outputs.articles, outputs.duplicates, outputs.dead_letters)
        | "AllRecords" >> beam.Flatten()
        | "WriteRecords" >> WriteRecords.from_options(options)
    )
    known = outputs.redelivered | "SettleAgain" >> beam.Map(Settlement)
    settlements: PCollection[Settlement] = (written, known) | "AllSettlements" >> beam.Flatten()
    return settlements
