"""Changes of the plots that stages of a `dvc.yaml` write; comments and order stay."""

from __future__ import annotations

from collections.abc import Mapping

from pannier.core.record import dataclass
from pannier.core.typed import Any
from pannier.formats import yamlio


@dataclass(frozen=True, slots=True)
class PlotChange:
    """What becomes of the plot that a stage writes. out: its path, as in the file. props: those to
    set; unset: those to take away. An output of another kind becomes a plot."""

    out: str
    props: Mapping[str, Any]
    unset: tuple[str, ...] = ()


def with_plot(data: bytes, name: str, change: PlotChange, file: str) -> bytes:
    """The file with an output of a stage changed. The stage holds it, and no expressions."""

    def edit(root: Any) -> None:
        stage = root["stages"][name]
        section, at = next(
            (section, at)
            for section in ("plots", "metrics", "outs")
            for at, item in enumerate(stage.get(section) or ())
            if (next(iter(item)) if isinstance(item, dict) else item) == change.out
        )
        item = stage[section][at]
        flags = (item[change.out] if isinstance(item, dict) else None) or {}
        for key in change.unset:
            del flags[key]
        flags.update(change.props)
        changed = {change.out: flags} if flags else change.out
        if section == "plots":
            stage[section][at] = changed
            return
        del stage[section][at]
        if not stage[section]:
            del stage[section]
        stage.setdefault("plots", []).append(changed)

    return yamlio.edit(data, edit, file)
