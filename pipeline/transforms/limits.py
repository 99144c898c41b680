"""How much of anything one message may make the pipeline do."""

from __future__ import annotations

from dataclasses import dataclass

MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of one message; what exceeds one becomes a dead letter.

    Attributes:
        max_message_bytes: bytes as they come, compressed or not.
        max_expanded_bytes: bytes after decompression.
        max_expansion_ratio: expanded bytes for each compressed byte.
        ratio_floor_bytes: up to this size expanded the ratio does not count: a short text that
            repeats itself packs as well as a bomb does, and cannot hurt.
        max_json_depth: nesting of a JSON message; `{}` has depth 1.
        max_json_values: values in a JSON message, estimated from its commas and brackets. It bounds
            memory: `[0,0,…]` takes four bytes of Python for each byte of JSON, `[{},{},…]` twenty.
        max_html_bytes: bytes of an HTML page.
        max_html_elements: elements of an HTML page. It bounds time: trafilatura took 50 to 120
            microseconds an element on pages made to hurt; a long news page has about 5,000.
        max_html_attributes: attributes of one element; libxml2 takes quadratic time for them, 4.5
            seconds for 32,000.
        max_html_nesting: the depths of all elements, added up: trafilatura goes through the
            text of each element again for every one around it.
        max_text_chars: characters of the article's text.
    """

    max_message_bytes: int = 10 * MB
    max_expanded_bytes: int = 50 * MB
    max_expansion_ratio: int = 200
    ratio_floor_bytes: int = MB
    max_json_depth: int = 64
    max_json_values: int = 1_000_000
    max_html_bytes: int = 10 * MB
    max_html_elements: int = 50_000
    max_html_attributes: int = 1_000
    max_html_nesting: int = 1_000_000
    max_text_chars: int = 1_000_000
