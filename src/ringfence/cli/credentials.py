"""Who logs in at a pool's master: from the environment, or from a netrc file; never from the command line, where others see it."""

import netrc
import os
from typing import Tuple

from ..errors import BadInput


def credentials(host: str) -> Tuple[str, str]:
    """User and password. Raises BadInput where there are none, or where others may read them."""
    user = os.environ.get("RINGFENCE_USER")
    if "RINGFENCE_PASSWORD" in os.environ:
        return user or "root", os.environ["RINGFENCE_PASSWORD"]
    path = os.environ.get("NETRC") or os.path.expanduser("~/.netrc")
    mend = "set RINGFENCE_PASSWORD, or write machine {} login root password … into {}, mode 0600".format(host, path)
    try:
        if os.stat(path).st_mode & 0o077:
            raise BadInput("others may read it", path, "chmod 600 {}".format(path))
        found = netrc.netrc(path).authenticators(host)
    except FileNotFoundError:
        found = None
    except (OSError, UnicodeDecodeError, netrc.NetrcParseError) as error:
        raise BadInput("cannot be read ({})".format(" ".join(str(error).split())), path, mend) from None
    if found is None:
        raise BadInput("no password for {}".format(host), mend=mend)
    return user or found[0] or "root", found[2] or ""
