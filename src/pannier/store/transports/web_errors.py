"""What a web server or the way to it answered, in the words of the transport contract.

Bodies of answers are never shown: they are pages, and may quote what was sent.
"""

from __future__ import annotations

from pannier.core.errors import AccessDenied, NotThere, TransportError, Unreachable
from pannier.store.transports.web_options import WebOptions

TEMPORARY = {408, 423, 425, 429, 500, 502, 503, 504}
"""Statuses that another try may change."""

CHECK_URL = "check the remote's URL, and whether a proxy or log-in page stands between"


class FolderGone(TransportError):
    """A folder that should be there is not; it can be made."""

    temporary = True


def refusal(status: int, method: str, key: str, options: WebOptions) -> TransportError:
    """The error for a status that is no success."""
    server = options.server
    about = f"'{key}' in '{options.shown}'" if key else f"'{options.shown}'"
    if status in (404, 410):
        return NotThere(f"{about} does not exist")
    if status == 401:
        return _not_known(options)
    if status == 403:
        return AccessDenied(
            f"no access to {about} ({method})", hint="ask the owner of the server for the right"
        )
    if status == 407:
        return AccessDenied(
            "the proxy wants a user name and a password",
            hint="put them into HTTPS_PROXY: http://user:password@host:port",
        )
    if status == 409:
        return FolderGone(f"{server} misses a folder for {about}")
    if status in (413, 507):
        return TransportError(f"{server} has no room for {about} ({status})")
    if status in (405, 501):
        return TransportError(
            f"{server} does not allow {method} at {about}", hint=_other_method(method, options)
        )
    error = TransportError(
        f"{server} cannot answer now ({status})"
        if status in TEMPORARY
        else f"{server} refused {method} of {about} ({status})"
    )
    error.temporary = status in TEMPORARY
    return error


def _other_method(method: str, options: WebOptions) -> str | None:
    if options.is_webdav:
        return "is this the address of a WebDAV folder? 'dvc remote list' shows it"
    if method == options.method:
        return options.modify("method", "PUT" if method == "POST" else "POST")
    return None


def _not_known(options: WebOptions) -> AccessDenied:
    if not options.auth:
        typed = [options.modify("user", "<user>"), options.modify("password", "<password>")]
        typed += [] if options.is_webdav else [options.modify("auth", "basic")]
        return AccessDenied(f"{options.server} wants to know who you are", hint=" and ".join(typed))
    if options.auth == "bearer":
        return AccessDenied(
            f"{options.server} does not accept the token", hint=options.modify("token", "<token>")
        )
    what = (
        f"the header '{options.header}'" if options.header else f"the password of '{options.user}'"
    )
    return AccessDenied(
        f"{options.server} does not accept {what}", hint=options.modify("password", "<password>")
    )


def astray(options: WebOptions) -> TransportError:
    return TransportError(
        f"{options.server} sends from one address to the next without end",
        hint="check the remote's URL with 'dvc remote list'",
    )


def not_there_at_all(options: WebOptions) -> TransportError:
    """For a server that has something under every name."""
    return TransportError(
        f"{options.server} answers, but with a page for names that cannot exist",
        hint=CHECK_URL,
    )


def on_the_way(error: Exception, options: WebOptions) -> TransportError:
    """The error for what httpx raised: no answer at all, or half of one."""
    name, text, server = type(error).__name__, str(error), options.server
    if "CERTIFICATE_VERIFY" in text:
        return TransportError(
            f"the certificate of {server} is not trusted",
            hint=options.modify("ssl_verify", "<file with its CA>").replace(
                "modify ", "modify --local ", 1
            ),
        )
    if "Name or service" in text or "name resolution" in text or "No address" in text:
        return Unreachable(f"no such host: {server}", hint="check the network and the remote's URL")
    if name == "ProxyError":
        return Unreachable(f"the proxy does not let through to {server}")
    if "Timeout" in name:
        return Unreachable(f"{server} did not answer in time")
    if name == "ConnectError":
        if "SSL" in text or "TLS" in text:
            return TransportError(
                f"{server} does not speak TLS as it should", hint="is it http:// perhaps?"
            )
        return Unreachable(f"cannot connect to {server}")
    if name in ("InvalidURL", "UnsupportedProtocol", "LocalProtocolError"):
        return TransportError(f"a request to {server} cannot be made ({name})")
    return Unreachable(f"the connection to {server} broke off")


def failed(error: BaseException, options: WebOptions) -> TransportError:
    return TransportError(f"a request to {options.server} failed ({type(error).__name__})")
