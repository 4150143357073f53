"""Who may call from where: the names of this server, the pages that may use it, and keys."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from cellstate.errors import InputError, explain
from cellstate.serve.http.call import Call
from cellstate.serve.http.problem import Problem
from cellstate.serve.http.settings import HttpSettings
from cellstate.serve.keys import NOBODY, ROLES, Caller, KeyRing

LOOPBACK = frozenset(("localhost", "127.0.0.1", "::1"))
_CHALLENGE = [(b"www-authenticate", b"Bearer")]


def is_loopback(host: str) -> bool:
    """Whether a server that listens there can be reached from this machine alone.

    Examples
    --------
    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("localhost"), is_loopback("")
    (True, True, True, False)
    """
    address = _address(host)
    return host == "localhost" if address is None else address.is_loopback


def check_listening(settings: HttpSettings) -> None:
    """Refuse to listen where anyone could reach a server that asks for no keys.

    Raises
    ------
    InputError
        It would listen elsewhere than on loopback, without keys; or has one half of TLS.
    """
    if not is_loopback(settings.host) and settings.keys is None:
        must = "a server that listens elsewhere than on loopback must ask for keys"
        do = "Make a key with: cellstate keys new keys.json, and add --keys keys.json"
        raise InputError(explain("serve", must, "no file of keys", do))
    if (settings.tls_certificate is None) != (settings.tls_key is None):
        must, given = "TLS needs a certificate and its key", "one of the two"
        raise InputError(explain("serve", must, given, "Add --tls-cert or --tls-key"))


class Doorkeeper:
    """Looks at Host, Origin and keys of every call.

    A page elsewhere that has its own name point to this machine (DNS rebinding) sends that name as
    Host; one that calls this server's name sends its own as Origin.

    Parameters
    ----------
    settings : HttpSettings
    keys : KeyRing, optional
        None: no key is asked for.
    """

    def __init__(self, settings: HttpSettings, keys: KeyRing | None) -> None:
        self.keys = keys
        names = {name.lower() for name in settings.allowed_hosts}
        if is_loopback(settings.host):
            names |= LOOPBACK
            self._may_be_address = False
        else:
            # No name that an attacker could point here; what remains is guarded by keys.
            self._may_be_address = True
        if settings.host:
            names.add(settings.host.lower())
        self._names = frozenset(names)
        self._good: dict[bytes, bool] = {}  # Host headers seen before

    def check_source(self, call: Call) -> None:
        """Refuse calls under another name, and those that a page elsewhere makes.

        Raises
        ------
        Problem
            Status 403.
        """
        host = call.host
        if call.hosts != 1 or not (self._good.get(host) or self._is_own(host)):
            must, given = "Host must be a name of this server", "another"
            do = "Start it with --allow-host NAME if it has that name"
            raise Problem(403, explain("request", must, given, do), "wrong_host")
        if call.origin and not self._is_own_origin(call.origin, host):
            must, given = "pages of other sites may not call this server", "such a page"
            do = "Start it with --allow-host NAME if it is yours"
            raise Problem(403, explain("request", must, given, do), "wrong_origin")

    def find_caller(self, call: Call, role: int) -> Caller:
        """Find who is calling.

        Parameters
        ----------
        call : Call
        role : int
            Place in `ROLES` of what the caller must be.

        Raises
        ------
        Problem
            Status 401: no key or one that is not known; 403: its role does not suffice.
        """
        if self.keys is None:
            return NOBODY
        scheme, _, token = call.authorization.partition(b" ")
        found = None
        if scheme.lower() == b"bearer":
            found = self.keys.find(token.strip().decode("latin-1"))
        if found is None:
            must, given = "a key must be sent", "none or one that is not known"
            do = "Send the header Authorization: Bearer KEY"
            raise Problem(401, explain("request", must, given, do), headers=_CHALLENGE)
        if found.rank < role:
            must, given = f"the key's role must be {ROLES[role]}", ROLES[found.rank]
            do = f"Ask for a key of the role {ROLES[role]}"
            raise Problem(403, explain("request", must, given, do), "role")
        return found

    def _is_own(self, host: bytes) -> bool:
        name = _name_of(host)
        is_own = name is not None and (
            name in self._names or (self._may_be_address and _address(name) is not None)
        )
        if is_own and len(self._good) < 1000:
            self._good[host] = True
        return is_own

    def _is_own_origin(self, origin: bytes, host: bytes) -> bool:
        scheme, separator, rest = origin.lower().partition(b"://")
        if not separator or scheme not in (b"http", b"https"):
            return False
        if rest == host.lower():
            return True
        # Loopback's other ports are other programs, hence other sites; names that were allowed
        # by hand may have pages anywhere.
        name = _name_of(rest)
        return name is not None and name in self._names - LOOPBACK


def _name_of(host: bytes) -> str | None:
    """Take the port away from a Host header; None where it is no such header."""
    try:
        text = host.decode("ascii").lower()
    except UnicodeDecodeError:
        return None
    if text.startswith("["):
        name, closing, port = text[1:].partition("]")
        if not closing or (port and not port.startswith(":")):
            return None
        port = port[1:]
    else:
        name, _, port = text.partition(":")
    if port and not port.isdigit():
        return None
    return name.removesuffix(".") or None


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None


def roles_from(role: str) -> Iterable[str]:
    """Name the roles that may do what a role may."""
    return ROLES[ROLES.index(role) :]
