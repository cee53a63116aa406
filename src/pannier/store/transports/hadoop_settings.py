"""What Hadoop's own settings on this machine say: core-site.xml and hdfs-site.xml.

They are the user's and the machine's, found as Hadoop finds them; nothing that a repository brings
can name them.
"""

from __future__ import annotations

import os
import re
from urllib.parse import urlsplit
from xml.etree import ElementTree

from pannier.core.errors import ConfigError, TransportError

STANDS_BY = "StandbyException"
"""What a name node says that is not the active one."""

_FILES = ("core-site.xml", "hdfs-site.xml")
_UMASK, _UMASK_KEY, _OCTAL = 0o022, "fs.permissions.umask-mode", re.compile("[0-7]{1,4}")


class StandsBy(TransportError):
    """Another name node is to be asked, or this one later. alone: the URL names no other."""

    temporary = True

    def __init__(self, server: str, remote: str, scheme: str, *, alone: bool) -> None:
        hint = (
            f"'dvc remote modify {remote} url {scheme}://<cluster>/<path>', where hdfs-site.xml in"
            " HADOOP_CONF_DIR knows the cluster's name nodes"
        )
        super().__init__(
            f"{server} stands by: another name node is the active one",
            hint=hint if alone else None,
        )


def read_settings() -> dict[str, str]:
    """Names and values as they stand there; nothing where there are none, or none to read."""
    home = os.environ.get("HADOOP_HOME")
    folder = os.environ.get("HADOOP_CONF_DIR") or (f"{home}/etc/hadoop" if home else "")
    found: dict[str, str] = {}
    for name in _FILES if folder else ():
        try:
            properties = list(ElementTree.parse(f"{folder}/{name}").iter("property"))
        except (OSError, ElementTree.ParseError):
            continue
        for each in properties:
            found[(each.findtext("name") or "").strip()] = (each.findtext("value") or "").strip()
    return found


def umask(settings: dict[str, str]) -> int:
    """What is taken from the modes of what is made."""
    value = settings.get(_UMASK_KEY, "")
    return int(value, 8) if _OCTAL.fullmatch(value) else _UMASK


def cluster_of(settings: dict[str, str], url: str) -> str:
    """The name of the cluster that a URL names in the place of a host, as it is written; or "".

    Such a name stands for the cluster's name nodes, whichever of them is the active one.
    """
    name = urlsplit(url).netloc.rpartition("@")[2]
    return name if name in _words(settings.get("dfs.nameservices", "")) else ""


def name_nodes(settings: dict[str, str], cluster: str, what: str) -> list[str]:
    """The addresses, `host:port`, of a cluster's name nodes. what: `http-address`, and the like.

    Raises ConfigError for one of which the settings do not tell it.
    """
    keys = [
        f"dfs.namenode.{what}.{cluster}.{each}"
        for each in _words(settings.get(f"dfs.ha.namenodes.{cluster}", ""))
    ] or [f"dfs.namenode.{what}.{cluster}"]
    missing = [key for key in keys if not settings.get(key)]
    if missing:
        raise ConfigError(
            f"Hadoop's settings know the cluster '{cluster}', and not '{missing[0]}'",
            hint="it belongs into hdfs-site.xml in the folder that HADOOP_CONF_DIR names",
        )
    return [settings[key] for key in keys]


def _words(text: str) -> list[str]:
    return [word for word in (part.strip() for part in text.split(",")) if word]
