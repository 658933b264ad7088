"""Labels from files: what ``diffumask label`` does."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from tqdm import tqdm

from diffumask_core.datasets import ItemRow, LabelRow, PromptRow, read_rows
from diffumask_core.errors import DataError
from diffumask_core.labeling.label import label_prompts
from diffumask_core.labeling.search import Measure
from diffumask_core.model.pretrained import load_pruner
from diffumask_core.prompt.prompt import Prompt
from diffumask_core.readers.cache import ReplyCache
from diffumask_core.readers.cost import Cost, PaidReader
from diffumask_core.readers.protocol import Reader
from diffumask_core.readers.resolve import resolve_reader
from diffumask_core.tokens import get_counter

logger = logging.getLogger("diffumask")


def label_from_files(
    *,
    prompts: Path,
    items: Path,
    reader: str | Reader,
    out: Path,
    cache: Path,
    search: str,
    measure: Measure,
    floor: float,
    max_calls: int,
    batch: int,
    model: str | None = None,
    reader_url: str | None = None,
    confirm: Callable[[Cost], None] = lambda cost: None,
) -> dict[str, Any]:
    """Searches each prompt of a file and writes the label rows.

    Args:
        prompts: A file of `PromptRow`.
        items: A file of `ItemRow`.
        reader: A reader, or its name as `resolve_reader` takes it.
        out: A file for the rows. It is written anew with each prompt that is done.
        cache: Where scores, and the replies of a chat model, are kept, for a run that goes on.
        search: As of `label_prompts`, and so are the others.
        measure: See there.
        floor: See there.
        max_calls: See there.
        batch: See there.
        model: What guides the search, as of `Compressor.from_pretrained`.
        reader_url: The address of a server that the reader is asked at, as of `resolve_reader`.
        confirm: Is told what a paid reader is going to cost at most, before it is asked; raises to stop.

    Returns:
        ``reader``, ``rows``, ``calls``, ``candidates``, ``seconds``, and ``prompts`` with the figures of each.

    Raises:
        DataError: A file is missing, empty or broken.
        InputError: An option is not possible.
        ReaderError: The reader gives no reply, or would exceed its limit. The same command goes on from there.
    """
    tasks = read_rows(prompts, PromptRow)
    asked = read_rows(items, ItemRow)
    twice = [name for name, count in Counter(task.id for task in tasks).items() if count > 1]
    if twice:
        raise DataError(f"{prompts} has several prompts with the id {twice[0]!r}: give each one of its own.")
    reading = resolve_reader(reader, cache, reader_url) if isinstance(reader, str) else reader
    if isinstance(reading, PaidReader):
        confirm(_most(tasks, asked, max_calls))
    began = time.perf_counter()
    found = label_prompts(
        tasks,
        asked,
        reading,
        search=search,
        measure=measure,
        floor=floor,
        max_calls=max_calls,
        batch=batch,
        scores=ReplyCache(cache),
        pruner=load_pruner(model),
    )
    figures: dict[str, dict[str, Any]] = {}
    rows: dict[str, LabelRow] = {}
    for labelled in tqdm(found, total=len(tasks), desc="prompts", disable=None):
        figures[labelled.id] = {name: value for name, value in asdict(labelled).items() if name != "row"}
        if labelled.row:
            rows[labelled.id] = labelled.row
            _write(out, [rows[task.id] for task in tasks if task.id in rows])
        else:
            lost = "gets nothing right with it" if labelled.ended == "useless" else "needs nothing of it"
            logger.warning("The prompt %r has no label row: the reader %s.", labelled.id, lost)
    done = [figures[task.id] for task in tasks]
    return {
        "reader": reading.name,
        "rows": len(rows),
        "calls": sum(prompt["calls"] for prompt in done),
        "candidates": sum(prompt["candidates"] for prompt in done),
        "seconds": round(time.perf_counter() - began, 1),
        "prompts": done,
    }


def _most(prompts: Sequence[PromptRow], items: Sequence[ItemRow], max_calls: int) -> Cost:
    """What all searches cost at most: as if each candidate were as long as the full prompt."""
    counter = get_counter()
    asked = sum(counter.count(item.query) + counter.count(item.answer) for item in items) / len(items)
    texts = [prompt.few_shot.text if isinstance(prompt.few_shot, Prompt) else prompt.few_shot for prompt in prompts]
    tokens = sum(counter.count(text) + asked for text in texts)
    return Cost(max_calls * len(prompts), round(max_calls * tokens))


def _write(out: Path, rows: Sequence[LabelRow]) -> None:
    unfinished = out.with_suffix(out.suffix + ".tmp")
    unfinished.write_text("".join(row.model_dump_json() + "\n" for row in rows), "utf-8")
    unfinished.replace(out)


def print_report(report: dict[str, Any]) -> None:
    """Prints a line for each prompt and the sums."""
    columns = ("kept", "quality", "full_quality", "floor", "calls", "candidates", "ended")
    table = Table("prompt", *columns, title=f"{report['rows']} label rows, read by {report['reader']}")
    for prompt in report["prompts"]:
        values = [prompt[column] for column in columns]
        table.add_row(prompt["id"], *(f"{value:.3f}" if isinstance(value, float) else str(value) for value in values))
    table.caption = f"{report['calls']:,} calls, {report['candidates']:,} candidates, {report['seconds']} s"
    Console(width=120).print(table)
