"""The picture of a report: a bar for each contestant, case by case, on one logarithmic axis of seconds."""

from pathlib import Path
from typing import Any

from diffumask_core import pictures

_OTHERS = "#8c959f"


def plot_report(report: dict[str, Any], file: Path) -> None:
    """Draws a report of `command.run_bench`.

    Args:
        report: The report.
        file: The picture; see `pictures.picture`.

    Raises:
        InputError: The file cannot be written.
    """
    cases = report["cases"]
    heights = [len(case["rows"]) for case in cases]
    with pictures.picture(file, 9, 0.33 * sum(heights) + 0.55 * len(cases) + 0.6) as figure:
        panels = figure.subplots(
            len(cases), 1, sharex=True, squeeze=False, height_ratios=[height + 0.6 for height in heights]
        )
        for axes, case in zip(panels.flat, cases, strict=True):
            rows = case["rows"]
            names, seconds = [row["name"] for row in rows], [row["seconds"] for row in rows]
            spread = [[row["seconds"] - row["low"] for row in rows], [row["high"] - row["seconds"] for row in rows]]
            colours = [pictures.OURS if name == names[0] else _OTHERS for name in names]
            lines = {"linewidth": 1, "ecolor": pictures.INK}
            bars = axes.barh(names, seconds, xerr=spread, color=colours, error_kw=lines)
            labels = [f"{row['seconds']:.3g} s ({row['times']:.3g} times)" for row in rows]
            axes.bar_label(bars, labels, padding=6, fontsize=8)
            axes.set_title(f"{case['name']} ({case['tokens']} tokens)", loc="left", fontsize=10)
            axes.set_xscale("log")
            axes.margins(x=0.35)
            axes.invert_yaxis()
            axes.spines[["top", "right"]].set_visible(False)
        panels.flat[-1].set_xlabel("seconds a call")
