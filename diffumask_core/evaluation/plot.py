"""The picture of some curves: accuracy over tokens."""

from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path

from diffumask_core import pictures
from diffumask_core.evaluation.curves import Point
from diffumask_core.evaluation.shorten import OURS

# Markers tell the lines apart without colour.
_OURS = (pictures.OURS, "o")
_OTHERS = (("#d9730d", "s"), ("#2da44e", "^"), ("#a371f7", "D"), ("#bf8700", "v"), ("#8c959f", "P"), ("#0969da", "X"))
# Several lines of ours.
_STYLES = ("-", "--", ":")


def plot_left(methods: Mapping[str, Mapping[str, Mapping[str, float]]], title: str, file: Path) -> None:
    """Draws a line a method: what is left of what an agent needs later, over the tokens of the old results.

    Args:
        methods: By method and rate the figures of `agent.measure`; ours have its name at their beginning.
        title: What stands above.
        file: The picture; see `pictures.picture`.

    Raises:
        InputError: The file cannot be written.
    """
    measures = [name for name in ("strings left", "values left") if any(name in p for p in _points(methods))]
    with pictures.picture(file, 4.5 + 3.5 * len(measures), 4.5) as figure:
        for axes, measure in zip(figure.subplots(1, len(measures), squeeze=False)[0], measures, strict=True):
            looks, styles = iter(_OTHERS), cycle(_STYLES)
            for method, points in methods.items():
                ours = method.startswith(OURS)
                colour, marker = _OURS if ours else next(looks)
                style = next(styles) if ours else "-"
                tokens = [100 * point["tokens"] for point in points.values()]
                left = [point[measure] for point in points.values()]
                width = 2.6 if ours else 1.4
                axes.plot(tokens, left, style, color=colour, marker=marker, linewidth=width, label=method)
            axes.set(title=title, xlabel="% of the old results' tokens", ylabel=measure, ylim=(0, 1))
            axes.spines[["top", "right"]].set_visible(False)
        figure.legend(*axes.get_legend_handles_labels(), loc="outside right center", frameon=False)


def plot_bill(dollars: Mapping[str, Sequence[float]], title: str, file: Path) -> None:
    """Draws a line a way to shorten: what a run has cost up to each call.

    Args:
        dollars: By way up to each call; ours have its name at their beginning.
        title: What stands above.
        file: The picture; see `pictures.picture`.

    Raises:
        InputError: The file cannot be written.
    """
    others, styles = cycle(_OTHERS), cycle(_STYLES)
    with pictures.picture(file, 8, 4.5) as figure:
        axes = figure.add_subplot()
        for name, spent in dollars.items():
            ours = name.startswith(OURS)
            colour = pictures.OURS if ours else next(others)[0]
            style = next(styles) if ours else "-"
            axes.plot(range(1, len(spent) + 1), spent, style, color=colour, linewidth=2.6 if ours else 1.4, label=name)
        axes.set(title=title, xlabel="calls", ylabel="dollars so far", ylim=(0, None))
        axes.spines[["top", "right"]].set_visible(False)
        figure.legend(loc="outside right center", frameon=False)


def _points(methods: Mapping[str, Mapping[str, Mapping[str, float]]]) -> list[Mapping[str, float]]:
    return [point for points in methods.values() for point in points.values()]


def plot_curves(curves: Mapping[str, Mapping[str, Point]], title: str, file: Path) -> None:
    """Draws a line a method with its interval shaded, and the whole prompt as a dashed line.

    Args:
        curves: By method and rate; each method has the whole prompt at rate 1.
        title: What stands above.
        file: The picture; see `pictures.picture`.

    Raises:
        InputError: The file cannot be written.
    """
    looks = iter(_OTHERS)
    with pictures.picture(file, 8, 4.5) as figure:
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
        axes.axhline(whole["accuracy"], color=pictures.INK, linestyle="--", linewidth=1, label="full prompt")
        axes.set(title=title, xlabel="tokens of the prompt", ylabel="accuracy")
        axes.spines[["top", "right"]].set_visible(False)
        figure.legend(loc="outside right center", frameon=False)
