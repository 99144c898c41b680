"""From chunks to batches of spaCy examples, drawn without end."""

import random
from collections.abc import Iterator, Mapping, Sequence

from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example

from pipeline.model.augment import NamePools, Rates, augment
from pipeline.model.corpus import Chunk, family
from pipeline.model.templates import Generator

CORPUS_WEIGHTS: Mapping[str, float] = {
    "gmb": 0.6,
    "btc": 0.6,
    "wikigold": 3.0,
    "gum": 2.0,
    "redocred": 2.0,
    "re3d": 2.0,
    "ewt": 2.0,
    "wikinews": 10.0,
}
"""How often a text of a corpus is drawn, 1 where not named: the recipe in the data's README, and
what was annotated by hand with a weight that makes it an eighth of all texts."""


def to_example(nlp: Language, chunk: Chunk) -> Example:
    """Return a training example whose tokens are those of ``nlp``.

    Tokens that a missing piece touches are unknown to the recogniser, neither a name nor outside
    one; so are those of a span whose borders are not borders of tokens.
    """
    doc = nlp.make_doc(chunk.text)
    words, spaces = [token.text for token in doc], [bool(token.whitespace_) for token in doc]
    reference = Doc(nlp.vocab, words=words, spaces=spaces)
    entities, unknown = [], list(chunk.missing)
    for span in chunk.spans:
        exact = reference.char_span(span.start, span.end, label=span.label)
        if exact is not None:
            entities.append(exact)
        else:
            unknown.append((span.start, span.end))
    taken = {token.i for entity in entities for token in entity}
    missing = []
    for start, end in unknown:
        for token in reference.char_span(start, end, alignment_mode="expand") or ():
            if token.i not in taken:
                taken.add(token.i)
                missing.append(reference[token.i : token.i + 1])
    reference.set_ents(entities, missing=missing, default="outside")
    return Example(doc, reference)


def draw_chunks(
    chunks: Sequence[Chunk],
    pools: NamePools,
    rates: Rates,
    generated_share: float,
    rng: random.Random,
) -> Iterator[Chunk]:
    """Draw augmented chunks without end, by corpus weight, with generated ones between them."""
    generator = Generator(pools)
    weights = [CORPUS_WEIGHTS.get(family(chunk.corpus), 1.0) for chunk in chunks]
    while True:
        for chunk in rng.choices(chunks, weights=weights, k=1_000):
            if rng.random() < generated_share:
                chunk = generator.chunk(rng)
            yield augment(chunk, pools, rates, rng)


def draw_batches(nlp: Language, chunks: Iterator[Chunk], words: int) -> Iterator[list[Example]]:
    """Gather examples until a batch has at least ``words`` tokens; blank texts are passed over."""
    batch: list[Example] = []
    size = 0
    for chunk in chunks:
        if not chunk.text.strip():
            continue
        example = to_example(nlp, chunk)
        batch.append(example)
        size += len(example.reference)
        if size >= words:
            yield batch
            batch, size = [], 0
