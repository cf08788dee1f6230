"""What somebody wrote over the mirrors of records on this host: kept, bounded, until an operator looks at it."""

import json
import logging
import os
import threading
from collections import OrderedDict
from typing import Optional

from .. import paths
from ..files import write_json

log = logging.getLogger("ringfence")
MOST = 256
LIMIT_BYTES = 2048
"""What xenstore holds a value."""


class Proposals:
    """The last differing value by VIF uuid; the oldest goes when there are too many. Thread-safe."""

    def __init__(self) -> None:
        self._kept: "OrderedDict[str, str]" = OrderedDict()
        self._lock = threading.Lock()
        try:
            with open(paths.PROPOSALS, encoding="utf-8") as kept:
                self._kept.update((str(vif), str(line)) for vif, line in json.load(kept).items())
        except FileNotFoundError:
            pass
        except (OSError, ValueError, AttributeError) as error:
            log.warning("event=proposals-lost reason=%s", error)

    def put(self, vif: str, line: str) -> None:
        if len(line.encode("utf-8", "replace")) > LIMIT_BYTES:
            return
        with self._lock:
            if self._kept.get(vif) == line:
                return
            self._kept.pop(vif, None)
            self._kept[vif] = line
            while len(self._kept) > MOST:
                self._kept.popitem(last=False)
            try:
                os.makedirs(os.path.dirname(paths.PROPOSALS), mode=0o700, exist_ok=True)
                write_json(paths.PROPOSALS, self._kept)
            except OSError as error:
                log.warning("event=proposals-not-saved reason=%s", error)

    def get(self, vif: str) -> Optional[str]:
        with self._lock:
            return self._kept.get(vif)
