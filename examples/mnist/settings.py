"""Reads a section of params.yaml: `key: value` lines, which need no library."""

from pathlib import Path


def settings(section: str) -> dict[str, float]:
    found, inside = {}, False
    for line in Path("params.yaml").read_text().splitlines():
        if not line.startswith(" "):
            inside = line.rstrip(":") == section
        elif inside:
            key, _, value = line.partition(":")
            found[key.strip()] = float(value) if "." in value else int(value)
    return found
