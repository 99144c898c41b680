from pipeline.model.cleaning import CleaningRules, clean
from pipeline.model.corpus import Chunk, Span


def chunk(text: str, **names: str) -> Chunk:
    """A chunk whose spans are the given names (``_`` for a space) where they first occur."""
    spans = []
    for name, label in names.items():
        start = text.index(name.replace("_", " "))
        spans.append(Span(start, start + len(name), label))
    return Chunk("gmb", text, tuple(sorted(spans, key=lambda span: span.start)))


def labels(cleaned: Chunk) -> dict[str, str]:
    return {cleaned.text[span.start : span.end]: span.label for span in cleaned.spans}


def test_a_possessive_at_the_head_of_a_name_is_cut_off() -> None:
    text = "Peru's Fisheries Ministry"
    dirty = Chunk("gmb", text, (Span(0, 4, "LOC"), Span(4, len(text), "ORG")))
    assert labels(clean([dirty], CleaningRules())[0]) == {
        "Peru": "LOC",
        "Fisheries Ministry": "ORG",
    }


def test_a_place_before_a_possessive_becomes_a_name_of_its_own() -> None:
    whole = Chunk("gmb", "Peru's High Court ruled", (Span(0, 17, "ORG"),))
    cleaned = clean([whole, chunk("In Peru", Peru="LOC")], CleaningRules())[0]
    assert labels(cleaned) == {"Peru": "LOC", "High Court": "ORG"}


def test_names_that_only_look_like_possessives_stay_whole() -> None:
    whole = Chunk("gmb", "Lord's Resistance Army fled", (Span(0, 22, "ORG"),))
    assert clean([whole], CleaningRules()) == [whole]


def test_fixed_names_get_their_label() -> None:
    cleaned = clean([chunk("Peru won", Peru="ORG")], CleaningRules({"Peru": "LOC"}))
    assert labels(cleaned[0]) == {"Peru": "LOC"}


def test_a_bare_surname_is_the_person_named_in_full_in_the_same_chunk() -> None:
    dirty = chunk("Ana Ruiz spoke. The Ruiz plan", Ana_Ruiz="PERSON")
    dirty = Chunk("gmb", dirty.text, (*dirty.spans, Span(20, 24, "ORG")))
    assert [span.label for span in clean([dirty], CleaningRules())[0].spans] == ["PERSON"] * 2


def test_rare_labels_of_frequent_names_become_missing() -> None:
    right = [chunk("In Tirana", Tirana="LOC")] * 9
    wrong = chunk("In Tirana", Tirana="PERSON")
    cleaned = clean([*right, wrong], CleaningRules())
    assert cleaned[:9] == right
    assert cleaned[9].spans == ()
    assert cleaned[9].missing == ((3, 9),)


def test_an_organisation_named_like_many_persons_becomes_missing() -> None:
    persons = [chunk("Ana Ruiz", Ana_Ruiz="PERSON")] * 5
    cleaned = clean([*persons, chunk("The Ruiz team", Ruiz="ORG")], CleaningRules())
    assert cleaned[5].missing == ((4, 8),)


def test_a_name_that_ends_unlike_its_label_becomes_missing() -> None:
    parties = [chunk(f"The N{n} Party", **{f"N{n}_Party": "ORG"}) for n in range(30)]
    cleaned = clean([*parties, chunk("In Labor Party", Labor_Party="LOC")], CleaningRules())
    assert cleaned[:30] == parties
    assert cleaned[30].missing == ((3, 14),)
