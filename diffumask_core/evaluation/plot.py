"""The picture of some curves: accuracy over tokens, on paper and on a dark page."""

from collections.abc import Mapping
from io import StringIO
from pathlib import Path

from diffumask_core.errors import InputError
from diffumask_core.evaluation.curves import Point
from diffumask_core.evaluation.shorten import OURS

_INK = "#24292f"
_STYLE = """<style>
svg { color: #24292f }
@media (prefers-color-scheme: dark) { svg { color: #e6edf3 } }
</style>
"""
# Mid-tones that stand out from white and from black; markers tell the lines apart without colour.
_OURS = ("#2f81f7", "o")
_OTHERS = (("#d9730d", "s"), ("#2da44e", "^"), ("#a371f7", "D"), ("#bf8700", "v"), ("#8c959f", "P"))


def plot_curves(curves: Mapping[str, Mapping[str, Point]], title: str, file: Path) -> None:
    """Draws a line a method with its interval shaded, and the whole prompt as a dashed line.

    In an SVG, text and axes take the colour that fits the page's colour scheme, and the background is left out.

    Args:
        curves: By method and rate; each method has the whole prompt at rate 1.
        title: What stands above.
        file: The picture; its ending names the format (see `diffumask_core.bench.plot.check_plot`).

    Raises:
        InputError: The file cannot be written.
    """
    import matplotlib
    from matplotlib.figure import Figure

    looks = iter(_OTHERS)
    with matplotlib.rc_context(
        {
            "svg.fonttype": "none",
            "svg.hashsalt": "diffumask",
            "font.family": "sans-serif",
            "font.size": 11,
            **dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), _INK),
        }
    ):
        figure = Figure(figsize=(8, 4.5), layout="constrained")
        axes = figure.add_subplot()
        for method, points in curves.items():
            tokens = [point["tokens"] for point in points.values()]
            accuracy = [point["accuracy"] for point in points.values()]
            low, high = zip(*(point["interval"] for point in points.values()), strict=True)
            ours = method == OURS
            colour, marker = _OURS if ours else next(looks)
            alpha, width, order = (0.22, 2.6, 3) if ours else (0.08, 1.4, 2)
            axes.fill_between(tokens, low, high, color=colour, alpha=alpha, linewidth=0)
            axes.plot(tokens, accuracy, color=colour, marker=marker, linewidth=width, zorder=order, label=method)
        whole = curves[OURS]["1.0"]
        axes.axhline(whole["accuracy"], color=_INK, linestyle="--", linewidth=1, label="full prompt")
        axes.set(title=title, xlabel="tokens of the prompt", ylabel="accuracy")
        axes.spines[["top", "right"]].set_visible(False)
        figure.legend(loc="outside right center", frameon=False)
        try:
            if file.suffix.lower() == ".svg":
                drawn = StringIO()
                figure.savefig(drawn, format="svg", transparent=True, metadata={"Date": None})
                head, start, body = drawn.getvalue().partition(" <defs>")
                file.write_text(head + _STYLE + start + body.replace(_INK, "currentColor"), "utf-8")
            else:
                figure.savefig(file, dpi=150)
        except OSError as error:
            raise InputError(f"Cannot write {file}: {error.strerror}.") from error
