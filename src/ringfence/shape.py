"""Plain data from outside (JSON, YAML), held against the shape that it must have before anything reads it.

A shape is a type (exactly that one), a compiled pattern (text that matches it whole), a tuple (one of several shapes),
a list of one shape (a list of such), a dict of one pair (a map: ``{str: shape}``), Keys or Items.
"""

from typing import Any, Dict, Tuple

NONE = type(None)
_NAMES = {str: "text", int: "a whole number", bool: "true or false", dict: "a mapping", list: "a list", float: "a number", NONE: "nothing"}
_SHOWN = 60


class Keys:
    """A mapping with these keys, each of its shape; those of ``may`` may be missing. Others are not looked at."""

    def __init__(self, must: Dict[str, Any], may: Dict[str, Any]) -> None:
        self.must = must
        self.may = may


class Items:
    """A list of exactly these shapes, in this order."""

    def __init__(self, *shapes: Any) -> None:
        self.shapes = shapes


def check(value: Any, shape: Any, where: str = "") -> None:
    """Raises ValueError, in one line that names the place."""
    if isinstance(shape, tuple):
        _one_of(value, shape, where)
    elif isinstance(shape, list):
        _is(value, list, where)
        for number, item in enumerate(value, 1):
            check(item, shape[0], "{} {}".format(where, number).strip())
    elif isinstance(shape, dict):
        _is(value, dict, where)
        ((kind, inner),) = shape.items()
        for key, item in value.items():
            check(key, kind, where)
            check(item, inner, _under(where, key))
    elif isinstance(shape, Keys):
        _is(value, dict, where)
        for key, inner in shape.must.items():
            if key not in value:
                raise ValueError("{} is missing".format(_under(where, key)))
            check(value[key], inner, _under(where, key))
        for key, inner in shape.may.items():
            if key in value:
                check(value[key], inner, _under(where, key))
    elif isinstance(shape, Items):
        _is(value, list, where)
        if len(value) != len(shape.shapes):
            raise ValueError("{}: has {} parts, not {}".format(where, len(value), len(shape.shapes)))
        for number, (item, inner) in enumerate(zip(value, shape.shapes), 1):
            check(item, inner, "{} {}".format(where, number).strip())
    elif isinstance(shape, type):
        _is(value, shape, where)
    else:
        _is(value, str, where)
        if not shape.fullmatch(value):
            raise ValueError("{}{} is not of the form {}".format(_at(where), _shown(value), shape.pattern))


def _one_of(value: Any, shapes: Tuple[Any, ...], where: str) -> None:
    """The complaint of the last one is told: write the fullest shape last."""
    for shape in shapes[:-1]:
        try:
            return check(value, shape, where)
        except ValueError:
            continue
    return check(value, shapes[-1], where)


def _is(value: Any, kind: type, where: str) -> None:
    if type(value) is not kind:
        raise ValueError("{}{} is not {}".format(_at(where), _shown(value), _NAMES[kind]))


def _under(where: str, key: Any) -> str:
    return "{}: {}".format(where, _shown(key).strip("'")) if where else _shown(key).strip("'")


def _at(where: str) -> str:
    return "{}: ".format(where) if where else ""


def _shown(value: Any) -> str:
    """On one line, bounded, whatever it is."""
    text = value if isinstance(value, str) else type(value).__name__ if isinstance(value, (dict, list)) else str(value)[:_SHOWN]
    return ascii(text if len(text) <= _SHOWN else text[:_SHOWN] + "...")
