"""What tells one article from another: its id, its address, its text."""

from __future__ import annotations

import hashlib
import re
from urllib.parse import SplitResult, urlsplit

from courlan import normalize_url

from pipeline.transforms.text import normalise

# Longer than any real address (browsers and servers stop at 2,000 to 8,000); courlan decodes
# international host names in quadratic time.
MAX_URL_CHARS = 2_048
MAX_HOST_CHARS = 253

_HOST = re.compile(r"[\w-]+(?:\.[\w-]+)*\.?|[0-9a-f:.]+", re.I)

# An address that is in its one form already, as most are: nothing to decode, sort, quote or drop.
_CANONICAL = re.compile(
    r"https?://(?!xn--|[^/]*\.xn--)([a-z0-9_-]+(?:\.[a-z0-9_-]+)*)"
    r"(?!/\.\.(?:/|$))(?:/[A-Za-z0-9_.~!=:,-]+)*/?"
)

# Parameters that say how a reader came, not what the page is. Whole names and whole families only:
# courlan's own list also takes ?gallery=, ?source= and ?uid=, by which some sites tell their
# articles apart, and two articles with one address would lose one of them.
_TRACKING = re.compile(
    r"(?:utm|mtm|pk|piwik|matomo|mc|mkt|hsa|oly|vero|stm|itm|icm)_\w+"
    r"|at_(?:medium|campaign|custom\d|format|link\w*|ptr\w*|bbc_team)"
    r"|fbclid|gclid|dclid|gbraid|wbraid|gclsrc|msclkid|yclid|ysclid|twclid|ttclid|igshid|igsh"
    r"|li_fat_id|rdt_cid|sccid|wickedid|mibextid|fb_action_ids|fb_action_types|fb_ref|fb_source"
    r"|_ga|_gl|_hsenc|_hsmi|__twitter_impression|s_cid|s_kwcid|cmpid|ncid|xtor|smid"
    r"|ref_src|ref_url|guccounter|guce_referrer|guce_referrer_sig|spm",
    re.I,
)


def canonical_url(url: str) -> str | None:
    """`url` in its one form, or None where it is not an http(s) address.

    Scheme and host in lower case, no default port, no user name, no fragment, no tracking
    parameters; the other parameters sorted by name, each as it stands.

    >>> canonical_url("HTTPS://Example.org:443/a//b?utm_source=x&id=7#top")
    'https://example.org/a/b?id=7'
    """
    url = url.strip()
    if len(url) > MAX_URL_CHARS:
        return None
    plain = _CANONICAL.fullmatch(url)
    if plain and len(plain[1]) <= MAX_HOST_CHARS:
        return url if len(url) > plain.end(1) else f"{url}/"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
        if parts.scheme.lower() not in ("http", "https") or not host:
            return None
        if len(host) > MAX_HOST_CHARS or not _HOST.fullmatch(host):
            return None
        netloc = f"[{host}]" if ":" in host else host.rstrip(".")
        if port is not None:
            netloc = f"{netloc}:{port}"
        bare = SplitResult(parts.scheme, netloc, parts.path or "/", "", "")
        normal: str = normalize_url(bare)
    except (ValueError, UnicodeError):
        # A port that is no number, brackets that do not close, a host that is no host name.
        return None
    query = _query(parts.query)
    return f"{normal}?{query}" if query else normal


def _query(query: str) -> str:
    """The parameters that are not for tracking, in one order."""
    kept = [
        pair for pair in query.split("&") if pair and not _TRACKING.fullmatch(pair.split("=", 1)[0])
    ]
    # Stable: of two parameters with one name the order may matter.
    return "&".join(sorted(kept, key=lambda pair: pair.split("=", 1)[0]))


def domain(url: str | None) -> str | None:
    """The host of a canonical URL, without `www.`.

    >>> domain("https://www.example.org:8080/a")
    'example.org'
    """
    if not url:
        return None
    plain = _CANONICAL.fullmatch(url)
    host = plain[1] if plain else urlsplit(url).hostname
    return host.removeprefix("www.") if host else None


def content_hash(body: str) -> str:
    """SHA-256, in hex, of the normalised body.

    The title is left out: plain text often has none where the same article as JSON does, and
    portals rewrite it. What levels the rest out is said at `text.normalise`.
    """
    return hashlib.sha256(normalise(body).encode("utf-8", "replace")).hexdigest()


def article_id(publisher_id: str | None, url: str | None, hash_: str) -> str:
    """The publisher's id, else the canonical URL, else `sha256:` and the content hash."""
    return publisher_id or url or f"sha256:{hash_}"
