"""The words that linking knows: titles, generations, family names, and labels of models.

All but the labels are casefolded. They are of our own choosing, from what English news writes; a
word that is missing costs a join, never a mention.
"""

from __future__ import annotations

from collections.abc import Mapping


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


PERSON_LABELS = frozenset({"PERSON", "PER"})
"""What models call people: ours and OntoNotes (PERSON), CoNLL and WikiNER (PER)."""

PLACE_LABELS = frozenset({"LOC", "GPE", "FAC"})

ORGANISATION_LABELS = frozenset({"ORG"})

GROUP_LABELS = frozenset({"NORP"})
"""Peoples, religions, adherents of parties."""

TITLES = _words(
    """
    mr mrs ms miss mx dr prof professor president vice prime minister premier chancellor deputy
    sen senator rep representative congressman congresswoman gov governor mayor secretary
    ambassador gen general lt lieutenant col colonel maj major capt captain sgt sergeant adm
    admiral judge justice chairman chairwoman rev reverend sir dame lord secretary-general
    vice-president president-elect attorney-general commissioner detective inspector officer
    madam madame mme mlle monsieur herr frau señor señora
    """
)
"""Left off before a person's name. Not "King", "Pope", "Prince" or "Lady": a part of the name."""

GENERATIONS = _words("jr sr ii iii iv")
"""After a surname: a person of the same name without it is another one."""

COURTESIES: Mapping[str, str] = {
    **dict.fromkeys(("mr", "sir", "lord", "monsieur", "herr", "señor"), "m"),
    **dict.fromkeys(("mrs", "ms", "miss", "dame", "madame", "mme", "frau", "señora"), "f"),
}
"""Where both kinds stand before one bare surname, two people have it."""

ARTICLES_OF_SURNAMES = _words("al el ar as ad an ash")
"""Left out where a surname is cut short: "al-Rashidi" is also "Rashidi"."""

FAMILY_NAMES_FIRST = _words(
    """
    xi li wang zhang liu chen yang huang zhao wu zhou xu sun ma zhu hu guo he lin gao luo zheng
    liang xie tang deng feng cao peng zeng xiao tian dong pan yuan cai jiang yu du ye cheng wei
    su lu ding ren shen yao jia hou qin wen mao kim park lee choi jeong jung kang cho yoon yun
    jang lim han seo shin kwon hwang ahn moon roh nguyen tran le pham hoang phan vu vo dang bui
    do ngo trinh tsai lai chiang
    """
)
"""Family names that stand first ("Xi Jinping"): the bare form of such a name is its first word.

Any first word may be joined with the one full name of a person it fits; but only with these does it
also take that name's label, because "Paris" in an article on Paris Hilton may well be the city.
"""

SURNAMES_THAT_ARE_PLACES = _words(
    """
    austin berlin boston brandenburg chad charlotte china cleveland cuba dallas darwin denver
    england florence france georgia germany holland houston ireland israel jackson jordan kent
    kingston lancaster lebanon lincoln london madison mali montana orlando oxford paris perth
    phoenix poland richmond rome scotland spain sydney victoria virginia wales washington
    wellington york
    """
)
"""Where a model calls these a place it is believed, though a person in the article has the name."""

SURNAMES_THAT_ARE_COMPANIES = _words(
    """
    adidas armani barclays bentley bloomberg boeing bosch cadbury cadillac chanel chevrolet chrysler
    cisco citroën dell deere dior disney dyson ferrari forbes ford gillette goldman gucci hearst
    heineken heinz hershey hilton honda kellogg lamborghini lehman lilly macy marriott mars maserati
    mattel mclaren mercedes merck michelin morgan nestlé nintendo nordstrom opel peugeot pfizer
    philips porsche prada renault reuters rothschild samsung schlumberger siemens sinclair suzuki
    tata tesla toyota versace walgreens
    """
)
"""Where a model calls these an organisation it is believed, as with places."""

LEGAL_FORMS = _words(
    "inc incorporated corp corporation co company ltd limited plc llc lp llp ag sa se nv bv gmbh "
    "kg spa srl ab asa oyj pty kk"
)
"""At the end of a company's name, where news writes one and then another, or none."""

KINDS = LEGAL_FORMS | _words(
    """
    group holding holdings motor motors airlines airways bank university college party
    international technologies systems industries pharmaceuticals entertainment brothers
    united city town county rovers wanderers athletic albion hotspur rangers fc afc cf sc
    department ministry administration
    """
)
"""What kind of thing an organisation is: left out when it is named again ("Leeds", "Boeing").

Not "News", "Research", "Foundation" and the like, which make another one of it.
"""

BODIES = frozenset({"commission", "congress", "general assembly", "red cross", "security council"})
"""Named again without whose they are. Not courts, senates, ministries: of these each state has one,
and an article on a state's may name the country's.
"""

PLURALS_OF_MANY = _words(
    """
    ads airlines airports airways authorities brothers communications conservatives courts democrats
    enterprises films forces futures games greens holdings industries investments labs liberals maps
    markets motors news nations networks partners pharmaceuticals pictures ports properties
    republicans resources securities services socialists solutions sounds sports states studios
    systems teams technologies times trains ventures veterans workers works
    """
)
"""Plurals at the end of names that are no nicknames of teams."""

UNSPOKEN_HEADS = _words("department ministry")
"""Left out of an acronym: HHS is the Department of Health and Human Services."""

SAME_PLACES: Mapping[str, str] = {
    **dict.fromkeys(("uk", "united kingdom", "britain", "great britain"), "GB"),
    **dict.fromkeys(("us", "usa", "united states", "united states of america", "america"), "US"),
}
"""Two countries that English news calls by two names in one article as a rule."""
