"""Public knowledge for cleaning and for generated sentences: countries, demonyms, titles, names.

Countries come from pycountry (ISO 3166); the lists below are our own writing.
"""

import pycountry


def listed(text: str) -> tuple[str, ...]:
    """Return the entries of a list written as one string with ``|`` between them."""
    return tuple(text.split("|"))


COMMON_COUNTRY_NAMES = listed(
    "United States|U.S.|US|USA|United Kingdom|UK|U.K.|Britain|Russia|Iran|Syria|South Korea|"
    "North Korea|Vietnam|Venezuela|Bolivia|Tanzania|Moldova|Taiwan|Laos|Brunei|Turkey|"
    "Czech Republic|Ivory Coast|Palestine|Kosovo|Macedonia|Burma|Cape Verde|Vatican City|Congo|"
    "Democratic Republic of Congo|Great Britain|England|Scotland|Wales|Northern Ireland|"
    "United Arab Emirates|Hong Kong"
)
AMBIGUOUS = frozenset({"Georgia", "Jordan", "Chad", "Jersey", "Guinea", "Niger", "Dominica"})
"""Country names that are also other things often enough not to be forced."""

DEMONYMS = listed(
    "Afghan|Albanian|Algerian|American|Angolan|Argentine|Armenian|Australian|Austrian|"
    "Azerbaijani|Bahraini|Bangladeshi|Belarusian|Belgian|Bolivian|Bosnian|Brazilian|British|"
    "Bulgarian|Burmese|Cambodian|Cameroonian|Canadian|Chechen|Chilean|Chinese|Colombian|"
    "Congolese|Croatian|Cuban|Cypriot|Czech|Danish|Dutch|Ecuadorian|Egyptian|Emirati|Eritrean|"
    "Estonian|Ethiopian|European|Filipino|Finnish|French|German|Ghanaian|Greek|Guatemalan|"
    "Haitian|Honduran|Hungarian|Icelandic|Indian|Indonesian|Iranian|Iraqi|Irish|Israeli|Italian|"
    "Ivorian|Jamaican|Japanese|Jordanian|Kazakh|Kenyan|Kuwaiti|Kyrgyz|Laotian|Latvian|Lebanese|"
    "Liberian|Libyan|Lithuanian|Malaysian|Malian|Maltese|Mexican|Moldovan|Mongolian|Moroccan|"
    "Mozambican|Namibian|Nepalese|Nicaraguan|Nigerian|Nigerien|North Korean|Norwegian|Omani|"
    "Pakistani|Palestinian|Panamanian|Paraguayan|Peruvian|Polish|Portuguese|Qatari|Romanian|"
    "Russian|Rwandan|Saudi|Scottish|Senegalese|Serbian|Singaporean|Slovak|Slovenian|Somali|"
    "South African|South Korean|South Sudanese|Spanish|Sri Lankan|Sudanese|Swedish|Swiss|Syrian|"
    "Taiwanese|Tajik|Tanzanian|Thai|Tunisian|Turkish|Turkmen|Ugandan|Ukrainian|Uruguayan|Uzbek|"
    "Venezuelan|Vietnamese|Welsh|Yemeni|Zambian|Zimbabwean"
)
CREEDS = listed("Islam|Christianity|Judaism|Hinduism|Buddhism|Democratic|Conservative")
GAMES = listed("Olympics|Olympic Games|Winter Olympics|Summer Olympics|Paralympics|World Cup")
PLATFORMS = listed("Twitter|Facebook|YouTube|Wikipedia")
PLURAL_DEMONYMS = tuple(name + "s" for name in DEMONYMS if name.endswith(("an", "i")))

TITLES = listed(
    "President|Prime Minister|Foreign Minister|Defense Minister|Defence Minister|"
    "Finance Minister|Interior Minister|Justice Minister|Energy Minister|Health Minister|"
    "Secretary of State|Secretary of Defense|Treasury Secretary|Foreign Secretary|Home Secretary|"
    "Chancellor|Vice President|Deputy Prime Minister|Attorney General|Senator|Sen.|Rep.|Governor|"
    "Gov.|Mayor|King|Queen|Prince|Pope|Archbishop|General|Gen.|Colonel|Lieutenant Colonel|"
    "Admiral|Police Chief|Judge|Justice|Professor|Dr.|Mr.|Mrs.|Ms.|Sir|Chief Executive|CEO|"
    "chief executive|chairman|chairwoman|spokesman|spokeswoman|analyst|economist|coach|captain|"
    "striker|goalkeeper|actor|singer|author|director|lawyer|opposition leader|former President|"
    "former Prime Minister|then-President|President-elect|National Security Adviser|"
    "Secretary-General|Special Envoy|Ambassador|House Speaker|Supreme Leader|Crown Prince|"
    "Chief Justice|Central Bank Governor"
)

STATE_BODIES = listed(
    "Security Council|National Security Council|Foreign Ministry|Defense Ministry|"
    "Defence Ministry|Interior Ministry|Finance Ministry|Health Ministry|Justice Ministry|"
    "Energy Ministry|Supreme Court|Constitutional Court|High Court|Central Bank|"
    "National Assembly|House of Representatives|Senate|Parliament|State Department|"
    "Election Commission|Central Election Commission|Electoral Council|Ministry of Defence|"
    "Ministry of Defense|Ministry of Foreign Affairs|Ministry of Health|Ministry of the Interior|"
    "Ministry of Justice|Ministry of Finance|Ministry of Agriculture|Coast Guard|Navy|Air Force|"
    "National Guard|Federal Security Service|Intelligence Service|State Council|"
    "Atomic Energy Organization|National Statistics Office|Meteorological Agency|"
    "Guardian Council|Football Federation|Olympic Committee|Red Cross|Competition Authority|"
    "Securities Commission|Disaster Management Authority|Geological Survey|Space Agency|"
    "Medical Association|Privy Council"
)

KNOWN_ORGANISATIONS = listed(
    "United Nations|UN|U.N.|European Union|EU|NATO|African Union|Arab League|ASEAN|OPEC|IMF|"
    "International Monetary Fund|World Bank|World Trade Organization|WTO|WHO|"
    "World Health Organization|European Commission|European Parliament|European Central Bank|"
    "International Criminal Court|International Court of Justice|Interpol|UNESCO|UNICEF|UNHCR|"
    "IAEA|Federal Reserve|Congress|House of Representatives|Senate|Pentagon|White House|Kremlin|"
    "FBI|CIA|NASA|Supreme Court|State Department|Justice Department|Treasury|Bundestag|Knesset|"
    "House of Commons|Labour Party|Conservative Party|Democratic Party|Republican Party|Hamas|"
    "Hezbollah|Taliban|Red Cross|Amnesty International|Human Rights Watch|Greenpeace|Oxfam|FIFA|"
    "UEFA|International Olympic Committee|Apple|Google|Microsoft|Amazon|Meta|Facebook|Twitter|"
    "Netflix|Tesla|Toyota|Honda|Volkswagen|BMW|Ford|General Motors|Boeing|Airbus|Siemens|Samsung|"
    "Sony|Nokia|Intel|Nvidia|IBM|Shell|BP|Gazprom|Rosneft|ExxonMobil|TotalEnergies|Walmart|"
    "Goldman Sachs|JPMorgan|HSBC|Deutsche Bank|Pfizer|AstraZeneca|Huawei|Alibaba|Tencent|BBC|CNN|"
    "Al Jazeera|The New York Times|The Guardian|Arsenal|Chelsea|Manchester United|Liverpool|"
    "Real Madrid|Bayern Munich|Juventus|Los Angeles Lakers|New York Yankees|Boston Red Sox|"
    "Dallas Cowboys"
)
ORGANISATION_FORMS = listed(
    "University of {place}|{place} University|Bank of {country}|{country} Airlines|{place} Times|"
    "{place} Police Department|{place} City Council|{place} United|{place} City|{place} Rovers|"
    "{surname} Group|{surname} & {surname} Inc.|{surname} Industries|{surname} Foundation|"
    "{surname} Corp.|{country} Football Association|{demonym} Football Federation|"
    "{demonym} Red Crescent|{demonym} National Bank|{demonym} Workers' Party|{place} Hospital|"
    "{place} Chamber of Commerce|National Bank of {country}|{country} Central Bank|"
    "{demonym} Socialist Party|{place} Daily News|{place} Stock Exchange|{surname} Institute"
)
AGENCIES = listed("Reuters|AP|AFP|dpa|Xinhua|TASS|Kyodo|Bloomberg|Associated Press")
EVENTS = listed(
    "World War I|World War II|Cold War|Olympic Games|Winter Olympics|World Cup|Super Bowl|"
    "Champions League|Wimbledon|Tour de France|Nobel Prize|Nobel Peace Prize|Pulitzer Prize|"
    "Academy Awards|Oscars|Grammy Awards|Brexit|Paris Agreement|Ramadan|Christmas|Easter|"
    "Hurricane {given}|Typhoon {given}|Tropical Storm {given}|Eurovision Song Contest"
)
STORMS = listed(
    "Hurricane {given}|Hurricane {given}|Typhoon {given}|Tropical Storm {given}|Cyclone {given}|"
    "Storm {given}"
)
TOURNAMENTS = listed(
    "{place} Marathon|{year} {place} Marathon|{year} World Athletics Championships|"
    "World Championships|{year} FIFA World Cup|World Cup|{year} Summer Olympics|Olympics|"
    "{place} Olympics|Winter Olympics|{country} Open|{place} Open|Tour de {place}|"
    "{year} Tour of {country}|{place} Grand Prix|{demonym} Grand Prix|{year} Cricket World Cup|"
    "European Championship|Commonwealth Games|Asian Games|Paralympics|Six Nations Championship|"
    "Copa America|Davis Cup|{demonym} Cup"
)
FAIRS = listed(
    "{place} Motor Show|{place} Film Festival|{place} International Book Fair|{year} {place} Expo|"
    "{country} Convention|Chess Congress|{place} Fashion Week|{place} Biennale"
)
SCHOOLS = listed(
    "University of {place}|University of {country}|{place} University|{surname} University|"
    "{place} Institute of Technology|{place} College|{surname} Medical School|"
    "University of {country} at {place}|{place} State University|Technical University of {place}"
)
CENTRES = listed(
    "National Hurricane Center|National Weather Service|{country} Meteorological Service|"
    "{demonym} Geological Survey|United States Geological Survey|US Geological Survey|"
    "National Transportation Safety Board|{demonym} Civil Protection Agency|"
    "{place} Fire Department|{place} County Sheriff's Office|{demonym} Armed Forces|"
    "National Disaster Management Authority|{demonym} Coast Guard|{country} Police Service|"
    "{demonym} Ministry of Health|Department of Labor and Training|"
    "{demonym} Institute of Seismology"
)
FLIGHTS = listed("{country} Airlines Flight 610|{demonym} Airways Flight 302|Flight 1549")
VEHICLES = listed(
    "Boeing 737|Boeing 737 Max|Boeing 777|Airbus A320|Airbus A380|Cessna 172|"
    "Beechcraft King Air|Antonov An-26|Tupolev Tu-154|Black Hawk|F-16|MiG-29|Chinook|"
    "Embraer 190|ATR 72|Ariane 5|Voyager 1|USS Enterprise|HMS Victory|MV Aurora|Humvee"
)
PRODUCTS = listed(
    "iPhone|iPad|Galaxy Note 7|PlayStation 3|Xbox|Windows 7|Windows Vista|Android|Kindle|"
    "Model 3|Lexus HS 250h|Volvo XC90|Land Rover|Prius|Firefox|Chrome|Photoshop|Wii|Nano|Clio"
)
FIRMS = listed(
    "Ford|Toyota|Lexus|McDonald's|Starbucks|Puma|Nike|Dell|Cisco|Oracle|Hewlett-Packard|HP|"
    "Barclays|Lloyds|Santander|Citigroup|Ryanair|EasyJet|Lufthansa|Qantas|Emirates|Qatar Airways|"
    "Asda|Tesco|Sainsbury's|Aldi|Lidl|Carrefour|Ikea|Unilever|Nestle|Danone|Siemens|Bosch|"
    "Philips|Ericsson|Renault|Peugeot|Fiat|Volvo|Mazda|Nissan|Hyundai|Kia|Tata Motors|Infosys|"
    "Lyft|Uber|Airbnb|Spotify|TikTok|YouTube|Twitter|Facebook|Instagram|WhatsApp|Zoom|Moderna|"
    "Novartis|Bayer|Sanofi|Merck|Monsanto|Cargill|Glencore|Rio Tinto|BHP|Petrobras|Eni|Repsol|"
    "Lukoil|Aramco|Chevron|Halliburton|Bear Stearns|Moody's|Fitch|Nikkei|Rappler|Al Jazeera|"
    "USA Today|The Hindu|Sky News|Politico"
)
TEAM_NAMES = listed(
    "United|City|Town|Rovers|Wanderers|Athletic|Tigers|Lions|Bears|Eagles|Kings|Jazz|Thunder|"
    "Raiders|Hornets|Pelicans|Sharks|Rangers|FC|F.C.|Bulls|Storm|Royals"
)
LEAGUES = listed(
    "National Basketball Association|NBA|NFL|NHL|MLB|National Football League|FIFA|UEFA|ICC|"
    "Football Association|ATP|International Cricket Council|State Rugby Union|NCAA|"
    "Gaelic Athletic Association|Bundesliga|Serie A"
)
US_STATES = listed(
    "New Hampshire|South Carolina|Iowa|Nevada|Texas|Ohio|Vermont|Wisconsin|Rhode Island|Florida|"
    "California|New Jersey|Pennsylvania|Massachusetts|Minnesota|Michigan|Arizona|Georgia|Maine"
)
PARTY_MEMBERS = listed(
    "Democratic|Republican|Democratic|Republican|Conservative|Liberal|Democrat|Christian Democrat"
)
FIELDS = listed("Health Metrics|Peace Studies|Marine Research|Public Policy|Polar Science")
GIVEN_NAMES = listed(
    "Maria|Anna|Elena|Olga|Irina|Natalia|Sergei|Dmitry|Ivan|Andriy|Mykola|Oleksandr|Pavel|Jan|"
    "Petr|Tomas|Katarina|Zsofia|Laszlo|Viktor|Giorgia|Matteo|Luca|Paolo|Silvia|Carlos|Jose|Juan|"
    "Luis|Miguel|Ana|Lucia|Pedro|Joao|Rafael|Fernanda|Gabriel|Daniel|Maya|Noam|Yael|Avi|Omar|"
    "Ahmed|Mohammed|Hassan|Ali|Fatima|Layla|Yusuf|Mehmet|Ayse|Recep|Emre|Reza|Hossein|Amir|Mahsa|"
    "Arjun|Priya|Sanjay|Anita|Narendra|Rahul|Imran|Bilal|Ayesha|Nguyen|Tran|Thi|Min|Ji|Hyun|"
    "Seung|Kenji|Yuki|Haruto|Sakura|Wei|Li|Jun|Mei|Hao|Xin|Ming|Kwame|Ama|Chidi|Ngozi|Tunde|"
    "Amina|Thabo|Sipho|Grace|Joseph|Samuel|Esther|John|Mary|James|Robert|Michael|William|David|"
    "Sarah|Emily|Emma|Olivia|Jack|Harry|George|Charlotte|Kate|Sean|Patrick|Siobhan|Pierre|Jean|"
    "Claire|Marie|Francois|Emmanuel|Hans|Klaus|Angela|Annalena|Markus|Lars|Ingrid|Sven|Astrid"
)
SURNAMES = listed(
    "Ivanov|Petrova|Sokolov|Morozov|Lebedev|Kuznetsov|Bondarenko|Shevchenko|Kovalenko|Melnyk|"
    "Tkachenko|Nowak|Kowalski|Wisniewski|Novotny|Svoboda|Horvat|Kovac|Jovanovic|Petrovic|Nagy|"
    "Szabo|Popescu|Ionescu|Dimitrov|Papadopoulos|Rossi|Russo|Ferrari|Bianchi|Conti|Garcia|"
    "Fernandez|Lopez|Martinez|Gonzalez|Rodriguez|Silva|Santos|Oliveira|Pereira|Costa|Castillo|"
    "Vargas|Rojas|Morales|Cohen|Levi|Mizrahi|Haddad|Khoury|Mansour|Hassan|Hussein|Al-Sayed|"
    "al-Masri|Yilmaz|Demir|Kaya|Celik|Hosseini|Karimi|Ahmadi|Rahimi|Sharma|Patel|Singh|Gupta|"
    "Kumar|Reddy|Khan|Malik|Chaudhry|Bhutto|Rahman|Hossain|Perera|Silva|Nguyen|Tran|Le|Pham|Kim|"
    "Lee|Park|Choi|Jung|Yoon|Moon|Sato|Suzuki|Tanaka|Watanabe|Ito|Wang|Li|Zhang|Liu|Chen|Yang|"
    "Zhao|Huang|Zhou|Wu|Xu|Sun|Hu|Zhu|Gao|Lin|He|Ma|Luo|Qin|Xie|Tang|Deng|Okafor|Adeyemi|Balogun|"
    "Mensah|Osei|Diallo|Traore|Keita|Ndiaye|Kamau|Odhiambo|Mwangi|Dlamini|Nkosi|Moyo|Banda|Smith|"
    "Johnson|Williams|Brown|Jones|Miller|Davis|Wilson|Anderson|Taylor|Thomas|Moore|Martin|"
    "Thompson|White|Clark|Lewis|Robinson|Walker|Hall|Young|Allen|King|Wright|Scott|Green|Baker|"
    "Adams|Nelson|Carter|Mitchell|Turner|Campbell|Parker|Evans|Murphy|Kelly|O'Brien|O'Connor|"
    "McCarthy|MacDonald|Fraser|Stewart|Hughes|Bernard|Dubois|Moreau|Laurent|Lefebvre|Müller|"
    "Schmidt|Schneider|Fischer|Weber|Becker|Hoffmann|Hansen|Johansson|Andersson|Nilsson|Larsen|"
    "Virtanen|Korhonen|Jansen|Vermeulen|Peeters|Reyes|Cruz|Bautista|Suharto|Widodo|Wijaya|Tan|"
    "Lim|Wong|Chan|Lam|Cheung"
)


def countries() -> tuple[str, ...]:
    """Return countries as news writes them, sorted: ISO names without commas, and usual ones."""
    names = set(COMMON_COUNTRY_NAMES)
    for country in pycountry.countries:
        name = str(getattr(country, "common_name", country.name))
        if "," not in name and "(" not in name and not name.endswith("Islands"):
            names.add(name)
    return tuple(sorted(names))


def fixed_labels() -> dict[str, str]:
    """Return whole names whose label doesn't depend on context, for ``corpus.CleaningRules``."""
    labels = {name: "LOC" for name in countries() if name not in AMBIGUOUS}
    labels |= dict.fromkeys((*DEMONYMS, *PLURAL_DEMONYMS, *CREEDS), "NORP")
    labels |= dict.fromkeys(GAMES, "MISC")
    labels |= dict.fromkeys(PLATFORMS, "ORG")
    return labels
