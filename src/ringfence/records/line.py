"""A line of ``key=value`` words: how it is split, checked against its keys, and printed."""

import re
import shlex
from typing import Callable, Dict, List, Mapping, Optional, Sequence, Tuple, TypeVar

from ..errors import BadRecord

LIMIT_BYTES = 1900
"""xenstore holds 2048 bytes a value, path and quoting left out."""

Extra = Tuple[Tuple[str, str], ...]
T = TypeVar("T")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_QUOTING = re.compile(r"[\\'\"]")
_WORD = re.compile(r"[^ \t\r\n]+")
_EXTRA = re.compile(r"x-[a-z0-9][a-z0-9.-]*\Z")


def split_line(text: str, keys: Sequence[str], synonyms: Optional[Mapping[str, str]] = None) -> Tuple[Dict[str, str], Extra]:
    """The known words of a line by key, and its ``x-`` words, sorted.

    Raises BadRecord for an unknown or repeated key, a word without ``=``, and a line over 1900 bytes.
    """
    if not isinstance(text, str):
        raise BadRecord("is not text", mend="write a line of key=value words")
    try:
        size = len(text.encode("utf-8"))
    except UnicodeEncodeError:
        raise BadRecord("holds characters that are no text", mend="write plain text") from None
    if size > LIMIT_BYTES:
        raise BadRecord("is {} bytes long".format(size), mend="the limit is {} bytes: use groups or prefixes".format(LIMIT_BYTES))
    control = _CONTROL.search(text)
    if control:
        raise BadRecord("holds the control character {!r}".format(control.group()), mend="write plain text on one line")
    try:
        words = shlex.split(text) if _QUOTING.search(text) else _WORD.findall(text)  # to the same end, a tenth of the time
    except ValueError:
        raise BadRecord("has an open quote", mend="close it, or quote the whole value") from None
    known: Dict[str, str] = {}
    extra: Dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            raise BadRecord("{!r} has no =".format(word), mend="write key=value; the keys are {}".format(", ".join(keys)))
        key = (synonyms or {}).get(key, key)
        target = known if key in keys else extra
        if target is extra and not _EXTRA.match(key):
            raise BadRecord("unknown key {!r}".format(key), mend="the keys are {}, and x-NAME for your own".format(", ".join(keys)))
        if key in target:
            raise BadRecord("{} is given twice".format(key), mend="write it once, its values comma-separated")
        target[key] = value
    return known, tuple(sorted(extra.items()))


def join_line(words: Sequence[Tuple[str, str]]) -> str:
    return " ".join("{}={}".format(k, shlex.quote(v) if v else "") for k, v in words)


def listed(key: str, text: str, parse: Callable[[str], T], limit: Optional[int] = None, noun: str = "") -> List[T]:
    """The parts of a comma-separated value; an empty value is an empty list."""
    parts = [p.strip() for p in text.split(",")] if text.strip() else []
    values: List[T] = []
    for part in parts:
        if not part:
            raise BadRecord("{}={} has an empty part".format(key, text), mend="take out the comma that stands alone")
        try:
            values.append(parse(part))
        except BadRecord as error:
            raise BadRecord("{}={}".format(key, error.what), mend=error.mend) from None
    if limit and len(set(values)) > limit:
        raise BadRecord("{} lists {} {}".format(key, len(set(values)), noun), mend="the limit is {}".format(limit))
    return values


def one_of(key: str, text: str, choices: Sequence[str]) -> str:
    value = text.strip().lower()
    if value not in choices:
        raise BadRecord("{}={} is not known".format(key, text), mend="write one of {}".format(", ".join(choices)))
    return value
