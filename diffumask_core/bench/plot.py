"""The picture of a report: a bar for each contestant, case by case, on one logarithmic axis of seconds."""

from pathlib import Path
from typing import Any

from diffumask_core.errors import InputError

_OURS, _OTHERS = "#2f81f7", "#8c959f"


def check_plot(file: Path) -> None:
    """Finds out before anything is measured whether a picture can be drawn.

    Raises:
        InputError: matplotlib is missing, it has no such format, or there is no such folder.
    """
    try:
        from matplotlib.backend_bases import FigureCanvasBase
    except ImportError as error:
        raise InputError('Plots need matplotlib: install it with pip install "diffumask[plot]".') from error
    formats = FigureCanvasBase.get_supported_filetypes()
    if file.suffix[1:].lower() not in formats:
        raise InputError(f"{file} has no ending of a picture: pass one of {', '.join(formats)}, such as bench.svg.")
    if not file.parent.is_dir():
        raise InputError(f"There is no folder {file.parent} for the picture: make it first.")


def plot_report(report: dict[str, Any], file: Path) -> None:
    """Draws a report of `command.run_bench`.

    Args:
        report: The report.
        file: The picture; its ending names the format, such as ``.svg`` or ``.png``.

    Raises:
        InputError: The file cannot be written.
    """
    from matplotlib.figure import Figure

    cases = report["cases"]
    heights = [len(case["rows"]) for case in cases]
    figure = Figure(figsize=(9, 0.33 * sum(heights) + 0.55 * len(cases) + 0.6), layout="constrained")
    panels = figure.subplots(
        len(cases), 1, sharex=True, squeeze=False, height_ratios=[height + 0.6 for height in heights]
    )
    for axes, case in zip(panels.flat, cases, strict=True):
        rows = case["rows"]
        names, seconds = [row["name"] for row in rows], [row["seconds"] for row in rows]
        spread = [[row["seconds"] - row["low"] for row in rows], [row["high"] - row["seconds"] for row in rows]]
        colours = [_OURS if name == names[0] else _OTHERS for name in names]
        bars = axes.barh(names, seconds, xerr=spread, color=colours, error_kw={"linewidth": 1})
        labels = [f"{row['seconds']:.3g} s ({row['times']:.3g} times)" for row in rows]
        axes.bar_label(bars, labels, padding=6, fontsize=8)
        axes.set_title(f"{case['name']} ({case['tokens']} tokens)", loc="left", fontsize=10)
        axes.set_xscale("log")
        axes.margins(x=0.35)
        axes.invert_yaxis()
        axes.spines[["top", "right"]].set_visible(False)
    panels.flat[-1].set_xlabel("seconds a call")
    try:
        figure.savefig(file)
    except OSError as error:
        raise InputError(f"Cannot write {file}: {error.strerror}.") from error
