"""Generated training sentences: what the corpora show too seldom.

Bare surnames as subjects and objects, surnames before "administration" or "government", names
after long titles, state bodies after a possessive or a demonym, companies and teams by their verbs.
Every sentence is our own; names come from ``gazetteer`` and the pools of the training corpora.
"""

import dataclasses
import random
import re
from collections.abc import Sequence

from pipeline.model import gazetteer
from pipeline.model.augment import NamePools
from pipeline.model.corpus import Chunk, Span
from pipeline.model.gazetteer import listed

CORPUS = "generated"
SLOT = re.compile(r"\{(\w+)\}")

PERSON_SENTENCES = (
    "{surname} told {press} on {day} that {clause}.",
    "{surname} said {clause}.",
    "{surname} {verb} {matter}.",
    "{clause}, {surname} said.",
    "{clause}, {surname} told {press}.",
    "{surname}, who {verb} {matter}, {verb} {surname2} on {day}.",
    "{surname} and {surname2} {verb} {matter} in {place}.",
    "Both {surname} and {surname2} {verb} {matter}.",
    "{surname} met {surname2} in {place} on {day}.",
    "The talks between {surname} and {surname2} lasted three hours, and {surname} {verb} {matter}.",
    "The {surname} administration {verb} {matter}.",
    "Officials of the {surname} government {verb} {matter}.",
    "{surname}'s {thing} {verb} {matter}.",
    "In {day}'s interview with {surname}, {surname2} {verb} {matter}.",
    "A spokesman for {surname} {verb} {matter}.",
    "{demonym} {title} {person} {verb} {matter} on {day}.",
    "{title} {person} {verb} {matter} as {title} {person2} arrived in {place}.",
    "{person}, {demonym} {title}, {verb} {matter}.",
    "{country}'s {title} {person} {verb} {matter}.",
    "{title} {person} of {country} flew to {place} to see {surname}.",
    "{person} was elected {title} in {day}'s vote, while {person2} {verb} {matter}.",
    "Critics of {surname} {verb} {matter}, but {surname2} {verb} it.",
    "By {person}",
    "Supporters urged {surname} to run again; {surname} refused.",
    "After meeting {surname}, {surname2} {verb} {matter}.",
)
ORG_SENTENCES = (
    "{country}'s {body} {verb} {matter} on {day}.",
    "The {body} of {country} {verb} {matter}.",
    "The {demonym} {body} {verb} {matter}.",
    "Staff at {country}'s {body} {verb} {matter} before the vote.",
    "A letter from {surname} to the {body} was published on {day}.",
    "The {body} {verb} {matter}, its spokesman said.",
    "A {body} official in {place} {verb} {matter}.",
    "{title} {person} sued the {body} on {day}.",
    "In a statement, the {body} {verb} {matter}.",
    "{country} and {country2} {verb} {matter} at the {body}.",
    "Shares of {org} rose after the company {verb} {matter}.",
    "{org} hired {person} as its {title}.",
    "{org} {verb} {matter}, said {person}, its {title}.",
    "Researchers at {org} {verb} {matter}.",
    "{surname} left {org} for {org2} on {day}.",
    "{surname} scored twice as {org} beat {org2} in {place}.",
    "{dateline} ({agency}) - {country}'s {body} {verb} {matter} on {day}.",
    "{dateline}: {title} {person} {verb} {matter}, {agency} reported.",
    "{form} {verb} {matter}.",
    "{known} {verb} {matter} on {day}.",
    "The {known} {verb} {matter}, {surname} said.",
    "{person}, {title} of {form}, told {agency} that {clause}.",
    "{form} and {known} {verb} {matter}.",
    "{known} beat {form} on {day}, and {surname} scored twice.",
    "{surname}, of {form}, won the {event} in {place}.",
    "Many feared {event} as {surname} and {surname2} {verb} {matter}.",
    "A lawyer for {org} told the {body} that {clause}.",
)
PLACE_SENTENCES = (
    "{country} and {country2} {verb} {matter}.",
    "{place}, the {demonym} capital, {verb} {matter}.",
    "Leaders of {country} and {country2} {verb} {matter}.",
    "The {country}-{country2} border is closed, {surname} said.",
    "{demonym} troops were sent into {country} in {year}.",
    "Residents of {place} {verb} {matter} on {day}.",
    "The war in {country} {verb} {matter}, {surname} told {press} in {place}.",
    "{demonym}-led talks opened in {place}, {country}, on {day}.",
)
CLAUSES = listed(
    "the deal would be signed this week|talks had gone well|prices would keep rising|"
    "nobody was hurt|the plan was not ready|more troops were needed|the court had been wrong|"
    "elections must be held|he would not resign|she would appeal|they had no choice|"
    "the two sides remain far apart|the market is open to everyone|"
    "the harvest had failed again|the team had played well|"
    "it was too early to judge the results|sanctions hurt ordinary people|"
    "the museum needs a new roof|the road would reopen by summer|the decision will be reviewed|"
    "there is no danger to the public"
)
VERBS = listed(
    "rejected|praised|criticised|criticized|announced|denied|discussed|confirmed|welcomed|"
    "supported|questioned|condemned|proposed|defended|approved|hailed|noted|stressed|"
    "emphasised|opposed|delayed|accepted|described|ignored|presented|demanded|postponed|backed|"
    "warned about|spoke about|voted on|agreed on|has rejected|has announced|had criticized|"
    "will discuss|wants to discuss|is considering|was asked about|refused to comment on|"
    "wrote a book on|played down"
)
MATTERS = listed(
    "the plan|a new law|the budget|the results of the vote|higher tariffs|the ceasefire|"
    "a peace deal|the trade agreement|the sanctions|the report|a visit next month|the charges|"
    "climate policy|the price of oil|a rise in taxes|the merger|the transfer|the new stadium|"
    "the attack|the inquiry|the offer|the evacuation|cuts in interest rates|"
    "a call for early elections|the reforms|the vaccine"
)
THINGS = listed("lawyer|party|decision|team|office|remarks|visit|wife|speech|allies|garden|plan")
DAYS = listed("Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday")
PRESS = listed("reporters|journalists|lawmakers|a news conference|state television|the newspaper")
FORMS = {"form": gazetteer.ORGANISATION_FORMS, "event": gazetteer.EVENTS}
KINDS = (PERSON_SENTENCES, PERSON_SENTENCES, ORG_SENTENCES, PLACE_SENTENCES)
LABELS = {
    "person": "PERSON",
    "surname": "PERSON",
    "country": "LOC",
    "place": "LOC",
    "demonym": "NORP",
    "body": "ORG",
    "org": "ORG",
    "form": "ORG",
    "known": "ORG",
    "agency": "ORG",
    "dateline": "LOC",
    "event": "MISC",
}


@dataclasses.dataclass(frozen=True)
class Generator:
    """Draws chunks of two to five generated sentences."""

    pools: NamePools
    countries: Sequence[str] = dataclasses.field(default_factory=gazetteer.countries)

    def chunk(self, rng: random.Random) -> Chunk:
        """Return one chunk of the corpus ``generated``; equal states of ``rng`` give equal chunks.

        A surname that stands alone is, two times in three, that of a full name used in the chunk.
        """
        full_names = [self._full_name(rng) for _ in range(2)]
        text = ""
        spans: list[Span] = []
        for _ in range(rng.randint(2, 5)):
            sentences = rng.choice(
                (PERSON_SENTENCES, ORG_SENTENCES, PLACE_SENTENCES, PERSON_SENTENCES)
            )
            position = 0
            template = rng.choice(sentences)
            text += " " if text else ""
            sentence_start = len(text)
            for slot in SLOT.finditer(template):
                text += template[position : slot.start()]
                kind = slot.group(1).rstrip("2")
                value = self._fill(kind, full_names, rng)
                if kind in LABELS:
                    spans.append(Span(len(text), len(text) + len(value), LABELS[kind]))
                elif len(text) == sentence_start:
                    value = value[0].upper() + value[1:]
                text += value
                position = slot.end()
            text += template[position:]
        return Chunk(CORPUS, text, tuple(spans))

    def _full_name(self, rng: random.Random) -> str:
        real = self.pools.get(("PERSON", False), ())
        if real and rng.random() < 0.5:
            return rng.choice(real)
        given = rng.choice(gazetteer.GIVEN_NAMES)
        middle = f" {rng.choice('ABCDEFGHJKLMNPRSTW')}." if rng.random() < 0.05 else ""
        return f"{given}{middle} {rng.choice(gazetteer.SURNAMES)}"

    def _fill(self, kind: str, full_names: Sequence[str], rng: random.Random) -> str:
        if kind == "person":
            return rng.choice(full_names)
        if kind == "surname":
            if rng.random() < 0.67:
                return rng.choice(full_names).rsplit(" ", 1)[-1]
            return rng.choice(self.pools.get(("PERSON", True), ()) or gazetteer.SURNAMES)
        if kind == "org":
            many = rng.random() < 0.7
            return rng.choice(self.pools.get(("ORG", not many), ()) or gazetteer.STATE_BODIES)
        if kind == "place":
            return rng.choice(self.pools.get(("LOC", rng.random() < 0.7), ()) or self.countries)
        if kind == "year":
            return str(rng.randint(1990, 2026))
        if kind == "dateline":
            return self._fill("place", full_names, rng).upper()
        if kind in FORMS:
            form = rng.choice(FORMS[kind])
            return SLOT.sub(lambda slot: self._fill(slot.group(1), full_names, rng), form)
        words: dict[str, Sequence[str]] = {
            "country": self.countries,
            "demonym": gazetteer.DEMONYMS,
            "body": gazetteer.STATE_BODIES,
            "known": gazetteer.KNOWN_ORGANISATIONS,
            "agency": gazetteer.AGENCIES,
            "given": gazetteer.GIVEN_NAMES,
            "title": gazetteer.TITLES,
            "clause": CLAUSES,
            "verb": VERBS,
            "matter": MATTERS,
            "thing": THINGS,
            "day": DAYS,
            "press": PRESS,
        }
        return rng.choice(words[kind])
