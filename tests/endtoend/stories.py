"""Stories of a sentence each, as lines of JSON have them."""

from __future__ import annotations

STORIES = {
    "harbour": "The harbour of Aberdeen stays closed to ferries until the storm has passed by.",
    "budget": "Parliament in Ottawa voted for a budget that raises what is spent on schools.",
    "river": "The river Elbe at Dresden has fallen to its lowest level in a dry September.",
    "bridge": "The mayor of Bergen opened a new bridge, and thousands of people walked over it.",
}


def story(name: str, **fields: str) -> dict[str, str]:
    """One of them as an article."""
    url = f"https://news.example/{name}"
    return {"title": name.title(), "body": STORIES[name], "url": url, **fields}
