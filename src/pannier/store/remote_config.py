"""What the settings say about one remote."""

from __future__ import annotations

from pannier.core.record import dataclass, field


@dataclass(frozen=True, slots=True)
class RemoteConfig:
    """One remote's settings: its name, URL, and options as the config file's text has them.

    protected: option names that came from the user's own config levels (global, system, local).
    Options that run a program or name a credential file count only from there
    (docs/durability.md, hostile input S5).
    base: absolute directory that relative paths were resolved against already.
    """

    name: str
    url: str
    options: dict[str, str] = field(default_factory=dict, repr=False)
    protected: frozenset[str] = frozenset()

    def get(self, option: str, default: str | None = None) -> str | None:
        return self.options.get(option, default)

    def flag(self, option: str, default: bool = False) -> bool:
        value = self.options.get(option)
        return default if value is None else str(value).strip().lower() == "true"
