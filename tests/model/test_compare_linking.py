"""The lines of `make eval-ner` on linking."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.model import compare_linking
from pipeline.model.corpus import Span
from pipeline.model.linking_gold import parse_article, read_linked

ARTICLE = parse_article(
    "7 talks\n[PUTIN|PERSON|Vladimir Putin] speaks\n\n"
    "[Vladimir Putin|PERSON] and [Bobby|PERSON|Robert Roe]. [Robert Roe|PERSON].",
    "here",
)


def lines(predict: compare_linking.Predict) -> list[str]:
    return list(compare_linking.report("Linking", [ARTICLE], {"model": predict}))


def whole_texts(texts: Sequence[str]) -> list[list[Span]]:
    """Finds in each text what it begins with: PUTIN in the title, Vladimir Putin in the body."""
    return [[Span(0, len("PUTIN") if text.startswith("P") else 14, "PERSON")] for text in texts]


def test_linking_stands_beside_equal_text_with_given_and_found_mentions() -> None:
    printed = lines(whole_texts)
    assert "1 articles, 4 mentions of 2 entities." in printed
    rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in printed if "|" in row]
    assert [row[:2] for row in rows[2:]] == [
        ["annotated", "equal text"],
        ["annotated", "linking"],
        ["model", "equal text"],
        ["model", "linking"],
    ]
    assert len({len(row) for row in rows}) == 1, "a cell for each head"
    assert rows[2][3] == "50.0", "four entities of one mention"
    assert rows[3][2:5] == ["100.0", "75.0", "85.7"]
    assert rows[5][2:5] == ["100.0", "50.0", "66.7"]
    assert rows[3][-2:] == ["0", "1"]
    assert "Wrong joins by linking: 0." in printed
    assert lines(whole_texts) == printed


def test_wrong_joins_are_shown_one_by_one() -> None:
    one_name = parse_article("9 twins\nx\n\n[Roe|ORG] and [Roe|PERSON]", "here")

    def persons(texts: Sequence[str]) -> list[list[Span]]:
        return [[] if t == "x" else [Span(0, 3, "PERSON"), Span(8, 11, "PERSON")] for t in texts]

    printed = list(compare_linking.report("h", [one_name], {"m": persons}))
    assert "- m, 9 twins: Roe = Roe" in printed


def test_linking_is_far_better_than_equal_text_and_hardly_ever_wrong() -> None:
    """On both parts; well under what it reaches today, so that only a fault can break it."""
    for part, least in (("dev", 0.95), ("test", 0.90)):
        articles = read_linked("dev" if part == "dev" else "test")
        scores = [
            compare_linking.clusters.score(
                compare_linking.link(compare_linking.annotated(a), a.title, a.body), a.entities
            )
            for a in articles
        ]
        total = sum(scores, compare_linking.clusters.Score())
        assert total.bcubed.recall > least
        assert total.bcubed.precision > 0.98
        assert len(total.wrong_joins) <= 2
