"""What the settings say about one remote."""

from __future__ import annotations

from pannier.core.record import dataclass, field


@dataclass(frozen=True, slots=True)
class RemoteConfig:
    """One remote's settings: its name, URL, and options as the config file's text has them.

    protected: option names that came from the user's own config levels (global, system, local).
    Options that run a program or name a credential file count only from there
    (docs/durability.md, hostile input S5).
    scratch: a folder of this machine for notes on unfinished uploads, "" for none.
    values: the same options with the types that our own settings files have, where they come from
    there.
    """

    name: str
    url: str
    options: dict[str, str] = field(default_factory=dict, repr=False)
    protected: frozenset[str] = frozenset()
    scratch: str = field(default="", compare=False)
    values: dict[str, str | int | bool] = field(default_factory=dict, repr=False)

    @property
    def is_versioned(self) -> bool:
        """True for a remote whose files lie under their own names, in many versions each."""
        return self.flag("version_aware") or self.flag("worktree")

    def get(self, option: str, default: str | None = None) -> str | None:
        return self.options.get(option, default)

    def flag(self, option: str, default: bool = False) -> bool:
        value = self.options.get(option)
        return default if value is None else str(value).strip().lower() == "true"
