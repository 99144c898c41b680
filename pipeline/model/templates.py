"""Generated training sentences: what the corpora show too seldom.

Bare surnames as subjects and objects, surnames before "administration" or "government", names
after long titles, state bodies after a possessive or a demonym, companies and teams by their verbs,
teams named by their town, storms, vehicles, tournaments, headlines, and capitals that are no names.
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
SPORT_SENTENCES = (
    "{team} defeated {team2} {score} in round {number} of the {year} {league} season.",
    "{team} beat {team2} {score} on {day}.",
    "{team} defeat {team2} in {number} round of {year} {league} season",
    "{team} coach {person} said the side {verb} {matter}.",
    "{team} captain {surname} lamented the loss to {team2}.",
    "{team} opened the game with two tries before {team2} hit back.",
    "{surname} scored for {team} in the match between {team} and {team2} at {place}.",
    "The match against {team} was not easy, {surname} said.",
    "{league} suspends season; {team}'s game against {team2} was cancelled.",
    "{country}'s {surname} wins gold at {tournament} in {place}",
    "{person} of {country} won the {tournament} in {place}, {country2}, on {day}.",
    "{country}'s {person} sets new world record at {tournament}",
    "The {tournament} are held every other year; {surname} ran there in {year}.",
    "Striker {surname} left {team} for {demonym} club {team2}.",
    "{surname} had a time of two hours, and third place went to {person2}.",
)
STORM_SENTENCES = (
    "{storm} made landfall in {place} on {day}.",
    "{storm} strengthens to hurricane near {place}",
    "The {storm} season flooded {place}; {agency} reported that {clause}.",
    "{given_storm} was expected to pass {place} on {day}, the {centre} said.",
    "At the time, {given_storm} had winds of 75 miles per hour ({number} kilometres per hour).",
    "The {centre} ({acronym}) said {storm} would reach {place} by 5 p.m. (2100 UTC).",
    "{acronym} put the epicentre {number} kilometres south of {place}, {country}.",
    "The {centre} reported the magnitude was 5.5; the {acronym} reported 5.8.",
    "{vehicle} crashed near {place}, {country}, on {day}, {agency} reported.",
    "The {vehicle}, owned by {firm}, left {place} at 8:30 p.m. (1930 UTC).",
    "The voice recorder of {flight} has been found off {place}.",
    "The {cathedral} in {place} caught fire on {day}; the cathedral was closed.",
)
FIRM_SENTENCES = (
    "In {year}, {firm} announced that {clause}.",
    "{firm} said in a filing to the {body} that {clause}.",
    "{firm} recalls {number} vehicles over emission tests",
    "According to {firm}, {clause}.",
    "The report by {firm}, a company that makes cars, {verb} {matter}.",
    "Shares of {firm} and {firm2} fell on {day}.",
    "{firm} began to sell its {product} in {country} in {year}.",
    "The {product} was shown by {firm} in {place}.",
    "{firm} restaurants in {country} will close, {surname} said.",
    "{person}, chief executive of {firm}, {verb} {matter}.",
    "The court heard that {surname} had sold {firm} shares to {surname2}.",
    '{person} wrote on {firm}: "{clause}".',
    "{place} hosts {tournament} and the {fair}",
    "{school} ({acronym}) has a strong team, its {title} {person} said.",
    "In a study, {person} of the {school} and {person2} of {acronym} {verb} {matter}.",
    "The {school}'s Institute for {field} {verb} {matter}.",
    "{firm} hired law firm {surname} {surname2}, according to {press}.",
)
CONTEXT_SENTENCES = (
    "{person} tests positive for COVID-19",
    "The coronavirus SARS-CoV-2 causes COVID-19, {surname} told {press}.",
    "{country} has the highest number of COVID-19 cases in {country2}'s region.",
    "{surname} won the {party} and {party2} {state} primaries.",
    "{party} {title} {person} of {state} voted against {matter}.",
    "Two {party} Representatives, {person} and {person2}, {verb} {matter}.",
    "{surname} won the {party} primary in {state} with 12 delegates.",
    "The nominee for the {year} {country} presidential election is {person}.",
    "Mayor of {place} {person} {verb} {matter}.",
    "Sultan {surname} of {country} dies",
    "Judge {surname} set bail for {surname2} at $2 million.",
    "Prosecutors said {surname} gave {surname2} money; {surname} pleaded not guilty.",
    "News of {surname}'s conviction {verb} {matter}.",
    "Associates of {surname} said he was poisoned.",
    "{surname} was born in {place} and studied at the {school}.",
    "{surname} was flown from {place} to {place2}, {country}.",
    "{country} leader {surname} dies at 97",
    "Former {country} {title} {person} dies at age 66",
    "{surname}, they said, had been ill since {day}. {surname} made 29 films.",
    "In the wake of {surname}'s death, {demonym} {title} {person} {verb} {matter}.",
    "The {number} a.m. (0454 UTC) report said {clause}.",
    "A car bomb went off in {place}, the capital of {country}'s {place2} province.",
    "The procession went through {place} and ended on the banks of the {river}.",
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
FORMS = {
    "form": gazetteer.ORGANISATION_FORMS,
    "event": gazetteer.EVENTS,
    "storm": gazetteer.STORMS,
    "tournament": gazetteer.TOURNAMENTS,
    "fair": gazetteer.FAIRS,
    "school": gazetteer.SCHOOLS,
    "centre": gazetteer.CENTRES,
    "flight": gazetteer.FLIGHTS,
    "cathedral": listed("{place} Cathedral|{place} Bridge|{place} Airport|{place} Hospital"),
    "river": listed("{place}|River {place}|{place} River"),
    "given_storm": listed("{given}"),
}
KINDS = (
    *(PERSON_SENTENCES, PERSON_SENTENCES, ORG_SENTENCES, PLACE_SENTENCES),
    *(SPORT_SENTENCES, STORM_SENTENCES, FIRM_SENTENCES, CONTEXT_SENTENCES),
)
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
    "team": "ORG",
    "league": "ORG",
    "firm": "ORG",
    "school": "ORG",
    "centre": "ORG",
    "acronym": "ORG",
    "state": "LOC",
    "cathedral": "LOC",
    "river": "LOC",
    "party": "NORP",
    "storm": "MISC",
    "given_storm": "MISC",
    "tournament": "MISC",
    "fair": "MISC",
    "vehicle": "MISC",
    "flight": "MISC",
    "product": "MISC",
}


def invented(names: Sequence[str], rng: random.Random) -> str:
    """Return a word that is probably no name: the head of one of ``names`` and the tail of another.

    What a model learns from it is the place of a name in a sentence, not the name.
    """
    head, tail = (rng.choice(names).split(" ")[-1] for _ in range(2))
    return head[: max(2, len(head) // 2)].rstrip("-'’.") + tail[len(tail) // 2 :].lower()


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
            position = 0
            template = rng.choice(rng.choice(KINDS))
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
            if rng.random() < 0.5:
                return invented(self.pools.get(("PERSON", True), ()) or gazetteer.SURNAMES, rng)
            return rng.choice(self.pools.get(("PERSON", True), ()) or gazetteer.SURNAMES)
        if kind == "org":
            many = rng.random() < 0.7
            return rng.choice(self.pools.get(("ORG", not many), ()) or gazetteer.STATE_BODIES)
        if kind == "place":
            return rng.choice(self.pools.get(("LOC", rng.random() < 0.7), ()) or self.countries)
        if kind == "year":
            return str(rng.randint(1990, 2026))
        if kind == "team":
            if rng.random() < 0.6:
                return self._fill("place", full_names, rng)
            return f"{self._fill('place', full_names, rng)} {rng.choice(gazetteer.TEAM_NAMES)}"
        if kind == "firm":
            if rng.random() < 0.4:
                return rng.choice(gazetteer.FIRMS)
            if rng.random() < 0.5:
                return invented(gazetteer.FIRMS, rng)
            return rng.choice(self.pools.get(("ORG", True), ()) or gazetteer.FIRMS)
        if kind == "acronym":
            return "".join(rng.choice("ABCDEFGHIJLMNOPRSTUW") for _ in range(rng.randint(2, 5)))
        if kind == "number":
            return rng.choice(("third", "five", str(rng.randint(2, 90))))
        if kind == "score":
            return rng.choice(
                (f"{rng.randint(20, 60)} points to {rng.randint(3, 20)}", "2-1", "3–0")
            )
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
            "state": gazetteer.US_STATES,
            "party": gazetteer.PARTY_MEMBERS,
            "league": gazetteer.LEAGUES,
            "vehicle": gazetteer.VEHICLES,
            "product": gazetteer.PRODUCTS,
            "field": gazetteer.FIELDS,
        }
        return rng.choice(words[kind])
