"""The command line: ``diffumask compress``, ``serve``, ``mcp``, ``label``, ``train``, ``evaluate`` and ``bench``."""

import json
import logging
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from diffumask_core.errors import DiffuMaskError, InputError
from diffumask_core.extras import needs_extra
from diffumask_core.options import CompressionOptions, described

if TYPE_CHECKING:
    from diffumask_core.readers.cost import Cost

# In rich's tables the names of options are cut off where a terminal has 80 columns.
app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None)


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
    icl = "icl"
    docs = "docs"
    agent = "agent"
    custom = "custom"


class Search(StrEnum):
    """How `label` looks for what can go."""

    hierarchical = "hierarchical"
    sequential = "sequential"
    shots_first = "shots-first"


class Quality(StrEnum):
    """What `label` holds a floor of."""

    accuracy = "accuracy"
    log_probability = "log_probability"


class EngineName(StrEnum):
    """What `compress` runs a corpus on."""

    local = "local"
    ray = "ray"


class Transport(StrEnum):
    """How clients of `mcp` come."""

    stdio = "stdio"
    http = "http"


class Grain(StrEnum):
    """What is kept or dropped whole."""

    auto = "auto"
    words = "words"


class Overflow(StrEnum):
    """What happens when the protected text alone is too long."""

    raises = "raise"
    best_effort = "best_effort"


_NAMES = CompressionOptions.__annotations__
# An option as errors name it: with an underscore, with a sign behind it in an example such as steps=1, or with a verb.
_OPTION = re.compile(
    rf"\b(?:({'|'.join(name for name in _NAMES if '_' in name)})\b(=?)|({'|'.join(_NAMES)})(=|(?= holds )))"
)


def _as_flag(option: re.Match[str]) -> str:
    """An option of the library as the command line has it."""
    name, sign = option[1] or option[3], option[2] or option[4]
    return f"--{name.replace('_', '-')}{' ' * len(sign or '')}"


@contextmanager
def _errors_told() -> Iterator[None]:
    """Bad input ends with a line on standard error and exit code 2, not with a traceback."""
    try:
        yield
    except DiffuMaskError as error:
        typer.echo(f"Error: {_OPTION.sub(_as_flag, str(error))}", err=True)
        raise typer.Exit(2) from None


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"diffumask {version('diffumask')}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Shortens prompts before an LLM reads them, and keeps the answers right."""
    logging.basicConfig(format="%(levelname)s: %(message)s", stream=sys.stderr)


ModelOption = Annotated[
    str | None, typer.Option(help="A model folder or a hub id; by default the bundled model.", show_default=False)
]
StepsOption = Annotated[int | None, typer.Option(help=described("steps"), show_default=False)]
TokenizerOption = Annotated[str, typer.Option(help="What counts tokens: a model's name or a tokenizer folder.")]
ReaderUrlOption = Annotated[
    str | None,
    typer.Option(
        help="An OpenAI-compatible server to ask for chat:openai:MODEL, such as http://127.0.0.1:8080/v1.",
        show_default=False,
    ),
]


@app.command()
def compress(
    file: Annotated[str, typer.Argument(help="A text file; - for standard input.")] = "-",
    keep_rate: Annotated[float | None, typer.Option(help=described("keep_rate"))] = None,
    target_tokens: Annotated[int | None, typer.Option(help=described("target_tokens"))] = None,
    query: Annotated[str, typer.Option(help=described("query"))] = "",
    protect: Annotated[
        list[str] | None, typer.Option(help="A text that must come out unchanged; can be given several times.")
    ] = None,
    tokenizer: TokenizerOption = "gpt-4o",
    steps: StepsOption = None,
    min_shots: Annotated[int, typer.Option(help=described("min_shots"))] = 0,
    min_relevance: Annotated[float, typer.Option(help=described("min_relevance"))] = 0.0,
    compress_instructions: Annotated[
        bool, typer.Option("--compress-instructions", help=described("compress_instructions"))
    ] = False,
    compress_query: Annotated[bool, typer.Option("--compress-query", help=described("compress_query"))] = False,
    compress_rationales: Annotated[
        bool, typer.Option("--compress-rationales", help=described("compress_rationales"))
    ] = False,
    shot_level: Annotated[bool, typer.Option("--shot-level/--no-shot-level", help=described("shot_level"))] = True,
    token_level: Annotated[bool, typer.Option("--token-level/--no-token-level", help=described("token_level"))] = True,
    grain: Annotated[Grain, typer.Option(help=described("grain"))] = Grain.auto,
    marks: Annotated[bool, typer.Option("--marks/--no-marks", help=described("marks"))] = True,
    named_marks: Annotated[bool, typer.Option("--named-marks", help="Marks have a name each.")] = False,
    on_overflow: Annotated[
        Overflow | None,
        typer.Option(
            help=described("on_overflow"),
            show_default="raise, or best_effort with --conversations",
        ),
    ] = None,
    model: ModelOption = None,
    output: Annotated[Format, typer.Option("--format", help="What to print.")] = Format.text,
    corpus: Annotated[
        Path | None,
        typer.Option(
            "--input",
            help="A corpus: JSON lines, each with a text, messages, or a prompt's instructions, shots and query.",
        ),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--output",
            help="Of a corpus, a folder for the rows with what is left of them; a run that was cut off goes on there.",
        ),
    ] = None,
    engine: Annotated[
        EngineName, typer.Option(help="Of a corpus, processes of this machine, or Ray.")
    ] = EngineName.local,
    workers: Annotated[
        int | None,
        typer.Option(
            help="Of a corpus, how many rows are worked on at once; by default one for each core.", show_default=False
        ),
    ] = None,
    field: Annotated[
        str | None,
        typer.Option(
            help="Of a corpus, where the text of a row is, or its messages with --conversations.",
            show_default="text, or messages",
        ),
    ] = None,
    conversations: Annotated[
        bool,
        typer.Option(
            "--conversations",
            help="Of a corpus, rows are conversations, such as runs of agents: old messages are shortened, all stay.",
        ),
    ] = False,
    keep_messages: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="So many messages at the end of a conversation stay as they are; 2 by default.",
            show_default=False,
        ),
    ] = None,
    exclude_tool: Annotated[
        list[str] | None,
        typer.Option(
            help="A tool whose results stay in conversations, or a pattern such as read_*; can be given several times.",
        ),
    ] = None,
    block_rows: Annotated[
        int, typer.Option(help="Of a corpus, the rows of an output file, the most that a worker repeats.")
    ] = 100,
) -> None:
    """Shortens a text, or each row of a corpus. What it saved goes to standard error."""
    # One message that is too long is no reason to leave a run out.
    overflow = on_overflow or (Overflow.best_effort if conversations else Overflow.raises)
    options: dict[str, Any] = {
        "keep_rate": keep_rate,
        "target_tokens": target_tokens,
        "query": query,
        "protect": protect or [],
        "tokenizer": tokenizer,
        "steps": steps,
        "min_shots": min_shots,
        "min_relevance": min_relevance,
        "compress_instructions": compress_instructions,
        "compress_query": compress_query,
        "compress_rationales": compress_rationales,
        "shot_level": shot_level,
        "token_level": token_level,
        "grain": grain.value,
        "marks": "named" if named_marks else marks,
        "on_overflow": overflow.value,
    }
    with _errors_told():
        if named_marks and not marks:
            raise InputError("--named-marks and --no-marks were both given: pass one of them.")
        if conversations and not corpus:
            raise InputError("--conversations goes with a corpus: pass --input FILE and --output FOLDER.")
        if not conversations and (keep_messages is not None or exclude_tool):
            raise InputError("--keep-messages and --exclude-tool go with --conversations.")
        if corpus or folder:
            if not (corpus and folder) or file != "-" or output is not Format.text:
                raise InputError("A corpus needs both --input FILE and --output FOLDER, and no other file or --format.")
            options |= {"field": field, "model": model}
            if conversations:
                options["exclude_tools"] = exclude_tool
                options["keep"] = None if keep_messages is None else ("messages", keep_messages)
            _compress_corpus(corpus, folder, engine, workers, block_rows, conversations, options)
            return
        text = _read(file)
        # What is not worth a warning for each of many texts is so for one.
        logging.getLogger("diffumask").setLevel(logging.INFO)
        from diffumask_core.compressor import Compressor

        result = Compressor.from_pretrained(model).compress(text, **options)
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


def _compress_corpus(
    corpus: Path,
    folder: Path,
    engine: EngineName,
    workers: int | None,
    block_rows: int,
    conversations: bool,
    options: dict[str, Any],
) -> None:
    from diffumask_core.corpus import ConversationCompressor, RowCompressor, map_corpus, run_locally

    run = run_locally
    if engine is EngineName.ray:
        from diffumask_integrations.ray import run_on_ray as run
    given = {name: value for name, value in options.items() if value is not None}
    function = ConversationCompressor if conversations else RowCompressor
    report = map_corpus(function, given, corpus, folder, engine=run, workers=workers, block_rows=block_rows)
    before, after = (report.totals[name] for name in function.sums)
    bad = f", {report.failures} bad ({report.errors})" if report.errors else ""
    typer.echo(f"{report.rows} rows in {folder}{bad}; {before} -> {after} tokens", err=True)


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


label_app = typer.Typer(pretty_exceptions_enable=False)
app.add_typer(label_app, name="label")


@label_app.callback(invoke_without_command=True)
def label(
    context: typer.Context,
    prompts: Annotated[
        Path | None, typer.Option(help="Few-shot prompts: an id, and a prompt or its instructions and shots.")
    ] = None,
    items: Annotated[
        Path | None, typer.Option(help="Validation items: a query, its answer, and the labels if there are any.")
    ] = None,
    reader: Annotated[
        str | None,
        typer.Option(help="What reads the prompts and is judged: nearest, causal:FOLDER or chat:PROVIDER:MODEL."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="A file for the label rows, as train takes them.")] = None,
    reader_url: ReaderUrlOption = None,
    floor: Annotated[float, typer.Option(help="The share of the full prompt's quality that must be left.")] = 0.96,
    measure: Annotated[
        Quality, typer.Option(help="Quality: the share of right answers, or how probable they are.")
    ] = Quality.accuracy,
    search: Annotated[
        Search, typer.Option(help="Large cuts first; one unit after the other; or that below one shot after the other.")
    ] = Search.hierarchical,
    max_calls: Annotated[
        int, typer.Option(help="The most questions about one prompt; what was found by then is taken.")
    ] = 2000,
    batch: Annotated[
        int, typer.Option(help="Candidates of one prompt that are judged at once: faster, for more calls.")
    ] = 1,
    model: ModelOption = None,
    cache: Annotated[
        Path, typer.Option(help="Where scores and replies are kept; a run that was cut off goes on there.")
    ] = Path("replies.sqlite"),
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before a reader is paid.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Finds what a reader needs of few-shot prompts. That is written as labels to train on."""
    if context.invoked_subcommand:
        return
    with _errors_told():
        if not (prompts and items and reader and out):
            raise InputError("label needs --prompts, --items, --reader and --out; of runs of agents see hindsight.")
        from diffumask_core.labeling.command import label_from_files, print_report

        report = label_from_files(
            prompts=prompts,
            items=items,
            reader=reader,
            reader_url=reader_url,
            out=out,
            cache=cache,
            search=search.value,
            measure=measure.value,
            floor=floor,
            max_calls=max_calls,
            batch=batch,
            model=model,
            confirm=lambda cost: _confirm(cost, yes),
        )
    if as_json:
        typer.echo(json.dumps(report, indent=2))
    else:
        print_report(report)


@label_app.command()
def hindsight(
    runs: Annotated[
        list[Path],
        typer.Option(help="Recorded runs of agents: JSON lines with messages, plain or .xz; can be repeated."),
    ],
    out: Annotated[Path, typer.Option(help="A file for the rows, as train --hindsight takes them.")],
    also: Annotated[
        list[Path] | None, typer.Option(help="More runs, which only tell what agents write in many runs.")
    ] = None,
    cuts: Annotated[
        str | None, typer.Option(help="Shares of the messages of a run after which it is cut; six from 0.25 to 0.75.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Finds in recorded runs what agents needed later. It is sought in old results of tools; no LLM is asked."""
    with _errors_told():
        from diffumask_core.labeling.runs import SHARES, label_runs_of_files

        report = label_runs_of_files(runs, also or [], out, SHARES if cuts is None else _shares("--cuts", cuts))
    if as_json:
        typer.echo(json.dumps(report))
    else:
        typer.echo(
            f"{report['rows']} rows of {report['runs']} runs: {report['needed']} strings needed, in {report['units']} "
            "lines, rows and records"
        )


@app.command()
def train(
    out: Annotated[Path, typer.Option(help="A folder for the model; a run that was cut off goes on there.")],
    labels: Annotated[
        list[Path] | None,
        typer.Option(help="Texts with what an annotator kept (token_labels.jsonl); several files may."),
    ] = None,
    hindsight: Annotated[
        Path | None,
        typer.Option(help="Rows of label hindsight, for the line model; without --labels nothing else is trained."),
    ] = None,
    shot_labels: Annotated[Path | None, typer.Option(help="Shots with their utility (shot_labels.jsonl).")] = None,
    passages: Annotated[Path | None, typer.Option(help="Questions with passages (nq_multidoc_train.jsonl).")] = None,
    exemplars: Annotated[Path | None, typer.Option(help="Solved word problems (gsm8k_train.jsonl).")] = None,
    texts: Annotated[list[Path] | None, typer.Option(help="Texts without labels, for the comparison of texts.")] = None,
    encoder: Annotated[
        Path | None, typer.Option(help="A Hugging Face encoder folder for the trunk; by default the bundled trunk.")
    ] = None,
    trunk_layers: Annotated[int | None, typer.Option(help="As many of its first layers; by default all.")] = None,
    teacher: Annotated[
        Path | None,
        typer.Option(
            help="A sentence encoder's folder: what comparing texts is learnt from; by default the bundled model."
        ),
    ] = None,
    start_from: Annotated[
        str | None, typer.Option(help="A DiffuMask model to go on from: bundled, a folder or a hub id.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the labels.")] = None,
    seed: Annotated[int, typer.Option(help="Of everything that is drawn.")] = 0,
    device: Annotated[str | None, typer.Option(help="Where to train; by default a GPU when there is one.")] = None,
) -> None:
    """Trains a model on the train split. The epoch is chosen on the dev split."""
    with _errors_told():
        with needs_extra("train", "training"):
            from diffumask_core.training.command import train_from_files

        train_from_files(
            labels=labels or [],
            hindsight=hindsight,
            shot_labels=shot_labels,
            passages=passages,
            exemplars=exemplars,
            texts=texts or [],
            encoder=encoder,
            trunk_layers=trunk_layers,
            teacher=teacher,
            start_from=start_from,
            out=out,
            epochs=epochs,
            seed=seed,
            device=device,
        )


@app.command()
def evaluate(
    task: Annotated[Task, typer.Argument(help="What to measure.")],
    data: Annotated[Path | None, typer.Option(help="The task's file of JSON lines.")] = None,
    split: Annotated[str, typer.Option(help="The split of the rows of labels, or of docs: dev or test.")] = "dev",
    labels: Annotated[
        Path | None, typer.Option(help="Label rows whose problems gsm8k leaves out (token_labels.jsonl).")
    ] = None,
    runs: Annotated[
        Path | None, typer.Option(help="Recorded runs of an agent: JSON lines with messages, plain or .xz.")
    ] = None,
    also: Annotated[
        list[Path] | None,
        typer.Option(help="Of agent, more runs, which say how common a string is; can be given several times."),
    ] = None,
    prices: Annotated[
        str | None,
        typer.Option(
            help="Of agent: anthropic (the default), openai, or dollars for a million tokens of input, cached input, "
            "input written to the cache, and output, such as 3,0.3,3.75,15."
        ),
    ] = None,
    model: ModelOption = None,
    keep_rates: Annotated[str | None, typer.Option(help="Shares to keep, such as 0.5,0.25.")] = None,
    steps: Annotated[
        int | None, typer.Option(help="The denoising steps; without a reader those that one step is compared with.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only so many rows.")] = None,
    reader: Annotated[
        str | None,
        typer.Option(help="What reads the prompts and is judged: nearest, causal:FOLDER or chat:PROVIDER:MODEL."),
    ] = None,
    reader_url: ReaderUrlOption = None,
    exemplars: Annotated[
        Path | None, typer.Option(help="Solved word problems for gsm8k's prompt (gsm8k_train.jsonl).")
    ] = None,
    shots: Annotated[
        int | None, typer.Option(min=1, help="Of icl, so many shots of each label; by default all.")
    ] = None,
    total_shots: Annotated[
        int | None, typer.Option(min=1, help="Of icl, so many shots in a prompt; the labels take turns.")
    ] = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="Of icl, the prompts of so many seeds.")] = None,
    methods: Annotated[
        str | None,
        typer.Option(help="What ours is compared with, such as lead,random; by default all, or for a chat model most."),
    ] = None,
    per_query: Annotated[
        bool, typer.Option("--per-query", help="Shorten a prompt for each query, not once for all of them.")
    ] = False,
    plot: Annotated[Path | None, typer.Option(help="A picture of the curves, such as curves.svg.")] = None,
    cache: Annotated[
        Path, typer.Option(help="Where a chat model's replies are kept; a run that was cut off goes on there.")
    ] = Path("replies.sqlite"),
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before a reader is paid.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measures a model beside its baselines. With a reader, how often it answers right at each share of the tokens."""
    with _errors_told():
        if task is Task.agent:
            if data or reader:
                raise InputError("evaluate agent takes --runs FILE, no --data and no --reader.")
            from diffumask_core.evaluation.command import evaluate_runs

            asked = also or (), prices or "anthropic"
            report = evaluate_runs(runs, *asked, model, _rates(keep_rates), steps, limit, plot)
        elif runs or also or prices:
            raise InputError("--runs, --also and --prices go with the task agent.")
        elif reader:
            from diffumask_core.evaluation.with_reader import evaluate_with_reader

            report = evaluate_with_reader(
                task=task.value,
                data=data,
                reader=reader,
                reader_url=reader_url,
                exemplars=exemplars,
                labels=labels,
                split=split,
                shots=shots,
                total_shots=total_shots,
                seeds=seeds,
                methods=[method.strip() for method in methods.split(",")] if methods else None,
                per_query=per_query,
                model=model,
                keep_rates=_rates(keep_rates),
                steps=steps,
                limit=limit,
                plot=plot,
                cache=cache,
                confirm=lambda cost: _confirm(cost, yes),
            )
        elif exemplars or reader_url or shots or total_shots or seeds or methods or per_query or plot:
            raise InputError(
                "--exemplars, --reader-url, --shots, --total-shots, --seeds, --methods, --per-query and --plot go with "
                "a reader: name one, such as --reader nearest."
            )
        else:
            from diffumask_core.evaluation.command import evaluate_task

            report = evaluate_task(task.value, data, split, labels, model, _rates(keep_rates), steps, limit)
    if as_json:
        typer.echo(json.dumps(report, indent=2))
    elif task is Task.agent:
        for rate in next(iter(report["results"].values())):
            at_rate = {
                kind: {name: left[rate] for name, left in report[kind].items()} for kind in ("results", "baselines")
            }
            _print_tables({**report, **at_rate, "task": f"agent, {rate} of the old results' tokens"})
    else:
        _print_tables(report)


@app.command()
def bench(
    model: ModelOption = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="A minute or two, without the longest prompt and the largest network.")
    ] = False,
    repeats: Annotated[
        int | None, typer.Option(min=1, help="How often each call is measured; by default 5, or 3 with --quick.")
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="A picture of it, such as bench.svg or bench.png.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measures the speed on this machine. What else shortens prompts is measured beside it."""
    with _errors_told():
        from diffumask_core.bench.command import default_plan, print_report, run_bench
        from diffumask_core.bench.plot import plot_report
        from diffumask_core.pictures import check_picture

        if plot:
            check_picture(plot)
        report = run_bench(default_plan(model, quick), repeats or (3 if quick else 5))
        if as_json:
            typer.echo(json.dumps(report, indent=2))
        else:
            print_report(report)
        if plot:
            plot_report(report, plot)


TokenOption = Annotated[
    str | None,
    typer.Option(envvar="DIFFUMASK_TOKEN", help="What clients must send; better in the variable.", show_default=False),
]
OpenOption = Annotated[
    bool, typer.Option("--open-to-all", help="Other machines may come without a token, as one in front checks them.")
]


@app.command()
def serve(
    upstream: Annotated[
        str | None,
        typer.Option(
            help="A provider that requests are passed on to, such as https://api.openai.com.", show_default=False
        ),
    ] = None,
    host: Annotated[str, typer.Option(help="Where to listen; other machines need a token.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port; 0 for any that is free.")] = 8787,
    token: TokenOption = None,
    open_to_all: OpenOption = False,
    audit: Annotated[bool, typer.Option("--audit", help="Measure what would be saved, and change nothing.")] = False,
    keep_rate: Annotated[
        float | None, typer.Option(help="The share of the tokens of old messages that may stay; 0.3 by default.")
    ] = None,
    target_tokens: Annotated[int | None, typer.Option(help="The most tokens of each old message, instead.")] = None,
    keep_messages: Annotated[int, typer.Option(help="So many messages at the end stay as they are.")] = 2,
    trigger_tokens: Annotated[
        int | None, typer.Option(help="Only longer conversations are shortened.", show_default=False)
    ] = None,
    exclude_tool: Annotated[
        list[str] | None,
        typer.Option(help="A tool whose results stay, or a pattern such as read_*; can be given several times."),
    ] = None,
    restore: Annotated[
        bool, typer.Option("--restore", help="Shortened results end in a hash, by which the whole can be had back.")
    ] = False,
    protect: Annotated[
        list[str] | None, typer.Option(help="A text that must come out unchanged; can be given several times.")
    ] = None,
    tokenizer: TokenizerOption = "gpt-4o",
    model: ModelOption = None,
    timeout: Annotated[float, typer.Option(help="Seconds that the upstream may take.")] = 600.0,
    max_body_mb: Annotated[int, typer.Option(min=1, help="The most megabytes of a body.")] = 64,
    running: Annotated[
        int | None,
        typer.Option(min=1, help="So many compressions at once; one for each core.", show_default=False),
    ] = None,
    waiting: Annotated[int, typer.Option(min=0, help="So many more may wait; others get a 503.")] = 64,
) -> None:
    """Serves a proxy for a provider, and /v1/compress for gateways. Old messages of requests are shortened.

    With --upstream https://api.openai.com run the program with OPENAI_BASE_URL=http://127.0.0.1:8787/v1, and with
    --upstream https://api.anthropic.com run it with ANTHROPIC_BASE_URL=http://127.0.0.1:8787.
    """
    with _errors_told():
        from diffumask_integrations.server.command import serve as run
        from diffumask_integrations.server.settings import Binding, ServerSettings, Shortening

        settings = ServerSettings(
            upstream=upstream,
            shortening=Shortening(
                keep=("messages", keep_messages),
                trigger=None if trigger_tokens is None else ("tokens", trigger_tokens),
                exclude_tools=tuple(exclude_tool or ()),
                restore=restore,
                keep_rate=keep_rate,
                target_tokens=target_tokens,
                protect=tuple(protect or ()),
                tokenizer=tokenizer,
            ),
            audit=audit,
            token=token,
            max_body_bytes=max_body_mb * 2**20,
            timeout=timeout,
            running=running or os.cpu_count() or 1,
            waiting=waiting,
        )
        run(settings, Binding(host=host, port=port, open_to_all=open_to_all), model)


@app.command()
def mcp(
    root: Annotated[
        Path | None,
        typer.Option(help="A folder whose files may be read; without it no file can be.", show_default=False),
    ] = None,
    transport: Annotated[
        Transport, typer.Option(help="Standard input and output, or streamable HTTP at /mcp.")
    ] = Transport.stdio,
    host: Annotated[str, typer.Option(help="Over HTTP, where to listen; other machines need a token.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Over HTTP, the port.")] = 8788,
    token: TokenOption = None,
    open_to_all: OpenOption = False,
    model: ModelOption = None,
) -> None:
    """Gives an agent tools (MCP). They shorten a text or a file, read what was left out, and say what was saved."""
    with _errors_told():
        from diffumask_integrations.mcp.command import run_mcp

        run_mcp(
            transport.value,
            root=root,
            model=model,
            host=host,
            port=port,
            token=token,
            open_to_all=open_to_all,
        )


def _confirm(cost: "Cost", yes: bool) -> None:
    """Shows what a reader is going to cost, and asks once."""
    typer.echo(f"The reader is asked {cost.calls:,} times and reads and writes about {cost.tokens:,} tokens.", err=True)
    if not yes:
        typer.confirm("Go on?", abort=True, err=True)


def _rates(listed: str | None) -> tuple[float, ...] | None:
    return None if listed is None else _shares("--keep-rates", listed)


def _shares(option: str, listed: str) -> tuple[float, ...]:
    try:
        rates = tuple(float(rate) for rate in listed.split(","))
    except ValueError:
        rates = ()
    if not rates or not all(0 < rate <= 1 for rate in rates):
        raise InputError(f"{option} {listed} are not shares: pass numbers above 0 and at most 1, such as 0.5,0.25.")
    return rates


def _print_tables(report: dict[str, Any]) -> None:
    """Prints the table of a report, and those that stand in it."""
    from rich.console import Console
    from rich.table import Table

    results = {**report["results"], **report["baselines"]}
    columns = list(dict.fromkeys(column for figures in results.values() for column in _flat(figures)))
    reader = f", read by {report['reader']}" if "reader" in report else ""
    table = Table("", *columns, title=f"{report['task']}: {report['rows']} rows of {report['data']}{reader}")
    for name, figures in results.items():
        flat = _flat(figures)
        table.add_row(name, *(_cell(flat.get(column, "")) for column in columns))
    Console(width=max(100, 14 * (len(columns) + 1))).print(table)
    if "bill" in report:
        _print_tables(report["bill"])


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        low, high = value["interval"]
        return f"{value['accuracy']:.3f}\n{low:.3f} to {high:.3f}\n{value['tokens']} tokens"
    return str(value)


def _flat(figures: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in figures.items():
        if isinstance(value, dict) and "accuracy" not in value:
            flat.update(_flat(value, f"{prefix}{name} "))
        else:
            flat[prefix + name] = value
    return flat
