"""What DVC's config files may say: sections, options, their types, which hold secrets or paths.

DVC refuses every command when its config holds an option that it does not know, so this list is
exactly DVC's. Source: docs/formats.md, sections 13.1 and 13.2; checked against real DVC.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from pannier.core.errors import ConfigError
from pannier.core.typed import Any

Check = Callable[[Any], str | None]
"""What is wrong with a value, or None."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_URL = r"([a-zA-Z][a-zA-Z0-9+.-]*)://[^/?#]"
LINK_KINDS = ("reflink", "hardlink", "symlink", "copy")

PATHS = _words(
    "url credentialpath configpath keyfile cert_path key_path gdrive_user_credentials_file"
    " gdrive_service_account_json_file_path"
)
"""Options of a remote that are paths when they have no scheme; of the others only `cache.dir`."""

SECRETS = _words(
    "password passphrase token secret_access_key session_token sse_customer_key connection_string"
    " sas_token account_key client_secret oss_key_secret gdrive_client_secret"
)
"""Options whose values are not for others' eyes."""

URLS = _words("url endpointurl proxy_to")
"""Options that are URLs, in which a secret may stand."""

PROTECTED = _words(
    "configpath credentialpath keyfile bearer_token_command cert_path key_path"
    " gdrive_user_credentials_file gdrive_service_account_json_file_path kerb_ticket"
)
"""Options of a remote that run a program or name a credential file: docs/decisions/0003."""

PROTECTED_ELSEWHERE = frozenset({"hydra.plugins_path", "core.site_cache_dir", "plots.auto_open"})


HARMLESS = frozenset({"url", "jobs", "verify"})
"""Options of a remote of any kind that the program itself reads."""

_SECRET_WORDS = ("pass", "secret", "token", "key", "credential")


def sounds_secret(option: str) -> bool:
    """For options of remotes of kinds that we do not know: the same as SECRETS, by their words."""
    return option in SECRETS or any(word in option for word in _SECRET_WORDS)


def is_foreign(url: str) -> bool:
    """True for a URL of a kind that DVC does not know: it would refuse a config that holds it."""
    return re.match(_URL, url) is not None and scheme_of(url) not in SCHEMES.keys() | {
        "remote",
        "file",
    }


def is_protected(option: str, value: str) -> bool:
    """True for an option of a remote that counts only from the user's own config levels."""
    if option in SECRETS:
        return value.startswith("cmd:")
    if option == "ssl_verify":
        return value.lower() not in ("true", "false")
    return option in PROTECTED


# -- types ---------------------------------------------------------------------------------------


def _text(value: Any) -> str | None:
    return None if isinstance(value, str) else "expected str"


def _anything(value: Any) -> str | None:
    return None


def _flag(value: Any) -> str | None:
    good = isinstance(value, str) and value.lower() in ("true", "false")
    return None if good else "expected true or false"


def _never(kind: str) -> Check:
    """An option that DVC can take from no file: it wants a type that no file can hold."""
    return lambda value: f"expected {kind}"


def _number(value: Any) -> str | None:
    try:
        int(value)
    except (TypeError, ValueError):
        return "expected int"
    return None


def _at_least(least: int) -> Check:
    low = f"value must be at least {least}"
    return lambda value: _number(value) or (None if int(value) >= least else low)


def _decimal(value: Any) -> str | None:
    try:
        float(value)
    except (TypeError, ValueError):
        return "expected float"
    return None


def _one_of(*choices: str) -> Check:
    wrong = "expected one of " + ", ".join(choices)
    return lambda value: None if value in choices else wrong


def _link_kinds(value: Any) -> str | None:
    kinds = [k.strip() for k in value.split(",")] if isinstance(value, str) else value
    unknown = [kind for kind in dict.fromkeys(kinds) if kind not in LINK_KINDS]
    return f"Unsupported cache type(s): {', '.join(unknown)}" if unknown else None


def _options(**by_type: str) -> dict[str, Check]:
    """A section's options by the name of their type."""
    return {name: _TYPES[kind] for kind, names in by_type.items() for name in names.split()}


_TYPES: dict[str, Check] = {
    "text": _text,
    "anything": _anything,
    "flags": _flag,
    "numbers": _number,
    "counts": _at_least(1),
    "decimals": _decimal,
    "links": _link_kinds,
    "group": _one_of("group"),
}

# -- sections ------------------------------------------------------------------------------------

SECTIONS: dict[str, dict[str, Check]] = {
    "core": _options(
        text="site_cache_dir",
        anything="remote machine",
        flags="interactive analytics hardlink_lock no_scm autostage check_update experiments",
        counts="checksum_jobs",
    ),
    "cache": _options(
        text="dir local s3 gs ssh hdfs webhdfs azure",
        flags="slow_link_warning verify protected",
        links="type",
        group="shared",
    ),
    "exp": _options(
        text="code data models metrics params plots live git_remote",
        flags="auto_push",
    ),
    "hydra": _options(text="config_dir config_module config_name plugins_path", flags="enabled"),
    "parsing": {
        "bool": _one_of("store_true", "boolean_optional"),
        "list": _one_of("nargs", "append"),
    },
    "plots": _options(text="html_template out_dir", flags="auto_open"),
    "studio": _options(text="token url repo_url", flags="offline"),
    "state": _options(text="dir", counts="row_limit") | {"row_cleanup_quota": _at_least(0)},
    "index": _options(text="dir"),
}
DATABASE = _options(text="url username password")
_COMMON = _options(counts="jobs checksum_jobs", flags="version_aware worktree no_traverse")
_HTTP = _options(
    text="user password custom_auth_header method ssl_verify",
    flags="ask_password verify",
    decimals="connect_timeout read_timeout",
) | {"auth": _one_of("basic", "digest", "custom")}
_WEBDAV = _options(
    text="user password token bearer_token_command custom_auth_header cert_path key_path"
    " ssl_verify",
    flags="ask_password verify",
    numbers="timeout",
)

SCHEMES: dict[str, dict[str, Check]] = {
    "": _options(links="type", group="shared", flags="slow_link_warning verify protected"),
    "s3": _options(
        text="region profile credentialpath configpath endpointurl access_key_id"
        " secret_access_key session_token ssl_verify sse sse_kms_key_id sse_customer_algorithm"
        " sse_customer_key acl grant_read grant_read_acp grant_write_acp grant_full_control",
        flags="use_ssl allow_anonymous_login listobjects verify",
        numbers="read_timeout connect_timeout",
    )
    | {"cache_regions": _never("bool")},
    "gs": _options(
        text="projectname credentialpath endpointurl", flags="allow_anonymous_login verify"
    ),
    "azure": _options(
        text="connection_string sas_token account_name account_key tenant_id client_id"
        " client_secret",
        flags="allow_anonymous_login exclude_environment_credential"
        " exclude_visual_studio_code_credential exclude_shared_token_cache_credential"
        " exclude_managed_identity_credential verify",
        numbers="timeout read_timeout connection_timeout",
    ),
    "ssh": _options(
        text="user password passphrase keyfile",
        flags="ask_password ask_passphrase gss_auth allow_agent verify",
        numbers="port timeout max_sessions",
        links="type",
    ),
    "http": _HTTP,
    "https": _HTTP,
    "webdav": _WEBDAV,
    "webdavs": _WEBDAV,
    "hdfs": _options(text="user kerb_ticket") | {"replication": _never("int")},
    "webhdfs": _options(
        text="kerberos_principal proxy_to ssl_verify token user password data_proxy_target",
        flags="kerberos use_https verify",
    ),
    "oss": _options(text="oss_key_id oss_key_secret oss_endpoint", flags="verify"),
    "gdrive": _options(
        text="profile gdrive_client_id gdrive_client_secret gdrive_user_credentials_file"
        " gdrive_service_account_user_email gdrive_service_account_json_file_path",
        flags="gdrive_use_service_account gdrive_trash_only gdrive_acknowledge_abuse verify",
    ),
}


def scheme_of(url: str) -> str:
    """The scheme of a URL in lower case, "" for a path: `a+b://c` and `c:/d` are paths."""
    scheme, found, _ = url.partition("://")
    word = scheme.replace("_", "a")
    return scheme.lower() if found and word.isalnum() else ""


# -- checking ------------------------------------------------------------------------------------


def validate(tree: dict[str, Any]) -> list[str]:
    """Checks a tree of all levels together. Returns warnings; raises ConfigError for a fault.

    DVC looks at `core` and `cache` first, then at the sections as they come.
    """
    warnings = []
    for name in sorted(tree, key=lambda name: {"core": 0, "cache": 1}.get(name, 2)):
        section = tree[name]
        if name == "feature" and isinstance(section, dict):
            warnings += _check_features(section)
            continue
        if name not in SECTIONS and name not in ("remote", "machine", "db", "feature"):
            raise _fault("extra keys not allowed", name)
        if not isinstance(section, dict):
            raise _fault("expected a dictionary for dictionary value", name)
        if name in SECTIONS:
            _check(section, SECTIONS[name], name)
        else:
            _check_named(name, section)
    hydra = tree.get("hydra", {})
    if "config_dir" in hydra and "config_module" in hydra:
        raise ConfigError(
            "two or more values in the same group of exclusion 'config_source'"
            " @ data['hydra'][<config_source>]"
        )
    return warnings


def _check_features(section: dict[str, Any]) -> list[str]:
    """`feature` is the one section in which DVC only warns of what it does not know."""
    if "machine" in section and (wrong := _flag(section["machine"])):
        raise _fault(f"{wrong} for dictionary value", "feature", "machine")
    unknown = [option for option in section if option != "machine"]
    return [f"'feature.{option}' config option is unsupported" for option in unknown]


def _check_named(kind: str, sections: dict[str, Any]) -> None:
    for name, section in sections.items():
        if not isinstance(section, dict):
            raise _fault("expected a dictionary for dictionary value", kind, name)
        if kind == "remote":
            _check_remote(name, section)
        elif kind == "db":
            _check(section, DATABASE, kind, name)
        # What describes a machine belongs to a feature that is gone: anything may stand there.


def _check_remote(name: str, section: dict[str, Any]) -> None:
    url = section.get("url")
    if url is None:
        raise _fault("expected 'url' for dictionary value", "remote", name)
    if not isinstance(url, str):
        raise _fault("expected str for dictionary value", "remote", name, "url")
    found = re.match(_URL, url)
    scheme = found[1].lower() if found else ""  # a URL that names no host is a path here
    if scheme == "remote":
        return
    if scheme not in SCHEMES:
        raise _fault(f"Unsupported URL type {scheme}:// for dictionary value", "remote", name)
    _check(section, {"url": _text} | _COMMON | SCHEMES[scheme], "remote", name)


def _check(section: dict[str, Any], known: dict[str, Check], *where: str) -> None:
    for option, value in section.items():
        if option not in known:
            raise _fault("extra keys not allowed", *where, option)
        if wrong := known[option](value):
            raise _fault(f"{wrong} for dictionary value", *where, option)


def _fault(text: str, *where: str) -> ConfigError:
    return ConfigError(f"{text} @ data" + "".join(f"[{part!r}]" for part in where))
