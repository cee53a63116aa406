"""The one time that a user of Google Drive logs in: by a browser anywhere, and a line to paste.

No server of ours waits for the browser: it may run on another machine than the command. Google
sends it to an address of the user's own machine, at which nobody listens; what is in that address
is the code. Source: RFC 8252 (loopback), RFC 7636 (PKCE).
"""

from __future__ import annotations

import secrets
from base64 import urlsafe_b64encode
from hashlib import sha256
from urllib.parse import parse_qs, urlencode, urlsplit

from pannier.core.errors import AccessDenied
from pannier.store.transports.asking import ask_secret
from pannier.store.transports.gdrive_options import DriveOptions

_BACK = "http://127.0.0.1:9/"


def ask_for_code(options: DriveOptions, scope: str) -> tuple[str, dict[str, str]]:
    """(code, what else goes into the request for a token).

    Raises ConfigError where nobody sits at a terminal, AccessDenied for a wrong answer.
    """
    verifier, state = secrets.token_urlsafe(48), secrets.token_urlsafe(16)
    challenge = urlsafe_b64encode(sha256(verifier.encode()).digest()).decode().rstrip("=")
    query = {
        "client_id": options.client_id or "",
        "redirect_uri": _BACK,
        "response_type": "code",
        "scope": scope,
        "access_type": "offline",
        "prompt": "consent",
        "state": state,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    prompt = (
        "Open this address in a browser and allow the access:\n\n"
        f"{options.login}?{urlencode(query)}\n\n"
        "The browser then ends at an address that it cannot open, 127.0.0.1. Paste it here"
    )
    given = ask_secret(options.name, "gdrive_user_credentials_file", prompt).strip()
    told = parse_qs(urlsplit(given).query)
    if "code" not in told or not secrets.compare_digest(told.get("state", [""])[0], state):
        raise AccessDenied(
            f"what was pasted is not the address that Google sent to for remote '{options.name}'",
            hint="repeat the command, and paste the whole address from the browser",
        )
    return told["code"][0], {
        "grant_type": "authorization_code",
        "client_id": options.client_id or "",
        "client_secret": options.client_secret or "",
        "redirect_uri": _BACK,
        "code_verifier": verifier,
    }
