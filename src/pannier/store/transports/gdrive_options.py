"""What the settings of Google Drive remotes say, checked. Nothing is read from elsewhere."""

from __future__ import annotations

import os
from urllib.parse import unquote

from pannier.core.errors import ConfigError
from pannier.core.record import dataclass, field
from pannier.store.remote_config import RemoteConfig
from pannier.store.transports.options import protected_path

APP_DATA = "appDataFolder"
DATA_VARIABLE = "GDRIVE_CREDENTIALS_DATA"
_SERVER_VARIABLE = "PANNIER_GDRIVE_ENDPOINT"
_GOOGLE = "https://www.googleapis.com"
_TOKENS = "https://oauth2.googleapis.com/token"
_LOGIN = "https://accounts.google.com/o/oauth2/v2/auth"


@dataclass(frozen=True, slots=True)
class DriveOptions:
    """root: the id of a folder or a shared drive, `root` or `appDataFolder`. path: below it.

    server: where Drive answers. data: credentials from the environment, as JSON. scratch: as of
    RemoteConfig.
    """

    name: str
    shown: str
    root: str
    path: str
    server: str
    tokens: str
    login: str
    service_account: bool
    account_file: str | None
    acts_for: str | None
    client_id: str | None
    client_secret: str | None = field(repr=False)
    user_file: str | None
    profile: str
    data: str | None = field(repr=False)
    trash_only: bool
    acknowledge_abuse: bool
    scratch: str

    def modify(self, option: str, value: str) -> str:
        return f"'dvc remote modify --local {self.name or '<remote>'} {option} {value}'"

    @property
    def kept(self) -> str | None:
        """The file of the credentials that a user's log-in gave: the one named, or DVC's."""
        if self.user_file or self.client_id is None:
            return self.user_file
        cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
        return f"{cache}/pydrive2fs/{self.client_id}/{self.profile}.json"


def read_drive_options(config: RemoteConfig) -> DriveOptions:
    """Raises ConfigError for what is wrong or does not fit together."""
    root, _, path = config.url.partition("://")[2].partition("/")
    parts = [part for part in unquote(path).split("/") if part]
    if not root or not all(c.isalnum() or c in "-_" for c in root) or {".", ".."} & {*parts}:
        raise ConfigError(
            f"the URL of remote '{config.name}' must be like gdrive://<id of a folder>/path,"
            " gdrive://root/path or gdrive://appDataFolder/path",
            hint="the id is the last part of the folder's address in a browser",
        )
    client_id, secret = config.get("gdrive_client_id"), config.get("gdrive_client_secret")
    if (client_id is None) != (secret is None):
        raise ConfigError(
            f"'gdrive_client_id' and 'gdrive_client_secret' of remote '{config.name}' belong"
            " together",
            hint=f"'dvc remote modify --local {config.name} gdrive_client_secret <secret>'",
        )
    server = os.environ.get(_SERVER_VARIABLE, "").rstrip("/")
    return DriveOptions(
        name=config.name,
        shown=f"gdrive://{'/'.join([root, *parts])}",
        root=root,
        path="/".join(parts),
        server=server or _GOOGLE,
        tokens=f"{server}/token" if server else _TOKENS,
        login=f"{server}/login" if server else _LOGIN,
        service_account=config.flag("gdrive_use_service_account"),
        account_file=protected_path(config, "gdrive_service_account_json_file_path"),
        acts_for=config.get("gdrive_service_account_user_email"),
        client_id=client_id,
        client_secret=secret,
        user_file=protected_path(config, "gdrive_user_credentials_file"),
        profile=config.get("profile") or "default",
        data=os.environ.get(DATA_VARIABLE) or None,
        trash_only=config.flag("gdrive_trash_only"),
        acknowledge_abuse=config.flag("gdrive_acknowledge_abuse"),
        scratch=config.scratch,
    )
