"""Words beside a name that tell what it is: of a person, a club, a newspaper, a street.

Of our own writing. They hold what news really has, and nothing that is a common word too (Will,
Mark, Grant, May among the given names; Fire, Heat, Storm among the clubs): a wrong veto loses a
country. Whole names that no rule can tell are in `no_places.txt`.
"""

from __future__ import annotations

import re


def words(text: str) -> frozenset[str]:
    """The words in `text`; an underscore stands for a space."""
    return frozenset(word.replace("_", " ") for word in text.split())


GIVEN_NAMES = words(
    "Aaron Adam Alan Albert Alex Alexander Alice Amy Andrew Angela Ann Anna Anne Anthony Arthur "
    "Barbara Ben Benjamin Beth Betty Bob Brad Brenda Brian Bruce Candice Carl Carol Caroline "
    "Catherine Charles Charlie Chris Christopher Cindy Claire Colin Craig Cynthia Dan Daniel Dave "
    "David Dawn Deborah Denise Dennis Diana Diane Don Donald Doug Douglas Ed Eddie Edward Eleanor "
    "Elizabeth Ellen Emily Emma Eric Ethan Evan Frank Fred Gary Gavin George Gerald Gordon Greg "
    "Gregory Grover Hannah Harold Harry Heather Helen Henry Howard Ian Irvine Irving Jack Jacob "
    "Jake James Jamie Jane Janet Jason Jeff Jeffrey Jennifer Jenny Jeremy Jerry Jesse Jessica "
    "Jill Jim Jimmy Joan Joaquin Joe John Johnny Jon Jonathan Joseph Josh Joshua Joyce Juan "
    "Judith Judy Julia Julian Julie Karen Kate Katherine Kathleen Kathryn Kathy Keith Kelly Ken "
    "Kenneth Kerry Kevin Kim Kyle Larry Laura Lauren Lee Linda Lisa Liz Louis Lucy Luke Lynn "
    "Lynne Margaret Maria Marie Martin Mary Matt Matthew Megan Melissa Michael Michelle Mike "
    "Nancy Natalie Neil Nicholas Nicole Nigel Oliver Olivia Pamela Patricia Patrick Paul Paula "
    "Peter Phil Philip Rachel Ralph Ray Rebecca Richard Rick Robert Robin Roger Ron Ronald Rose "
    "Roy Russell Ruth Ryan Sam Samantha Samuel Sandra Sara Sarah Scott Sharon Shaun Simon "
    "Stephanie Stephen Steve Steven Stuart Susan Ted Teresa Terry Thomas Tim Timothy Tina Todd "
    "Tom Tony Tyler Vernon Vincent Walter Wayne Wendy Whitney William Zach"
)
HONORIFICS = words(
    "Mr Mr. Mrs Mrs. Ms Ms. Miss Dr Dr. Prof. Sen. Rep. Sgt. Capt. Lt. Sir Dame Baroness"
)
# Names that people bear, too: doubt about one mention is doubt about the rest.
BORNE = words(
    "Jordan Chad Georgia Israel Cuba Kenya India Holland Ireland England Scotland Wales Paris "
    "London Berlin French German Montserrat Jersey Sofia Victoria Hamilton Wellington Washington "
    "Kingston Stanley Lima Vienna Brazil Malta Chile Poland Spain Rome Hague Douglas Mali China "
    "Houston Denver Cleveland Dallas Phoenix Austin Orlando Charlotte Savannah Brooklyn Virginia "
    "Montana Indiana Sydney Milan Florence Adelaide Verona Siena Kobe Bergen Boston Raleigh "
    "Charleston Dayton Roswell Memphis Bristol Sheffield Carolina Odessa Alexandria Lourdes"
)
PARTICLES = words("de De da Da")
SAID = words("said says added named")
STREETS = words("Street St Avenue Ave Road Boulevard Drive Lane Court Terrace")

# Given names rather than countries where another capitalised word follows ...
GIVEN_COUNTRIES = words("Jordan Chad Georgia")
# ... or names to doubt there, which nearly all are places where they stand alone ...
GIVEN_PLACES = words(
    "Sydney Milan Florence Austin Orlando Charlotte Savannah Brooklyn Adelaide Verona Siena Kobe "
    "Virginia Montana Indiana Tennessee Odessa Israel Cuba Kenya India Carolina Cheyenne Alexandria"
)
# ... unless it is one of these.
FOLLOWERS = words(
    "Valley River Rift Basin Army Armed King Queen Prince Princess Crown President Prime Foreign "
    "Minister Government Parliament Royal Airport Embassy Football National Arab Petroleum Times "
    "Civil Red Ministry Central Monday Tuesday Wednesday Thursday Friday Saturday Sunday January "
    "February March April May June July August September October November December Gov Governor "
    "Sen Rep Mayor Police City County State Attorney Supreme General Republicans Democrats "
    "Republican Democrat Democratic Senate House Legislature Department International Opera "
    "Harbour Harbor Beach Olympics Fashion Week Festival Marathon Open Council Court Hospital "
    "Zoo Museum Port Bay Bridge Defense Defence Forces Air Navy Railways Prison Electric "
    "Aerospace Cricket Rugby Grand Stock Exchange Convention Center Centre District Public School "
    "Schools Secretary Lt Congressional Congress Democracy Morning Film Pride Expo Cathedral "
    "Water Power Gas Today Island North South East West Siege Metro Trade And But In The"
)

# Papers and clubs that a town's or state's name is the first word of.
PAPERS = words(
    "Times Post Tribune Herald Globe Journal Chronicle Gazette Examiner Inquirer Observer Enquirer "
    "Courier Dispatch Telegraph Register Daily Guardian Post-Gazette"
)
_CLUBS = words(
    "Lakers Bulls Celtics Knicks Nets Sixers Raptors Bucks Cavaliers Cavs Pistons Pacers Hawks "
    "Hornets Wizards Nuggets Timberwolves Warriors Clippers Suns Mavericks Mavs Rockets Grizzlies "
    "Pelicans Spurs Cowboys Giants Jets Patriots Bills Dolphins Ravens Bengals Browns Steelers "
    "Texans Colts Jaguars Titans Broncos Chiefs Raiders Chargers Eagles Commanders Bears Lions "
    "Packers Vikings Falcons Panthers Saints Buccaneers Bucs Cardinals Rams Seahawks Yankees Mets "
    "Orioles Rays Guardians Tigers Royals Twins Astros Angels Athletics Mariners Rangers Braves "
    "Marlins Phillies Nationals Cubs Brewers Pirates Diamondbacks Rockies Dodgers Padres Bruins "
    "Sabres Canadiens Senators Islanders Flyers Penguins Capitals Blackhawks Predators Oilers "
    "Canucks Kraken Sharks Ducks Sounders Redskins Bulldogs Longhorns Gators Buckeyes Wolverines "
    "Spartans Huskies Trojans Hoosiers Hawkeyes Cornhuskers Huskers Volunteers Tar_Heels "
    "Razorbacks Seminoles Jayhawks Wildcats Badgers Sooners Bearcats Boilermakers Tigers "
    "Cavaliers Rovers Wanderers Albion Hotspur Athletic FC F.C. AFC"
)
_CLUBS_OF_TWO = (
    *(" Red Sox", " White Sox", " Blue Jays", " Trail Blazers", " Maple Leafs", " Red Wings"),
    *(" Golden Knights", " Blue Jackets", " Red Bulls", " 76ers", " 49ers", " Golden Gophers"),
)
# `Manchester United`; not `Mexico United in Grief`, for which it must be a town.
CLUBS = _CLUBS | {"United"}
CLUBS_OF_TWO = (*_CLUBS_OF_TWO, *(club.upper() for club in _CLUBS_OF_TWO))
# Clubs that a town's name is the last word of.
CLUBS_BEFORE = words(
    "Real Atletico Atlético Bayern Inter AC AS FC CF Sporting Dynamo Dinamo Spartak CSKA Zenit "
    "Lokomotiv Shakhtar Partizan Maccabi Hapoel Rapid Borussia Eintracht Hertha Slavia Sparta "
    "Legia Racing Deportivo Olympique Fenerbahce Sturm Grasshoppers Werder Hannover VfB Metalist "
    "Karpaty Steaua Ludogorets Levski"
)
# What such a name belongs to: `University of Chicago`, `Archbishop of Canterbury`.
OF = (
    *("niversity of ", "Duke of ", "Duchess of ", "Earl of ", "Countess of ", "Marquess of "),
    *("Archbishop of ", "Bishop of ", "Treaty of ", "laster of ", "Lord of ", "Baron of "),
)
CARRIERS = (" Airlines", " Airways", " Air Lines", " International Airlines", " Int'l Airlines")
# `Ohio State` plays football; `Ohio State Police` is the state's.
OF_THE_STATE = words(
    "Police Patrol Troopers Trooper House Senate Capitol Assembly Legislature Supreme Rep Sen "
    "Department Attorney Fair Prison Penitentiary Highway Route Board Treasurer Parks Park Senator "
    "Representative Superintendent Comptroller Auditor"
)

_STATES = words(
    "Alabama Alaska Arizona Arkansas California Colorado Connecticut Delaware Florida Georgia "
    "Hawaii Idaho Illinois Indiana Iowa Kansas Kentucky Louisiana Maine Maryland Massachusetts "
    "Michigan Minnesota Mississippi Missouri Montana Nebraska Nevada Ohio Oklahoma Oregon "
    "Pennsylvania Tennessee Texas Utah Vermont Virginia Wisconsin Wyoming New_Hampshire "
    "New_Jersey New_Mexico New_York North_Carolina North_Dakota "
    "Rhode_Island South_Carolina South_Dakota West_Virginia "
    "Ala. Ariz. Ark. Calif. Colo. Conn. Del. Fla. Ga. Ill. Ind. Kan. Ky. La. Md. Mass. Mich. Minn. "
    "Miss. Mo. Mont. Neb. Nev. N.H. N.J. N.M. N.Y. N.C. N.D. Okla. Ore. Pa. R.I. S.C. S.D. Tenn. "
    "Tex. Vt. Va. W.Va. Wis. Wyo."
)
# As an expression: of a state's name, long or short; and of a long one that is one word.
STATE = "|".join(re.escape(state) for state in sorted(_STATES, key=len, reverse=True))
OTHER_STATE = "|".join(sorted(s for s in _STATES if s.isalpha() and s != "Georgia"))
