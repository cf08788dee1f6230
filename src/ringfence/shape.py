"""Plain data from outside (JSON, YAML), held against the shape that it must have before anything reads it.

A shape is a type (exactly that one), a compiled pattern (text that matches it whole), a tuple (one of several shapes),
a list of one shape (a list of such), a dict of one pair (a map: ``{str: shape}``), Keys or Items.
"""

from . import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any, Dict, Tuple

    Place = Tuple[Any, ...]
    """Keys, and numbers in lists, from the outside in."""

NONE = type(None)
_NAMES = {str: "text", int: "a whole number", bool: "true or false", dict: "a mapping", list: "a list", float: "a number", NONE: "nothing"}
_SHOWN = 60


class Keys:
    """A mapping with these keys, each of its shape; those of ``may`` may be missing. Others are not looked at."""

    def __init__(self, must: "Dict[str, Any]", may: "Dict[str, Any]") -> None:
        self.must = must
        self.may = may


class Items:
    """A list of exactly these shapes, in this order."""

    def __init__(self, *shapes: "Any") -> None:
        self.shapes = shapes


def check(value: "Any", shape: "Any", where: str = "") -> None:
    """Raises ValueError, in one line that names the place. ``where``: of the whole."""
    _check(value, shape, (where,) if where else ())


def _check(value: "Any", shape: "Any", place: "Place") -> None:
    if isinstance(shape, type):
        _is(value, shape, place)
    elif isinstance(shape, tuple):
        _one_of(value, shape, place)
    elif isinstance(shape, list):
        _is(value, list, place)
        for number, item in enumerate(value, 1):
            _check(item, shape[0], place + (number,))
    elif isinstance(shape, dict):
        _is(value, dict, place)
        ((kind, inner),) = shape.items()
        for key, item in value.items():
            _check(key, kind, place)
            _check(item, inner, place + (_name(key),))
    elif isinstance(shape, Keys):
        _is(value, dict, place)
        for key, inner in shape.must.items():
            if key not in value:
                raise ValueError("{} is missing".format(_show(place + (key,))))
            _check(value[key], inner, place + (key,))
        for key, inner in shape.may.items():
            if key in value:
                _check(value[key], inner, place + (key,))
    elif isinstance(shape, Items):
        _is(value, list, place)
        if len(value) != len(shape.shapes):
            raise ValueError("{}: has {} parts, not {}".format(_show(place), len(value), len(shape.shapes)))
        for number, (item, inner) in enumerate(zip(value, shape.shapes), 1):
            _check(item, inner, place + (number,))
    else:
        _is(value, str, place)
        if not shape.fullmatch(value):
            raise ValueError("{}{} is not of the form {}".format(_at(place), _shown(value), shape.pattern))


def _one_of(value: "Any", shapes: "Tuple[Any, ...]", place: "Place") -> None:
    """The complaint of the last one is told: write the fullest shape last."""
    for shape in shapes[:-1]:
        if shape is NONE:
            if value is None:
                return
            continue
        try:
            _check(value, shape, place)
        except ValueError:
            continue
        return
    _check(value, shapes[-1], place)


def _is(value: "Any", kind: type, place: "Place") -> None:
    if type(value) is not kind:
        raise ValueError("{}{} is not {}".format(_at(place), _shown(value), _NAMES[kind]))


def _name(key: "Any") -> str:
    """A key that the data brings."""
    return _shown(key).strip("'")


def _show(place: "Place") -> str:
    text = ""
    for part in place:
        between = "" if not text else " " if isinstance(part, int) else ": "
        text += between + str(part)
    return text


def _at(place: "Place") -> str:
    return "{}: ".format(_show(place)) if place else ""


def _shown(value: "Any") -> str:
    """On one line, bounded, whatever it is."""
    text = value if isinstance(value, str) else type(value).__name__ if isinstance(value, (dict, list)) else str(value)[:_SHOWN]
    return ascii(text if len(text) <= _SHOWN else text[:_SHOWN] + "...")
