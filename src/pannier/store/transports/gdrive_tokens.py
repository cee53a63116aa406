"""Who asks Google Drive: a service account, or a user who logged in once."""

from __future__ import annotations

import json

from pannier.core.errors import ConfigError
from pannier.core.typed import Any
from pannier.disk import fsio
from pannier.disk.reading import read_small
from pannier.store.transports.gdrive_login import ask_for_code
from pannier.store.transports.gdrive_options import APP_DATA, DATA_VARIABLE, DriveOptions
from pannier.store.transports.google_tokens import GoogleTokens, Post

_DRIVE = "https://www.googleapis.com/auth/drive"
_APP = "https://www.googleapis.com/auth/drive.appdata"


class DriveTokens(GoogleTokens):
    def __init__(self, options: DriveOptions, post: Post) -> None:
        scope = _scope(options)
        super().__init__(options.name, scope, post, "gdrive", options.tokens, options.acts_for)
        self._options = options

    def _again(self) -> str:
        kept = self._options.kept
        if self._options.service_account or self._options.data or kept is None:
            return "make a new key, or credentials, in Google's console"
        return f"log in anew: remove '{kept}', and repeat the command at a terminal"

    def _found(self) -> dict[str, Any]:
        """In DVC's order. Raises ConfigError that says all ways in when there is none."""
        options = self._options
        if options.service_account:
            if options.account_file:
                return self._checked(_read(options.account_file), options.account_file)
            if options.data:
                return self._checked(options.data.encode(), DATA_VARIABLE)
            raise ConfigError(
                f"remote '{options.name}' is for a service account, and nothing says where its key"
                " is",
                hint=options.modify("gdrive_service_account_json_file_path", "<file>")
                + f", or put its content into {DATA_VARIABLE}",
            )
        if options.data:
            return self._checked(options.data.encode(), DATA_VARIABLE)
        kept = options.kept
        if kept is not None:
            try:
                return self._checked(read_small(kept), kept)
            except FileNotFoundError:
                pass
            except OSError as error:
                raise ConfigError(f"'{kept}' cannot be read: {error.strerror}") from None
        if options.client_id is None:
            raise ConfigError(
                f"Google Drive needs to know who asks for '{options.shown}'",
                hint=ways(options),
            )
        return self._logged_in()

    def _checked(self, data: bytes, where: str) -> dict[str, Any]:
        """Credentials as Google's console and DVC write them."""
        try:
            who = json.loads(data)
        except ValueError:
            who = None
        wanted = ["refresh_token", "client_id", "client_secret"]
        if isinstance(who, dict) and who.get("type") == "service_account":
            wanted = ["client_email", "private_key", "token_uri"]
        if not isinstance(who, dict) or not all(isinstance(who.get(w), str) for w in wanted):
            raise ConfigError(f"{where} holds no credentials of Google's", hint=ways(self._options))
        return who

    def _logged_in(self) -> dict[str, Any]:
        """Asks the user, at a terminal, and keeps what came of it."""
        options = self._options
        code, form = ask_for_code(options, _scope(options))
        answer = self._ask(options.tokens, {**form, "code": code})
        who = {
            "client_id": options.client_id,
            "client_secret": options.client_secret,
            "refresh_token": answer.get("refresh_token"),
            "access_token": answer["access_token"],
            "token_uri": options.tokens,
            "token_expiry": None,
            "scopes": _scope(options).split(),
            "invalid": False,
            "_class": "OAuth2Credentials",
            "_module": "oauth2client.client",
        }
        if options.kept and who["refresh_token"]:
            fsio.make_dirs(options.kept.rpartition("/")[0], 0o700)
            fsio.write_atomic(options.kept, json.dumps(who).encode(), mode=0o600)
        return self._checked(json.dumps(who).encode(), "Google's answer")


def _scope(options: DriveOptions) -> str:
    return f"{_DRIVE} {_APP}" if options.root == APP_DATA else _DRIVE


def _read(path: str) -> bytes:
    try:
        return read_small(path)
    except OSError as error:
        raise ConfigError(f"'{path}' cannot be read: {error.strerror}") from None


def ways(options: DriveOptions) -> str:
    """The ways in, step by step. We ship no client of our own: Google blocks such."""
    name = options.name or "<remote>"
    modify, local = f"dvc remote modify {name}", f"dvc remote modify --local {name}"
    return (
        "one of these three.\n"
        "  A service account (for machines): make one and a JSON key in Google's console, share the"
        " folder with its address;\n"
        f"    {modify} gdrive_use_service_account true\n"
        f"    {local} gdrive_service_account_json_file_path <key.json>\n"
        "  Your own account: enable the Drive API in a project of Google's console, make an OAuth"
        " client of the kind 'Desktop app', then log in at a terminal;\n"
        f"    {modify} gdrive_client_id <id>\n"
        f"    {local} gdrive_client_secret <secret>\n"
        f"  Credentials that you have: {local} gdrive_user_credentials_file <file>, or their"
        f" content in {DATA_VARIABLE}"
    )
