"""Towns, states and what carries their names: clubs, papers, persons, universities."""

from __future__ import annotations

import pytest

from pipeline.transforms.places import countries


def codes(body: str, title: str | None = None) -> str:
    return " ".join(sorted(tag.code for tag in countries(title, body)))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        # large cities
        ("Heavy rain flooded Mumbai, and flights from Shanghai were late.", "CN IN"),
        ("Istanbul's mayor spoke in Barcelona.", "ES TR"),
        ("Lagos, Karachi and Sao Paulo grew; São Paulo most.", "BR NG PK"),
        ("A train derailed outside Toronto.", "CA"),
        ("Kharkiv was shelled before dawn.", "UA"),
        ("NEW YORK was quiet.", "US"),
        ("New Yorkers and Londoners queued.", "GB US"),
        ("Hong Kong shares fell.", "HK"),
        ("Łódź and Örebro are twins.", "PL SE"),
        # states and provinces
        ("Voters in California, Texas and Florida went to the polls.", "US"),
        ("New Mexico's governor signed.", "US"),
        ("West Virginia miners struck.", "US"),
        ("Inner Mongolia's mines closed.", "CN"),
        ("Gunmen struck in Niger State and the Niger Delta.", "NG"),
        ("Ohio State Police stopped a car.", "US"),
        ("She moved to New York State.", "US"),
        # with a second half
        ("A fire in Lebanon, Pennsylvania, hurt two.", "US"),
        ("A fire in Reading, Pa., hurt two.", "US"),
        ("She moved to Naples, Fla., in 2001.", "US"),
        ("In London, Ontario, police said no.", "CA"),
        ("Police in Valencia, Venezuela, said so.", "VE"),
        ("Floods hit Hyderabad, Pakistan.", "PK"),
        ("The chip plant is in Dallas, TX.", "US"),
        ("St. Petersburg, Florida, was hit.", "US"),
        ("St. Petersburg police arrested two.", "RU"),
        ("In Paris, Germany's chancellor met the president.", "DE FR"),
        ("In Paris, Georgia's president met Armenia's.", "AM FR GE"),
        ("Flights to London, France and Spain were late.", "ES FR GB"),
        ("TX is a postal code, and Pa. is short for something.", ""),
        # more than one place has the name
        ("Birmingham voted.", ""),
        ("Birmingham voted, a British paper said.", "GB"),
        ("Perth, Santiago, Cordoba and San Jose.", ""),
        ("Santiago left. Sofia and Wellington stayed.", ""),
        ("Protests in Santiago, in Sofia and in Wellington.", "BG CL NZ"),
        ("He lives in Wellington, Florida.", "US"),
        # papers
        ("The New York Times, the Boston Globe and the Chicago Tribune agreed.", ""),
        ("THE NEW YORK TIMES SUED.", ""),
        ("The Los Angeles Times and The New Yorker printed it.", ""),
        ("The Jakarta Post and the Times of India reported it.", ""),
        # clubs
        ("The Los Angeles Lakers beat the Chicago Bulls.", ""),
        ("The Boston Red Sox beat the Toronto Blue Jays and the New York Yankees.", ""),
        ("Bayern Munich drew with Paris Saint-Germain and Real Madrid.", ""),
        ("Manchester United lost to Manchester City and Leeds United.", ""),
        ("Ohio State beat Michigan State.", ""),
        ("The Mumbai Indians beat the Delhi Capitals.", ""),
        ("Fans rioted in Munich.", "DE"),
        # firms, universities, roads
        ("Bank of America, American Airlines and British Airways cut jobs.", ""),
        ("Turkish Airlines, Air France and Ethiopian Airlines resumed flights.", ""),
        ("A study by the University of Chicago and Boston University found it.", ""),
        ("The shop on Oxford Street closed; so did one in New York Avenue.", ""),
        ("The Duke of Edinburgh met the Archbishop of Canterbury.", ""),
        ("Lebanon County and Turkey Creek are far apart.", ""),
        # persons
        ("Sydney Sweeney and Austin Butler star.", ""),
        ("Milan Kundera read Florence Nightingale.", ""),
        ("Jordan Peterson and Orlando Bloom spoke.", ""),
        ("Virginia Woolf and Joe Montana and Whitney Houston.", ""),
        ("Kobe Bryant and Brooklyn Beckham.", ""),
        ("We had a cow called Florence.", ""),
        ("Singer Belinda Houston sang.", ""),
        ("Fleeing Houston, families drove north.", "US"),
        ("Sydney Harbour froze in Sydney.", "AU"),
        ("Milan's prosecutors spoke.", "IT"),
        # treaties, food, manners of speaking
        ("The Paris Agreement and the Geneva Conventions hold.", ""),
        ("Stockholm syndrome and Brussels sprouts.", ""),
        ("A Jersey cow, a Great Dane and a Boston terrier.", ""),
        ("Swiss cheese, Danish pastry, a Dutch oven and a Swiss Army knife.", ""),
        ("Spanish flu, guinea fowl, Guinea pigs and Turkish delight.", ""),
        # languages
        ("She speaks Spanish or Portuguese as well as English.", ""),
        ("She studied American history.", "US"),
        # people
        ("A Dane, a Swede, a Turk and two Poles walk into a bar.", "DK PL SE TR"),
        ("The Young Turks of the party and a Great Dane.", ""),
        # titles
        ("The President of the United States spoke.", "US"),
        ("The Queen, the Pope and the Prince of Wales met.", ""),
        ("African American and Italian American voters.", "US"),
    ],
)
def test_sentence(body: str, expected: str) -> None:
    assert codes(body) == expected


def test_a_town_of_another_countrys_name_stays_one() -> None:
    assert codes("The Paris City Council voted. Paris is glad.", "Paris, Texas, votes") == "US"


def test_a_given_name_in_a_headline_needs_the_body() -> None:
    assert codes("", "Sydney Braces for Heat") == ""
    assert codes("Sydney was hot.", "Sydney Braces for Heat") == "AU"
