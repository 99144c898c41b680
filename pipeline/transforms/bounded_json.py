"""JSON from strangers: no deeper, larger or looser than it may be."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from pipeline.dead_letters import Unreadable
from pipeline.transforms.limits import Limits


def loads(text: str, limits: Limits) -> Any:
    """The value of `text`.

    Stricter than `json.loads`: a name twice in one object, NaN and Infinity are errors too.

    Raises:
        Unreadable: invalid_json, also where it is nested too deeply; too_large.
    """
    opened = text.count("[") + text.count("{")
    if opened + text.count(",") > limits.max_json_values:
        raise Unreadable("too_large", f"the JSON has more than {limits.max_json_values} values")
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise Unreadable(
            "invalid_json", f"the message is not JSON: {error.msg} at character {error.pos}"
        ) from None
    except RecursionError:
        raise _too_deep(limits) from None
    except ValueError:
        # The digits that int() takes are limited, since it is quadratic.
        raise Unreadable("invalid_json", "a number in the JSON has too many digits") from None
    # Brackets inside texts are counted too, so this only says when there is no need to look.
    if opened > limits.max_json_depth and _deeper_than(value, limits.max_json_depth):
        raise _too_deep(limits)
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    item = dict(pairs)
    if len(item) != len(pairs):
        raise Unreadable("invalid_json", "a name stands twice in one object of the JSON")
    return item


def _constant(name: str) -> NoReturn:
    raise Unreadable("invalid_json", f"the message is not JSON: it has the number {name}")


# json.loads makes a new one at each call. It keeps nothing between calls.
_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant)


def _deeper_than(value: Any, depth: int) -> bool:
    """Whether lists and objects in `value` are nested more than `depth` times; no recursion."""
    level = [value]
    for _ in range(depth):
        level = [
            inner
            for item in level
            for inner in (item.values() if isinstance(item, dict) else item)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True


def _too_deep(limits: Limits) -> Unreadable:
    return Unreadable(
        "invalid_json", f"the JSON is nested deeper than --max_json_depth={limits.max_json_depth}"
    )
