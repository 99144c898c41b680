"""Georgia: the country, the US state, or neither."""

from __future__ import annotations

import re

from pipeline.transforms.place_words import OTHER_STATE

COUNTRY, STATE = "GE", "US"

_COUNTRY = re.compile(
    r"Tbilisi|Batumi|Kutaisi|Abkhazia|South Ossetia|Georgian Dream|Saakashvili|Ivanishvili|"
    r"Kobakhidze|Zourabichvili|Kavelashvili|Caucasus|(?<=\w{3})(?:shvili|adze)\b"
)
_STATE = re.compile(
    r"Atlanta|Savannah|Augusta|Fulton|DeKalb|Cobb\b|Gwinnett|Kemp\b|Raffensperger|Ossoff|Warnock|"
    r"\bGa\.|Bulldogs|state of Georgia|Georgia (?:Tech|State|Power|Southern|Gov|Bureau)|"
    r"University of Georgia|Peach State|Fani Willis|Macon\b|"
    # `in Rome, Georgia`, but not `in Ukraine, Georgia and Moldova`
    r"\b(?:in|near|from|of|outside) [A-Z]\w+(?: [A-Z]\w+)?, "
    r"Georgia(?:[.;:)]|,(?! and | or | [A-Z])|$)"
)
_MILD_COUNTRY = re.compile(
    r"\b[Pp]arliament|\b[Pp]rime [Mm]inister|\b[Ff]oreign [Mm]inist|European Union|\bEU\b|\bNATO\b|"
    r"Black Sea|\b[Ll]ari\b|Eurovision|UEFA|Six Nations"
)
_MILD_STATE = re.compile(
    rf"Republican|Democrat|\bGOP\b|\b[Gg]overnor|\bGov\.|\b[Cc]ount(?:y|ies)\b|[Ss]heriff|"
    rf"\b[Ss]tate (?:[Ss]enat|[Ll]awmaker|[Hh]ouse|[Ll]egislat|[Tt]rooper)|"
    rf"[Ss]ecretary of [Ss]tate|{OTHER_STATE}"
)


def georgia(texts: tuple[str, ...], *, others: bool) -> str | None:
    """What the Georgia of an article is: `COUNTRY`, `STATE`, or None where nothing tells.

    Args:
        others: the article names another country that is not the United States.

    Names that belong to one of the two decide; then words that go with one of them (a county,
    another state; a parliament, the EU); then the company of other countries.
    """
    for country, state in ((_COUNTRY, _STATE), (_MILD_COUNTRY, _MILD_STATE)):
        for_country = any(country.search(text) for text in texts)
        for_state = any(state.search(text) for text in texts)
        if for_country != for_state:
            return COUNTRY if for_country else STATE
        if for_country and country is _COUNTRY:
            return COUNTRY
    return COUNTRY if others else None
