"""Opening an SSH connection by asyncssh: settings, keys, host keys, and what can go wrong there.

`~/.ssh/config` and `/etc/ssh/ssh_config` count as they do for `ssh`: Host, Match, Include,
ProxyJump, ProxyCommand, IdentityFile, agents. They are the user's and the machine's own; nothing
that a repository brings can name a program. Host keys must be known: a server that anybody could
pretend to be is not given data, nor a password.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from typing import NamedTuple

from pannier.core.errors import AccessDenied, ConfigError, PannierError, TransportError, Unreachable
from pannier.core.record import dataclass, field
from pannier.core.typed import Any
from pannier.store.transports.kerberos import Kerberos
from pannier.store.transports.sftp import Lost, Session
from pannier.store.transports.ssh_kerberos import SshTicket, not_let_in
from pannier.store.transports.ssh_options import CONNECT_TIMEOUT_S, Options

_USER_KNOWN = ["~/.ssh/known_hosts", "~/.ssh/known_hosts2"]
_GLOBAL_KNOWN = ["/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"]
_SETTINGS = ("~/.ssh/config", "/etc/ssh/ssh_config")

_ALIVE_EVERY_S, _ALIVE_TIMES = 15, 4
"""A server that says nothing for so long, asked so often, is gone."""

_LOGIN_S = 120
_WINDOW_BYTES = 4 << 20

_FAST_FIRST = "^aes128-gcm@openssh.com,aes256-gcm@openssh.com"
"""With the processor's own instructions for AES these cost a fraction of the usual first choice."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """What was asked of the user, or stands in the user's settings."""

    password: str | None = field(default=None, repr=False)
    passphrase: str | None = field(default=None, repr=False)


class Place(NamedTuple):
    """Whom a connection is made to, as ~/.ssh/config has it."""

    host: str
    port: int

    @property
    def shown(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}" if self.port != 22 else host

    @property
    def known_as(self) -> str:
        """As known_hosts files spell it."""
        return f"[{self.host}]:{self.port}" if self.port != 22 else self.host


@dataclass(frozen=True, slots=True)
class Connection:
    """connection: asyncssh's. server: host and port, for messages."""

    connection: Any
    server: str

    async def open_session(self) -> Session:
        """One more SFTP session. Raises TransportError, Unreachable."""
        asyncssh = library()
        try:
            async with asyncio.timeout(_LOGIN_S):
                _, session = await self.connection.create_session(
                    Session, subsystem="sftp", encoding=None, window=_WINDOW_BYTES
                )
                await session.start()
        except TimeoutError:
            raise Unreachable(f"{self.server} did not answer in time") from None
        except asyncssh.ChannelOpenError as error:
            if error.code == asyncssh.OPEN_CONNECT_FAILED or "closed" in str(error):
                raise Unreachable(f"the connection to {self.server} broke off") from None
            raise TransportError(
                f"{self.server} lets nobody use SFTP",
                hint="its administrator can switch it on with 'Subsystem sftp internal-sftp'",
            ) from None
        except Lost as error:
            if "not SFTP" in str(error):
                raise TransportError(
                    f"{self.server} answers, but not as an SFTP server does",
                    hint="a login script there that prints something is the usual reason",
                ) from None
            raise Unreachable(f"the connection to {self.server} broke off") from None
        except (asyncssh.Error, OSError):
            raise Unreachable(f"the connection to {self.server} broke off") from None
        return session  # type: ignore[no-any-return]

    async def run(self, command: str, timeout_s: float) -> bytes | None:
        """What a command writes; None where the server runs none, or it fails."""
        asyncssh = library()
        try:
            async with asyncio.timeout(timeout_s):
                done = await self.connection.run(command, stdin=asyncssh.DEVNULL, encoding=None)
        except (asyncssh.Error, OSError, ValueError):
            return None
        return bytes(done.stdout or b"") if done.exit_status == 0 else None

    def abort(self) -> None:
        self.connection.abort()

    async def close(self) -> None:
        self.connection.close()
        await self.connection.wait_closed()


def library() -> Any:
    try:
        import asyncssh
    except ImportError:
        raise ConfigError(
            "remotes of the kind ssh:// need a package that is not installed",
            hint="pip install 'pannier[ssh]'",
        ) from None
    return asyncssh


async def connect(options: Options, secrets: Secrets) -> Connection:
    """Connects and logs in.

    Raises ConfigError, AccessDenied, TransportError (a host key that is not known), Unreachable.
    """
    asyncssh = library()
    given = _given(options, secrets)
    place = Place(options.host, 22)
    known: Any = None
    try:
        probe = asyncssh.SSHClientConnectionOptions(
            host=options.host,
            **{**given, "client_keys": None, "known_hosts": None, "password": None},
        )
        place = Place(probe.host, probe.port)
        known = _known_hosts(asyncssh, probe.config)
        given["known_hosts"] = known
        _fill_in(given, options, probe.config)
        _take_tickets(asyncssh, given, options, probe.config)
    except (ValueError, OSError) as error:
        raise ConfigError(f"your SSH settings for '{options.host}': {error}") from None
    try:
        made = await asyncssh.connect(options.host, **given)
    except Exception as error:
        # In a thread: what is wrong with a ticket may be known only to a Kerberos server.
        raise await asyncio.to_thread(_failure, error, asyncssh, options, place, known) from None
    return Connection(made, place.shown)


def _given(options: Options, secrets: Secrets) -> dict[str, Any]:
    """What the remote's own options say, as asyncssh's arguments."""
    paths = [os.path.expanduser(path) for path in _SETTINGS]
    given: dict[str, Any] = {
        "config": [path for path in paths if os.access(path, os.R_OK)],
        "password": secrets.password,
        "login_timeout": _LOGIN_S,
    }
    if options.port is not None:
        given["port"] = options.port
    if options.user is not None:
        given["username"] = options.user
    if options.keyfile is not None:
        if not os.access(options.keyfile, os.R_OK):
            raise ConfigError(
                f"the key '{options.keyfile}' of remote '{options.name}' cannot be read",
                hint=f"'dvc remote modify --local {options.name} keyfile <path>'",
            )
        given["client_keys"] = [options.keyfile]
    if secrets.passphrase is not None:
        given["passphrase"] = secrets.passphrase
    if not options.allow_agent:
        given["agent_path"] = None
    return given


def _take_tickets(asyncssh: Any, given: dict[str, Any], options: Options, settings: Any) -> None:
    """Kerberos, where the remote or the user's SSH settings want it.

    Keys are never exchanged by a ticket: the server's own key is what it is known by.
    """
    by_settings = bool(settings.get("GSSAPIAuthentication"))
    wanted = by_settings if options.gss is None else options.gss
    given["gss_auth"], given["gss_kex"] = wanted, False
    if wanted and not asyncssh.gss.gss_available:
        error = asyncssh.gss.GSSError

        def ticket(host: str, store: object, delegate: bool) -> SshTicket:
            if store:  # another's wish, which only the package can fulfil
                raise error(0, 0)
            return SshTicket(error, host, delegate)

        asyncssh.connection.GSSClient = ticket


def _fill_in(given: dict[str, Any], options: Options, settings: Any) -> None:
    """What neither the remote nor the user's SSH settings say."""
    if options.timeout_s is not None:
        given["connect_timeout"] = options.timeout_s
    elif settings.get("ConnectTimeout") is None:
        given["connect_timeout"] = CONNECT_TIMEOUT_S
    if settings.get("ServerAliveInterval") is None:
        given["keepalive_interval"] = _ALIVE_EVERY_S
        given["keepalive_count_max"] = _ALIVE_TIMES
    if settings.get("Ciphers") is None:
        given["encryption_algs"] = _FAST_FIRST


# -- host keys ----


def _known_hosts(asyncssh: Any, settings: Any) -> Any:
    """The host keys of the files that the user's SSH settings name, or of the usual ones."""
    names = [
        *(settings.get("UserKnownHostsFile", None) or _USER_KNOWN),
        *(settings.get("GlobalKnownHostsFile", None) or _GLOBAL_KNOWN),
    ]
    known = asyncssh.import_known_hosts("")
    for name in names:
        path = os.path.expanduser(name.replace("%d", "~"))
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                lines = file.readlines()
        except OSError:
            continue  # most people have one of the four
        for line in lines:
            with contextlib.suppress(ValueError):  # as ssh, which passes such lines over
                known.load(line)
    return known


def _unverified(error: Any, options: Options, place: Place, known: Any) -> TransportError:
    """Is the host new, or is its key another than it was?"""
    host, _, alias = str(error).rpartition(" for host ")[2].partition(" with alias ")
    if host and host != place.host:
        place = Place(host, 22)  # one that stands on the way: ProxyJump
    port = place.port if place.port != 22 else None
    keys = known.match(alias or place.host, "", port) if known is not None else ([], [])
    if keys[0] or keys[1]:
        return TransportError(
            f"the host key of {place.shown} is not the one in your known_hosts file: the server was"
            " set up anew, or somebody pretends to be it",
            hint="if you know that it was, forget the old key: ssh-keygen -R"
            f" '{alias or place.known_as}'",
        )
    scan = f"ssh-keyscan {f'-p {port} ' if port else ''}{place.host} >> ~/.ssh/known_hosts"
    return TransportError(
        f"the host key of {place.shown} is not known",
        hint=f"connect once with '{options.command}' and look at its fingerprint, or, where the"
        f" network is to be trusted: {scan}",
    )


# -- what went wrong ----


def _key_error(error: Exception, options: Options) -> PannierError:
    about = f"the key '{options.keyfile}'" if options.keyfile else "your private key"
    if options.passphrase or options.ask_passphrase:
        return AccessDenied(
            f"{about} cannot be opened with this passphrase",
            hint=f"'dvc remote modify --local {options.name} ask_passphrase true'",
        )
    if "assphrase" in str(error):
        return AccessDenied(
            f"{about} is protected by a passphrase",
            hint=f"'dvc remote modify --local {options.name} ask_passphrase true', or ssh-add",
        )
    return ConfigError(f"{about} is not one that can be read: {error}")


def _failure(
    error: Exception, asyncssh: Any, options: Options, place: Place, known: Any
) -> PannierError:
    """What a failed attempt to connect means."""
    server = place.shown
    if isinstance(error, PannierError):
        return error
    if isinstance(error, asyncssh.HostKeyNotVerifiable):
        return _unverified(error, options, place, known)
    if isinstance(error, asyncssh.PermissionDenied) or "uthentication failures" in str(error):
        return _denied(error, options, place)
    if isinstance(error, asyncssh.KeyImportError | asyncssh.KeyEncryptionError):
        return _key_error(error, options)
    if isinstance(error, TimeoutError):
        return Unreachable(f"{server} did not answer in time")
    if isinstance(error, socket.gaierror):
        return Unreachable(
            f"no such host: {server}",
            hint="check the network and the URL with 'dvc remote list'",
        )
    if isinstance(error, asyncssh.KeyExchangeFailed | asyncssh.ProtocolNotSupported):
        return TransportError(f"{server} and this program share no way to encrypt: {error}")
    if isinstance(error, asyncssh.ProtocolError):
        return TransportError(f"{server} answers, but not as an SSH server does")
    if isinstance(error, asyncssh.ChannelOpenError):
        return Unreachable(f"cannot connect to {server} through the host on the way: {error}")
    if isinstance(error, asyncssh.Error):
        return Unreachable(f"the connection to {server} broke off while logging in")
    if isinstance(error, OSError):
        return Unreachable(f"cannot connect to {server}")
    if isinstance(error, ValueError):
        return ConfigError(f"your SSH settings for '{options.host}': {error}")
    return TransportError(f"cannot connect to {server}: {type(error).__name__}")


def _denied(error: Exception, options: Options, place: Place) -> PannierError:
    server = place.shown
    user = f"the user '{options.user}'" if options.user else "this user"
    if "uthentication failures" in str(error):
        return AccessDenied(
            f"{server} gave up after too many keys",
            hint="name the right one: 'dvc remote modify --local"
            f" {options.name} keyfile <path>', and {options.name} allow_agent false",
        )
    if options.gss:
        who = Kerberos(options.name, place.host, service="host")
        return not_let_in(who, server, user, options.command)
    if options.password or options.ask_password:
        return AccessDenied(
            f"{server} does not accept the password of {user}",
            hint=f"'dvc remote modify --local {options.name} ask_password true'",
        )
    return AccessDenied(
        f"{server} does not let {user} in: none of the keys is accepted",
        hint=f"see that '{options.command}' works, or 'dvc remote modify --local"
        f" {options.name} keyfile <path>', ask_passphrase or ask_password",
    )
