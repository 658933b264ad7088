"""Pictures of figures that were measured: drawn with matplotlib, readable on paper and on a dark page."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from diffumask_core.errors import InputError
from diffumask_core.extras import needs_extra

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK = "#24292f"
"""The colour of text and axes; in an SVG it becomes that of the page's text."""
OURS = "#2f81f7"
"""The colour of ours: a mid-tone, which stands out from white and from black."""

_STYLE = """<style>
svg { color: #24292f }
@media (prefers-color-scheme: dark) { svg { color: #e6edf3 } }
</style>
"""


def check_picture(file: Path) -> None:
    """Finds out before anything is measured whether a picture can be drawn.

    Raises:
        InputError: matplotlib has no such format, or there is no such folder.
        MissingExtraError: matplotlib is not installed.
    """
    with needs_extra("plot", "a plot"):
        from matplotlib.backend_bases import FigureCanvasBase
    formats = FigureCanvasBase.get_supported_filetypes()
    if file.suffix[1:].lower() not in formats:
        raise InputError(f"{file} has no ending of a picture: pass one of {', '.join(formats)}, such as plot.svg.")
    if not file.parent.is_dir():
        raise InputError(f"There is no folder {file.parent} for the picture: make it first.")


@contextmanager
def picture(file: Path, width: float, height: float) -> Iterator["Figure"]:
    """A figure to draw on, which is then saved.

    In an SVG, text and axes take the colour that fits the page's colour scheme, and the background is left out.

    Args:
        file: Its ending names the format; see `check_picture`.
        width: In inches.
        height: In inches.

    Raises:
        InputError: The file cannot be written.
    """
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(
        {
            "svg.fonttype": "none",
            "svg.hashsalt": "diffumask",
            "font.family": "sans-serif",
            "font.size": 11,
            **dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), INK),
        }
    ):
        figure = Figure(figsize=(width, height), layout="constrained")
        yield figure
        try:
            if file.suffix.lower() == ".svg":
                drawn = StringIO()
                figure.savefig(drawn, format="svg", transparent=True, metadata={"Date": None})
                head, start, body = drawn.getvalue().partition(" <defs>")
                file.write_text(head + _STYLE + start + body.replace(INK, "currentColor"), "utf-8")
            else:
                figure.savefig(file, dpi=150)
        except OSError as error:
            raise InputError(f"Cannot write {file}: {error.strerror}.") from error
