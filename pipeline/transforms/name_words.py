"""The words that linking knows: titles, generations, family names, and labels of models.

All but the labels are casefolded. They are of our own choosing, from what English news writes; a
word that is missing costs a join, never a mention.
"""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


PERSON_LABELS = frozenset({"PERSON", "PER"})
"""What models call people: ours and OntoNotes (PERSON), CoNLL and WikiNER (PER)."""

PLACE_LABELS = frozenset({"LOC", "GPE", "FAC"})

TITLES = _words(
    """
    mr mrs ms miss mx dr prof professor president vice prime minister premier chancellor deputy
    sen senator rep representative congressman congresswoman gov governor mayor secretary
    ambassador gen general lt lieutenant col colonel maj major capt captain sgt sergeant adm
    admiral judge justice chairman chairwoman rev reverend sir dame
    """
)
"""Left off before a person's name. Not "King", "Pope", "Prince" or "Lady": a part of the name."""

GENERATIONS = _words("jr sr ii iii iv")
"""After a surname: a person of the same name without it is another one."""

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
