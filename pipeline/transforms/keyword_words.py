"""What the keywords know of English words: how rare each is, and whether a phrase may end in it.

The table is `keyword_words.txt.gz`, counted from Wikinews (`pipeline/model/train_keywords.py`).
A word that is not in it is rare, and judged by its ending.
"""

from __future__ import annotations

import functools
import gzip
import importlib.resources
import math
import re
from typing import NamedTuple

TABLE = "keyword_words.txt.gz"

BREAK, MODIFIER, NOUN = 0, 1, 2
"""What a word does in a phrase: it ends one before it, stands before a noun, or may be its last."""

RAREST = 8
"""Words in fewer articles of the table count as if in so many: below, counts are chance."""

KEPT_WORDS = 50_000
"""So many words are remembered with what is known of them: a stream has ever new ones."""

MOST_LETTERS = 40
"""What is longer is no word: a key, a line of a picture. It bounds what is remembered, too."""


class Word(NamedTuple):
    """What is known of a word.

    Attributes:
        key: lower case, a plural as its singular.
        kind: `BREAK`, `MODIFIER` or `NOUN`.
        rarity: the logarithm of how many articles there are for one that has it (idf).
    """

    key: str
    kind: int
    rarity: float


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_FUNCTION_WORDS = _words(
    """
    a about above according across after again against ago all almost along already also although
    always am amid among amongst an and another any anybody anyone anything anywhere are aren't
    around as aside at away back be became because become been before behind being below beneath
    beside besides between beyond both but by can can't cannot could couldn't despite did didn't do
    does doesn't doing don't done down due during each either else elsewhere enough etc even ever
    every everybody everyone everything everywhere except few for from further furthermore had
    hadn't has hasn't have haven't having he he's hence her here hers herself him himself his how
    however i i'd i'll i'm i've if in indeed inside instead into is isn't it it's its itself just
    least less like made make makes making many may maybe me meanwhile might mine more moreover most
    much must my myself near neither never nevertheless next no nobody none nor not nothing now
    nowhere of off often on once one ones only onto or other others otherwise ought our ours
    ourselves out outside over own per perhaps quite rather re really same several shall she she's
    should shouldn't since so some somebody someone something sometimes somewhere soon still such
    than that that's the their theirs them themselves then there there's thereby therefore these
    they they're they've this those though through throughout thus to together too toward towards
    under underneath unless unlike until unto up upon us versus very via vs was wasn't we we'll
    we're we've well were weren't what what's whatever when whenever where whereas wherever whether
    which whichever while whilst who who's whoever whole whom whose why will with within without
    won't would wouldn't yes yet you you'll you're you've your yours yourself yourselves
    """
)
_NUMBERS = _words(
    """
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
    sixteen seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety
    hundred thousand million billion trillion dozen hundreds thousands millions billions dozens
    first second third fourth fifth sixth seventh eighth ninth tenth half quarter twice double
    percent percentage per cent bn mn pct km kg mph
    """
)
_TIMES = _words(
    """
    monday tuesday wednesday thursday friday saturday sunday mon tue tues wed thu thur thurs fri sat
    sun january february march april may june july august september october november december jan
    feb mar apr jun jul aug sep sept oct nov dec today yesterday tomorrow tonight morning afternoon
    evening night midnight noon day days week weeks weekend weekends month months year years decade
    decades century centuries hour hours minute minutes seconds time times period moment date dates
    past future spring summer autumn winter annual annually daily weekly monthly yearly recent
    recently early earlier late later latest currently current former previous previously am pm est
    edt gmt utc cet bst pst pdt mst mdt a.m p.m
    """
)
# True of any article, so that they say nothing of this one.
_SAYS_NOTHING = _words(
    """
    said say says saying told tell stated state statement statements according reported reportedly
    report reports announced announcement announcements claimed claim claims comment comments
    commented spokesman spokeswoman spokesperson spokespeople official officials source sources
    interview press news story article articles media reporter reporters journalist correspondent
    wikinews http https www com org html people person man men woman women individual individuals
    thing things way ways part parts number numbers amount lot lots kind kinds sort type types
    place places area areas case cases fact facts point points side sides end start beginning
    result results reason reasons example examples issue issues matter matters question questions
    problem problems situation situations use need needs want wants chance possibility
    rest total level levels line set order effort efforts attempt attempts step steps action actions
    role member members group groups move moves change changes
    country countries nation nations world
    new old good bad great big small large long short high low better best worse worst major minor
    main key important significant various different similar certain particular special general
    able available possible likely unlikely likely true false real clear full several further
    additional extra certain entire overall potential
    mr mrs ms miss dr prof sir madam gen lt col sgt capt rep sen gov
    inc corp ltd llc plc
    name names contact email phone website information page pages
    thanks thank please welcome
    related event events behalf release releases company companies firm firms team class closing
    conditions understanding
    """
)
STOP_WORDS = _FUNCTION_WORDS | _NUMBERS | _TIMES

WEAK = _SAYS_NOTHING
"""No keywords by themselves, but a part of some ("press freedom", "human rights group")."""

# These end in -ly and are no adverbs alone.
_IN_LY = _words(
    "ally anomaly assembly belly bully butterfly costly deadly elderly family fly friendly "
    "holy homily italy jelly july likely lily lively lonely lovely melancholy monopoly oligopoly "
    "orderly philly rally reply scholarly sicily supply ugly unlikely weekly"
)
_NOUNS_IN_ED = _words(
    "accused bed deceased flatbed hatred kindred seabed shed shred sled unemployed watershed wed"
)
_SAME_IN_PLURAL = _words(
    "news series species headquarters means goods works always perhaps gas gases lens chaos bias "
    "christmas texas arkansas kansas illinois paris laos honduras athens brussels mars venus"
)
_IRREGULAR = {
    "children": "child",
    "crises": "crisis",
    "lives": "life",
    "wives": "wife",
    "knives": "knife",
    "wolves": "wolf",
    "thieves": "thief",
    "leaves": "leaf",
}


_UNKNOWN = (0, "?")
_NAME_WORD = re.compile(r"[^\W_][\w.&'’]*")
_NAME_CHARACTERS = 200


@functools.cache
def _table() -> tuple[dict[str, tuple[int, str]], int]:
    """Word -> (articles, kind), and of how many articles; read once a process (about 15 ms)."""
    packed = importlib.resources.files("pipeline.transforms").joinpath(TABLE).read_bytes()
    table: dict[str, tuple[int, str]] = {}
    articles = 0
    for line in gzip.decompress(packed).decode().splitlines():
        if line.startswith("#"):
            if line.startswith("# articles "):
                articles = int(line.rpartition(" ")[2])
            continue
        word, count, kind = line.split(" ")
        table[word] = int(count), kind
    return table, articles


@functools.lru_cache(KEPT_WORDS)
def look_up(token: str) -> Word:
    """What is known of a word as it stands in a text.

    >>> look_up("remittances").key, look_up("announced").kind == BREAK
    ('remittance', True)
    """
    table, articles = _table()
    word = token.lower().replace("’", "'").rstrip(".")
    if not 1 < len(word) <= MOST_LETTERS or word in STOP_WORDS:
        return Word(word[:MOST_LETTERS], BREAK, 0.0)
    key = singular(word)
    count, kind = table.get(word, _UNKNOWN)
    if key != word:
        singular_count, singular_kind = table.get(key, _UNKNOWN)
        count = max(count, singular_count)
        if kind == "?" and singular_kind in "no":
            # "resigns" is to "resign" as "markets" to "market".
            kind = singular_kind
    rarity = math.log((articles + 1) / max(count, RAREST))
    return Word(key, _kind(token, word, kind), rarity)


@functools.lru_cache(KEPT_WORDS // 5)
def name_words(name: str) -> tuple[Word, ...]:
    """What is known of the words of a name, those joined by hyphens one by one.

    >>> [word.key for word in name_words("Muqtada al-Sadr")]
    ['muqtada', 'al', 'sadr']
    """
    return tuple(look_up(word) for word in _NAME_WORD.findall(name[:_NAME_CHARACTERS]))


def _kind(token: str, word: str, kind: str) -> int:
    if word.endswith("ly") and word not in _IN_LY:
        return BREAK
    if kind == "n":
        # "erupted" and "numerous" stand where nouns do, too.
        is_participle = word.endswith("ed") and not word.endswith("eed")
        other = (is_participle and word not in _NOUNS_IN_ED) or word.endswith("ous")
        return MODIFIER if other else NOUN
    if kind == "m":
        return MODIFIER
    if kind == "o":
        return BREAK
    if token[0].isupper():
        return NOUN
    if word.endswith(("ed", "ize", "ise", "izes", "ises", "n't", "'ll", "'ve", "'re", "'d")):
        return BREAK
    if "-" in word and not word.endswith("ing"):
        return MODIFIER
    if word.endswith(("ing", "ous", "ive", "able", "ible", "ful", "less", "ish", "ical", "ific")):
        return MODIFIER
    return NOUN


def singular(word: str) -> str:
    """The singular of a word in lower case, where it is known or the rule is plain.

    >>> [singular(each) for each in ("taxes", "policies", "markets", "politics", "crisis")]
    ['tax', 'policy', 'market', 'politics', 'crisis']
    """
    irregular = _IRREGULAR.get(word)
    if irregular:
        return irregular
    if word.endswith("men") and word != "specimen":
        return word[:-2] + "an"
    if len(word) < 4 or word[-1] != "s" or word in _SAME_IN_PLURAL:
        return word
    if word.endswith(("ss", "us", "is", "ics", "'s")):
        return word
    table, _ = _table()
    if word.endswith("ies"):
        return word[:-3] + "y" if word[:-3] + "y" in table or len(word) > 5 else word[:-1]
    if word.endswith(("ses", "xes", "zes", "ches", "shes", "oes")) and word[:-2] in table:
        return word[:-2]
    if word.endswith(("as", "os")) and word in table and word[:-1] not in table:
        return word
    return word[:-1]
