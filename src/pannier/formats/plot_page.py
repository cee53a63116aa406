"""The page that shows plots: one file that needs no network.

A page of the user's own holds `{plot_divs}` where the plots belong, and `{scripts}` and
`{refresh_tag}` if it likes, as DVC's pages do.
"""

from __future__ import annotations

import html
import json
import posixpath
from collections.abc import Iterable, Sequence

from pannier.core.errors import PannierError
from pannier.core.pattern import pattern
from pannier.core.plots import REV, Figure
from pannier.core.record import dataclass
from pannier.core.typed import Any

_PLACE = "{plot_divs}"
_PARTS = pattern(r"\{(?:refresh_tag|scripts|plot_divs)\}")
_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
{refresh_tag}
<title>Plots</title>
<style>
  body { font-family: system-ui, sans-serif; margin: 1.5rem; }
  .plots { display: flex; flex-wrap: wrap; gap: 1.5rem; align-items: flex-start; }
  .pictures { flex-basis: 100%; }
  .pictures figure { display: inline-block; margin: 0 1rem 1rem 0; }
  .pictures img { max-width: 100%; border: 1px solid #ccc; }
</style>
{scripts}
</head>
<body>
<div class="plots">
{plot_divs}
</div>
</body>
</html>
"""


@dataclass(frozen=True, slots=True)
class Drawing:
    """A figure as part of a page, and where it stands. has_chart: it needs the programs."""

    text: str
    order: tuple[bool, str, bool, int, str]
    has_chart: bool


def page(drawings: Sequence[Drawing], scripts: Iterable[str], template: str | None = None) -> str:
    """The page. scripts: programs, in order; template: a page of the user's own.

    Charts come as they are defined, then pictures, those of one folder by their numbers. Raises
    PannierError for a page without a place for plots.
    """
    template = _PAGE if template is None else template
    if _PLACE not in template:
        raise PannierError(f"HTML template has to contain '{_PLACE}'.")
    shown = [one.text for one in sorted(drawings, key=lambda one: one.order)]
    parts = {
        "{refresh_tag}": "",
        "{scripts}": "\n".join(f"<script>{text}</script>" for text in scripts),
        _PLACE: "\n".join(shown),
    }
    # In one pass: what is put in may hold the name of another part.
    return _PARTS.sub(lambda found: parts[found[0]], template)


def chart(number: int, spec: dict[str, Any]) -> Drawing:
    """What Vega draws. number: another one for each chart of a page."""
    # Within a script only `<` could end it.
    text = json.dumps(spec).replace("<", "\\u003c")
    name = f"plot-{number}"
    shown = f'<div id="{name}"></div>\n<script>vegaEmbed("#{name}", {text});</script>'
    return Drawing(shown, (False, "", False, 0, ""), True)


def pictures(figure: Figure) -> Drawing:
    """The pictures of a figure, beside each other. Their `src` is taken as it is."""
    shown = "\n".join(
        f"<figure><figcaption>{html.escape(str(point[REV]))}</figcaption>"
        f'<img src="{html.escape(point["src"])}" alt="{html.escape(figure.id)}"></figure>'
        for point in figure.points
    )
    text = f'<section class="pictures">\n<p>{html.escape(figure.id)}</p>\n{shown}\n</section>'
    folder, name = posixpath.split(figure.id)
    number = posixpath.splitext(name)[0]
    is_number = number.isdecimal()
    return Drawing(
        text, (True, folder, not is_number, int(number) if is_number else 0, name), False
    )
