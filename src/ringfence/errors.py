"""Every error that ringfence raises on purpose, as one tree.

::

    RingfenceError              what, where and the mend, as data; printed in one line
    +-- BadInput                a line, an argument or a file that says something it must not   (exit 2)
    |   +-- BadRecord           a record, a network's line or the pool's line
    +-- Unreachable             XAPI, the switch or the agent does not answer                   (exit 3)
    |   +-- SwitchRefused       the switch answered, and refused a flow or a setting
    +-- Refused                 the pool says no: a role, a conflict, a missing object          (exit 4)
        +-- XapiFailure         an error of XAPI, by its own name
"""

from . import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import List, Sequence


class RingfenceError(Exception):
    """Something that the operator can understand and mend."""

    exit_status = 4

    def __init__(self, what: str, where: str = "", mend: str = "") -> None:
        super().__init__(what, where, mend)
        self.what = what
        self.where = where
        self.mend = mend

    def at(self, where: str) -> "RingfenceError":
        """The same error, told at ``where`` in front of where it was found."""
        inner = "{}: {}".format(where, self.where) if self.where else where
        return type(self)(self.what, inner, self.mend)

    def __str__(self) -> str:
        text = "{}: {}".format(self.where, self.what) if self.where else self.what
        text = "{}: {}".format(text, self.mend) if self.mend else text
        return " ".join(text.split())


class BadInput(RingfenceError):
    exit_status = 2


class BadRecord(BadInput):
    pass


class Unreachable(RingfenceError):
    exit_status = 3


class SwitchRefused(Unreachable):
    pass


class Refused(RingfenceError):
    exit_status = 4


class XapiFailure(Refused):
    """An error that XAPI returned: ``code`` is its name, ``details`` its arguments."""

    def __init__(self, description: "Sequence[str]", where: str = "", mend: str = "") -> None:
        self.code = str(description[0]) if description else "INTERNAL_ERROR"
        self.details: "List[str]" = [str(d) for d in description[1:]]
        super().__init__("{} {}".format(self.code, " ".join(self.details)).strip(), where, mend)
