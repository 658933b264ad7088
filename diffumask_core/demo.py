"""What ``make demo`` shows: an eight-shot prompt, and what is left of it for an LLM to read."""

from importlib.resources import files
from textwrap import shorten

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from diffumask_core.compressor import Compressor
from diffumask_core.result import CompressionResult

KEEP_RATE = 0.4

_DROPPED = "dim strike"
_FATES = {"kept": "green", "shortened": "yellow", "dropped": "red"}
_IN_PYTHON = f"""\
from diffumask_core import Compressor
result = Compressor.from_pretrained().compress(prompt, keep_rate={KEEP_RATE})
print(result.text, result.saved_tokens)"""


def demo_prompt() -> str:
    """The bundled chain-of-thought prompt: eight solved word problems and one to solve."""
    return (files("diffumask_core") / "assets" / "demo" / "few_shot.txt").read_text("utf-8").rstrip()


def main(compressor: Compressor | None = None, console: Console | None = None) -> None:
    """Shortens the bundled prompt and prints what became of it.

    Args:
        compressor: What shortens it; by default one with the bundled model.
        console: Where to print.
    """
    compressor = compressor or Compressor.from_pretrained()
    console = console or Console(highlight=False)
    result = compressor.compress(demo_prompt(), keep_rate=KEEP_RATE)
    if console.color_system:
        console.print(_marked(result))
    else:  # dropped words could not be told from kept ones
        console.print(Text(result.text), soft_wrap=True)
    dropped = sum(shot.fate == "dropped" for shot in result.shots)
    _print_part(console, "Figures", _figures(result))
    _print_part(console, f"Shots: {dropped} of {len(result.shots)} dropped", _shots(result))
    _print_part(console, "The same in Python", Text(_IN_PYTHON))


def _print_part(console: Console, title: str, part: RenderableType) -> None:
    console.print(Text(f"\n{title}", style="bold"))
    console.print(Padding(part, (0, 0, 0, 2), expand=False))


def _marked(result: CompressionResult) -> Text:
    """The source, with what was dropped struck out."""
    text = Text(result.source, style=_DROPPED)
    for start, end in result.spans:
        text.stylize("not dim not strike", start, end)
    return text


def _figures(result: CompressionResult) -> Table:
    saved = result.saved_tokens / result.original_tokens
    table = Table.grid(padding=(0, 2))
    table.add_row("tokens", f"{result.original_tokens} -> {result.compressed_tokens}, {saved:.0%} saved")
    table.add_row("budget", f"{result.budget} tokens ({KEEP_RATE:.0%} of what may go, and all that may not)")
    table.add_row("counter", result.counter)
    table.add_row("seconds", f"{sum(result.timings.values()):.2f}")
    return table


def _shots(result: CompressionResult) -> Table:
    """A line a shot: its number, how it begins, its fate, its utility for the query and its tokens."""
    table = Table.grid(padding=(0, 2))
    for number, shot in enumerate(result.shots, 1):
        table.add_row(
            str(number),
            Text(shorten(result.source[slice(*shot.span)], 32, placeholder=" ..."), style="dim"),
            Text(shot.fate, style=_FATES[shot.fate]),
            f"score {shot.score:.2f}",
            f"{shot.original_tokens} -> {shot.compressed_tokens} tokens",
        )
    return table


if __name__ == "__main__":
    main()
