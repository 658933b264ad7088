"""The command line: ``diffumask compress``, ``train`` and ``evaluate``."""

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from diffumask_core.errors import DiffuMaskError, InputError
from diffumask_core.options import DEFAULT_STEPS

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)


class Format(StrEnum):
    """What `compress` prints."""

    text = "text"
    json = "json"
    html = "html"


class Task(StrEnum):
    """What `evaluate` measures."""

    labels = "labels"
    nq = "nq"
    gsm8k = "gsm8k"
    speed = "speed"


@contextmanager
def _errors_told() -> Iterator[None]:
    """Bad input ends with a line on standard error and exit code 2, not with a traceback."""
    try:
        yield
    except DiffuMaskError as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(2) from None


@app.callback()
def main() -> None:
    """Shortens prompts before an LLM reads them, and keeps the answers right."""
    logging.basicConfig(format="%(levelname)s: %(message)s", stream=sys.stderr)


ModelOption = Annotated[
    str | None, typer.Option(help="A model folder or a hub id; by default the bundled model.", show_default=False)
]
StepsOption = Annotated[int, typer.Option(help="The most denoising steps.")]
TokenizerOption = Annotated[str, typer.Option(help="What counts tokens: a model's name or a tokenizer folder.")]


@app.command()
def compress(
    file: Annotated[str, typer.Argument(help="A text file; - for standard input.")] = "-",
    keep_rate: Annotated[
        float | None, typer.Option(help="Of the tokens that may go, the share to keep at most.")
    ] = None,
    target_tokens: Annotated[int | None, typer.Option(help="The most tokens of the output.")] = None,
    query: Annotated[str, typer.Option(help="What the text is read for.")] = "",
    protect: Annotated[
        list[str] | None, typer.Option(help="A text that must come out unchanged; can be given several times.")
    ] = None,
    tokenizer: TokenizerOption = "gpt-4o",
    steps: StepsOption = DEFAULT_STEPS,
    model: ModelOption = None,
    output: Annotated[Format, typer.Option("--format", help="What to print.")] = Format.text,
) -> None:
    """Shortens a text; what it saved goes to standard error."""
    with _errors_told():
        text = _read(file)
        from diffumask_core.compressor import Compressor

        result = Compressor.from_pretrained(model).compress(
            text,
            keep_rate=keep_rate,
            target_tokens=target_tokens,
            query=query,
            protect=protect or (),
            tokenizer=tokenizer,
            steps=steps,
        )
    if output is Format.json:
        typer.echo(json.dumps(result.to_dict(), ensure_ascii=False, indent=2))
    elif output is Format.html:
        typer.echo(_page(result.to_html()))
    else:
        sys.stdout.write(result.text if result.text.endswith("\n") else result.text + "\n")
    dropped = sum(shot.fate == "dropped" for shot in result.shots)
    shots = f", {dropped} of {len(result.shots)} shots dropped" if result.shots else ""
    typer.echo(
        f"{result.original_tokens} -> {result.compressed_tokens} tokens (budget {result.budget}, "
        f"{result.counter}){shots}, {sum(result.timings.values()):.2f} s",
        err=True,
    )


def _read(file: str) -> str:
    try:
        raw = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        return raw.decode("utf-8")
    except OSError as error:
        msg = f"Cannot read {file}: {error.strerror}."
        raise InputError(msg) from error
    except UnicodeDecodeError as error:
        msg = f"{file} is not UTF-8 text: {error.reason} at byte {error.start}. Convert it first."
        raise InputError(msg) from error


def _page(body: str) -> str:
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>DiffuMask</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<style>body{max-width:60rem;margin:2rem auto;padding:0 1rem}"
        "@media(prefers-color-scheme:dark){body{background:#16181d}}</style></head>\n"
        f"<body>{body}</body></html>"
    )


@app.command()
def train(
    labels: Annotated[Path, typer.Option(help="Texts with what an annotator kept (token_labels.jsonl).")],
    out: Annotated[Path, typer.Option(help="A folder for the model; a run that was cut off goes on there.")],
    shot_labels: Annotated[Path | None, typer.Option(help="Shots with their utility (shot_labels.jsonl).")] = None,
    passages: Annotated[Path | None, typer.Option(help="Questions with passages (nq_multidoc_train.jsonl).")] = None,
    exemplars: Annotated[Path | None, typer.Option(help="Solved word problems (gsm8k_train.jsonl).")] = None,
    encoder: Annotated[Path | None, typer.Option(help="A Hugging Face encoder folder; by default MiniLM.")] = None,
    start_from: Annotated[Path | None, typer.Option(help="A DiffuMask model folder to go on from.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the labels.")] = None,
    seed: Annotated[int, typer.Option(help="Of everything that is drawn.")] = 0,
    device: Annotated[str | None, typer.Option(help="Where to train; by default a GPU when there is one.")] = None,
) -> None:
    """Trains a model on the train split and chooses the epoch on the dev split."""
    with _errors_told():
        from diffumask_core.training.command import train_from_files

        train_from_files(
            labels=labels,
            shot_labels=shot_labels,
            passages=passages,
            exemplars=exemplars,
            encoder=encoder,
            start_from=start_from,
            out=out,
            epochs=epochs,
            seed=seed,
            device=device,
        )


@app.command()
def evaluate(
    task: Annotated[Task, typer.Argument(help="What to measure.")],
    data: Annotated[Path | None, typer.Option(help="The task's file of JSON lines; speed needs none.")] = None,
    split: Annotated[str, typer.Option(help="The split of the label rows.")] = "dev",
    labels: Annotated[
        Path | None, typer.Option(help="Label rows whose problems gsm8k leaves out (token_labels.jsonl).")
    ] = None,
    model: ModelOption = None,
    keep_rates: Annotated[str | None, typer.Option(help="Shares to keep, such as 0.5,0.25.")] = None,
    steps: Annotated[int, typer.Option(help="The denoising steps that one step is compared with.")] = 8,
    limit: Annotated[int | None, typer.Option(help="Only so many rows.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measures a model beside its baselines."""
    with _errors_told():
        from diffumask_core.evaluation.command import evaluate_task

        report = evaluate_task(task.value, data, split, labels, model, _rates(keep_rates), steps, limit)
    if as_json:
        typer.echo(json.dumps(report, indent=2))
    else:
        _print_tables(report)


def _rates(listed: str | None) -> tuple[float, ...] | None:
    if listed is None:
        return None
    try:
        rates = tuple(float(rate) for rate in listed.split(","))
    except ValueError:
        rates = ()
    if not rates or not all(0 < rate <= 1 for rate in rates):
        raise InputError(f"--keep-rates {listed} are not shares: pass numbers above 0 and at most 1, such as 0.5,0.25.")
    return rates


def _print_tables(report: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    results = {**report["results"], **report["baselines"]}
    columns = list(dict.fromkeys(column for figures in results.values() for column in _flat(figures)))
    table = Table("", *columns, title=f"{report['task']}: {report['rows']} rows of {report['data']}")
    for name, figures in results.items():
        flat = _flat(figures)
        table.add_row(name, *(str(flat.get(column, "")) for column in columns))
    Console(width=max(100, 14 * (len(columns) + 1))).print(table)


def _flat(figures: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in figures.items():
        if isinstance(value, dict):
            flat.update(_flat(value, f"{prefix}{name} "))
        else:
            flat[prefix + name] = value
    return flat
