"""The agents of the pool's hosts, from wherever the command line runs: this host's by its socket, others through XAPI."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Dict, Iterable, Optional, Union

from ..agent.client import ask
from ..errors import RingfenceError, Unreachable, XapiFailure
from ..inventory import installation_uuid
from ..xapi.session import Session

PLUGIN = "ringfence"
AT_ONCE = 16
Answer = Union[Dict[str, Any], RingfenceError]


class Agents:
    """``host.call_plugin`` needs the role pool-admin."""

    def __init__(self, session: Session, hosts: Dict[str, Dict[str, Any]], local: bool) -> None:
        """``hosts``: XAPI's rows by reference. ``local``: whether this is dom0 of one of them."""
        self._session = session
        self._refs = {row["uuid"]: ref for ref, row in hosts.items()}
        self.names = {row["uuid"]: str(row["name_label"]) for row in hosts.values()}
        """By uuid."""
        self._local = local
        self._here: Optional[str] = None

    @property
    def here(self) -> str:
        """uuid of the host that this is dom0 of; "" elsewhere."""
        if self._here is None:
            self._here = installation_uuid() if self._local else ""
        return self._here

    def ask(self, host: str, request: Dict[str, Any], timeout: float) -> Dict[str, Any]:
        """One host's answer; ``host`` is a uuid. Raises Unreachable."""
        return self._ask(self._session, host, request, timeout)

    def ask_all(self, hosts: Iterable[str], request: Dict[str, Any], timeout: float) -> Dict[str, Answer]:
        """Several hosts' answers, asked at once, by uuid; an error where one did not answer."""
        asked = list(hosts)
        self._here = self.here  # before the threads

        def one(host: str) -> Answer:
            session = self._session.twin()
            try:
                return self._ask(session, host, request, timeout)
            except RingfenceError as error:
                return error
            finally:
                session.drop()

        with ThreadPoolExecutor(AT_ONCE) as pool:
            return dict(zip(asked, pool.map(one, asked)))

    def _ask(self, session: Session, host: str, request: Dict[str, Any], timeout: float) -> Dict[str, Any]:
        if host == self.here:
            return ask(request, timeout)
        name = self.names.get(host, host)
        try:
            answer = session.call("host.call_plugin", self._refs[host], PLUGIN, "ask", {"request": json.dumps(request)})
            return dict(json.loads(answer))
        except XapiFailure as failure:
            raise Unreachable(
                "its agent cannot be asked ({})".format(failure.what), "host {}".format(name), "see ringfence host doctor there"
            ) from None
        except (KeyError, ValueError, TypeError) as error:
            raise Unreachable("its answer cannot be read ({!r})".format(error), "host {}".format(name), "is its ringfence older?") from None
