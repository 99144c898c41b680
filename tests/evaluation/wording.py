"""What agencies and portals write around a story, as it is found on their pages.

Templates for `str.format`, with these fields: `PLACE` and `place`, a city in capitals and not;
`day`, a date as agencies write it ("Jan 5"); `date`, with its month in full and the year; `iso`;
`time`; `name` and `other`, persons; `agency`; `outlet`; `title`, a headline; `handle`; `year`.

They follow what the wires and portals print, not the rules of `pipeline.similarity.boilerplate`:
what no rule there knows is in here on purpose, and stays.
"""

from __future__ import annotations

CITIES = (
    "London", "Paris", "Washington", "New York", "Berlin", "Moscow", "Beijing", "Tokyo", "Nairobi",
    "Cairo", "New Delhi", "Islamabad", "Kyiv", "Brussels", "Geneva", "Madrid", "Mexico City",
    "São Paulo", "Los Angeles", "San Francisco", "Port-au-Prince", "Johannesburg", "Sydney",
    "Ottawa", "Jakarta", "St. Louis", "Tel Aviv", "Rio de Janeiro", "Zürich", "Winston-Salem",
)  # fmt: skip

FIRST_NAMES = (
    "Jane", "Andrew", "María", "Wei", "Olena", "Mohammed", "Priya", "Jean-Pierre", "Susan", "Kofi",
    "Yuki", "Lars", "Fatima", "Patrick", "Anna", "Tom",
)  # fmt: skip
LAST_NAMES = (
    "Doe", "Osborn", "García", "Zhang", "Kovalenko", "El-Sayed", "Sharma", "Dubois", "Heavey",
    "Mensah", "Tanaka", "O'Brien", "van der Berg", "Lindqvist", "Haddad", "MacSwan",
)  # fmt: skip
AGENCIES = (
    "Reuters", "AP", "AFP", "dpa", "Xinhua", "ANSA", "EFE", "TASS", "PTI", "Kyodo", "UPI",
    "Bloomberg", "Interfax", "Yonhap", "AAP", "IANS",
)  # fmt: skip
OUTLETS = (
    "The Daily Herald", "Morning Post", "Channel 5 News", "The Standard", "Business Insider",
    "Evening Chronicle", "The Star", "Gulf Observer", "Metro", "The National",
)  # fmt: skip

DATELINES = (
    "{PLACE}, {day} (Reuters) - ",
    "{PLACE} (Reuters) - ",
    "{day} (Reuters) - ",
    "(Reuters) - ",
    "{PLACE} (AP) — ",
    "{PLACE} (AP) -- ",
    "{PLACE}, {day} (AP) - ",
    "{PLACE} (AFP) - ",
    "{PLACE}: ",
    "{place} (AFP) – ",
    "{PLACE}, {day}. (Xinhua) -- ",
    "{PLACE}, {date} (Xinhua) -- ",
    "{PLACE}, {date}. /TASS/. ",
    "{PLACE}, {day}. (UPI) -- ",
    "{PLACE}, {day} (PTI) ",
    "{PLACE}, {day} (IANS) ",
    "{PLACE} (dpa) - ",
    "{place} (dpa) - ",
    "{PLACE}, {day} (EFE).- ",
    "(ANSA) - {PLACE}, {day} - ",
    "{PLACE}, {date} (Interfax) - ",
    "{PLACE}, {day}. (Yonhap) -- ",
    "(Bloomberg) -- ",
    "(CNN) -- ",
    "{place} (CNN) — ",
    "{PLACE} — ",
    "{PLACE}, {date} /PRNewswire/ -- ",
    "{PLACE}--(BUSINESS WIRE)--",
    "{PLACE}, {date} (GLOBE NEWSWIRE) -- ",
    "{place}, {date} – ",
)
"""In front of the first sentence, on its line."""

HEADERS = (
    *DATELINES,
    "UPDATE 1-{title}\n\n{PLACE}, {day} (Reuters) - ",
    "RPT-{title}\n\n{PLACE}, {day} (Reuters) - ",
    "By {name}\n\n{PLACE} (Reuters) - ",
    "By {name}, Associated Press\n\n{PLACE} (AP) — ",
    "{place}, {date} ({agency}) - ",
    "{agency} | {date}\n\n",
    "{PLACE}, {day} ({agency})\n",
)
"""What an agency puts before a story, with the line of its headline or its author."""

FIRST_LINES = (
    "Share this article\n\n",
    "Listen to this article\n4 min\n\n",
    "Updated {date} {time} GMT\n\n",
    "Published: {date}\n\n",
    "Posted {date} at {time}\n\n",
    "Last modified on {date} {time}\n\n",
    "File photo: {place}. (Photo: {agency})\n\n",
    "3 min read\n\n",
    "ADVERTISEMENT\n\n",
    "This content was published on {date}\n\n",
    "{outlet} | {date} | {time}\n\n",
    "News\n{date}\n\n",
)
"""Lines that portals put on top."""

LAST_LINES = (
    "(Reporting by {name}; Editing by {other})",
    "(Reporting by {name} in {place}; Writing by {other}; Editing by {name})",
    "Reporting by {name}; editing by {other}",
    "(Additional reporting by {name} in {place})",
    "Our Standards: The Thomson Reuters Trust Principles.",
    "© {year} {agency}. All rights reserved.",
    "Copyright {year} The Associated Press. All rights reserved. This material may not be "
    "published, broadcast, rewritten or redistributed without permission.",
    "Copyright © {year} {outlet}. All rights reserved.",
    "© {year} AFP",
    "(c) {year} {outlet}",
    "(This story has not been edited by {outlet} staff and is auto-generated from a syndicated "
    "feed.)",
    "With inputs from {agency}",
    "Associated Press writer {name} in {place} contributed to this report.",
    "{name} in {place} contributed to this story.",
    "-- {agency}",
    "Source: {agency}",
    "Sources: {agency}, {outlet}",
    "Source: Xinhua | Editor: huaxia",
    "Read more: {title}",
    "READ MORE: {title}",
    "Read more at {outlet}.",
    "Related: {title}",
    "Also read: {title}",
    "RELATED ARTICLES\n{title}",
    "The post {title} appeared first on {outlet}.",
    "This article was originally published on {outlet}. Read the original article.",
    "This article originally appeared in {outlet}: {title}",
    "Sign up for our daily newsletter and never miss a story.",
    "Subscribe to our newsletter for the latest headlines delivered to your inbox.",
    "Get the latest news delivered to your inbox every morning. Sign up here.",
    "Follow us on Facebook, Twitter and Instagram.",
    "Follow {name} on Twitter: @{handle}",
    "Join our WhatsApp channel for breaking news.",
    "Download our app for more stories like this one.",
    "Share this: Facebook Twitter Email Print",
    "Tags: business, politics, {place}",
    "Topics: politics | economy | {place}",
    "Do you have a story for us? Email newsdesk@{handle}.com",
    "Have a tip? Contact the reporter at {handle}@example.com.",
    "{name} is a reporter at {outlet}.",
    "Comments",
    "First published on {date}",
    "Contact: {handle}@example.com",
    "Photo: {agency}",
    "Image: {name}/{agency}",
    "View source version on businesswire.com",
    "SOURCE {outlet}",
    "Copyright Business Wire {year}",
    "Most read\n1. {title}\n2. Live updates\n3. Weather",
    "The views expressed are the author's own and do not reflect those of {outlet}.",
    "Support independent journalism. Donate to {outlet} today.",
)
"""Lines that agencies and portals put under a story."""

MIDDLE_LINES = (
    "ADVERTISEMENT",
    "Advertisement",
    "Story continues below",
    "Read more: {title}",
    "Article continues after this ad",
    "SEE ALSO: {title}",
    "[Related: {title}]",
    "Scroll down for video",
    "Photo by {name}/{agency}",
)
"""Lines that portals put between two paragraphs."""

BYLINES = (
    "By {name}\n\n",
    "By {name} and {other}\n\n",
    "BY {NAME}\n\n",
    "By {name}, Staff Writer\n\n",
    "By {name}\n{outlet}\n\n",
    "By {name} | {date}\n\n",
    "by {name} {date}\n\n",
    "{name}, {outlet}\n\n",
    "{name}\n{date}, {time}\n\n",
    "Written by {name}\n\n",
    "{NAME}\nThe Associated Press\n\n",
    "Story by {name} • {time}\n\n",
    "{name} in {place}\n\n",
    "From {name} in {place}\n\n",
)

CORRECTIONS_BEFORE = (
    "CORRECTED-{title}\n\n",
    "CORRECTED: {title}\n\n",
    "UPDATE 1-{title}\n\n",
    "UPDATE: ",
    "(Corrects the second paragraph) ",
    "(This {date} story has been corrected to fix a figure in the second paragraph.)\n\n",
)
CORRECTIONS_AFTER = (
    "Correction: An earlier version of this article misstated a figure. It has been corrected.",
    "This story was updated at {time} on {date} to correct a name.",
    "CORRECTION ({date}): A previous version of this story gave a wrong number.",
    "Editor's note: This article has been updated.",
)

SAID = (
    "“{sentence}” said {name}, who follows the case for {outlet}.",
    '"{sentence}" {name} told {agency}.',
    "{name}, an analyst in {place}, said: “{sentence}”",
)
LEADS = (
    "{sentence} {place} was told on {date} that more is expected.",
    "{place} awoke to further news on {date}, hours after the first reports. {sentence}",
    "Officials gave new details on {date}. {sentence}",
)
