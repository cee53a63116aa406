"""The files `~/.aws/config` and `~/.aws/credentials`, and the key pairs that stand in them."""

from __future__ import annotations

import configparser
from collections.abc import Mapping

from pannier.core.errors import ConfigError
from pannier.core.record import dataclass, field

_NEEDS_BOTOCORE = (
    "role_arn",
    "sso_session",
    "sso_start_url",
    "sso_account_id",
    "credential_process",
    "web_identity_token_file",
    "login_session",
)


@dataclass(frozen=True, slots=True)
class Keys:
    """A key pair that does not expire while we run."""

    key_id: str
    secret: str = field(repr=False)
    token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class AwsFiles:
    """The two files, as far as one profile goes."""

    config: dict[str, dict[str, str]] = field(repr=False)
    credentials: dict[str, dict[str, str]] = field(repr=False)
    name: str

    @property
    def profile(self) -> dict[str, str]:
        """The profile's section of the config file; `[default]` needs no word before its name."""
        found = self.config.get(f"profile {self.name}")
        return found if found is not None else self.config.get(self.name, {})

    @property
    def has_profile(self) -> bool:
        return bool(self.profile) or self.name in self.credentials

    def nested(self, key: str) -> dict[str, str]:
        return _nested(self.profile.get(key, ""))

    def endpoint(self, env: Mapping[str, str]) -> str | None:
        """The endpoint that the machine's configuration names, in botocore's order."""
        ignore = env.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS") or self.profile.get(
            "ignore_configured_endpoint_urls", ""
        )
        if ignore.lower() == "true":
            return None
        services = self.config.get(f"services {self.profile.get('services', '')}", {})
        return (
            env.get("AWS_ENDPOINT_URL_S3")
            or env.get("AWS_ENDPOINT_URL")
            or _nested(services.get("s3", "")).get("endpoint_url")
            or self.profile.get("endpoint_url")
        )

    def static_keys(self, env: Mapping[str, str], *, only_profile: bool) -> Keys | None:
        """The key pair, when it stands somewhere in plain text and nothing of higher rank exists.

        only_profile: the remote itself names the profile; then variables do not count.
        """
        key_id, secret = env.get("AWS_ACCESS_KEY_ID"), env.get("AWS_SECRET_ACCESS_KEY")
        if key_id and secret and not only_profile:
            token = env.get("AWS_SESSION_TOKEN") or env.get("AWS_SECURITY_TOKEN")
            return Keys(key_id, secret, token)
        if env.get("AWS_WEB_IDENTITY_TOKEN_FILE") and not only_profile:
            return None
        stored = self.credentials.get(self.name, {})
        if any(name in section for name in _NEEDS_BOTOCORE for section in (self.profile, stored)):
            return None
        for section in (stored, self.profile):
            key_id, secret = section.get("aws_access_key_id"), section.get("aws_secret_access_key")
            if key_id and secret:
                token = section.get("aws_session_token") or section.get("aws_security_token")
                return Keys(key_id, secret, token)
        return None


def read_sections(path: str) -> dict[str, dict[str, str]]:
    parser = configparser.RawConfigParser(default_section="\0", strict=False)
    try:
        with open(path, encoding="utf-8") as file:
            parser.read_file(file)
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, configparser.Error):
        # The parser's own words quote the line it stumbled on, which may be a secret.
        raise ConfigError(f"the AWS file '{path}' cannot be read or is not well formed") from None
    return {
        " ".join(name.replace('"', "").replace("'", "").split()): dict(parser.items(name))
        for name in parser.sections()
    }


def _nested(text: str) -> dict[str, str]:
    """The indented lines below a key, as `s3 =` has them."""
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line)
    return {key.strip(): value.strip() for key, _, value in pairs}
