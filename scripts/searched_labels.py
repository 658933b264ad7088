"""Label rows by search over prompts of the exemplars that the annotators saw.

    python scripts/searched_labels.py DATA --out searched.jsonl
    cat DATA/token_labels.jsonl searched.jsonl > labels.jsonl

The nearest exemplars read the prompts, or a model of your own machine:

    python scripts/searched_labels.py DATA --reader chat:openai:NAME --reader-url http://127.0.0.1:8080/v1 --prompts 10

DATA is a folder with token_labels.jsonl, and labels.jsonl is for `diffumask train`. Only training rows are used, and of
these no exemplar that a development row has as well. A prompt is drawn from one source and judged on what else that
source has of the same labels. First the share of right answers with full prompts is shown for each source: where it is
about that of the most frequent label there is nothing to search for. Each row found is a line of the file, the sources
in turn; a run that was cut off goes on after it.
"""

import argparse
import random
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean

from rich.console import Console
from rich.table import Table
from search_cost import accuracy
from tqdm import tqdm

from diffumask_core import Prompt, Shot
from diffumask_core.datasets import ItemRow, LabelRow, PromptRow, read_rows
from diffumask_core.evaluation.icl import one_line
from diffumask_core.labeling import label_prompts
from diffumask_core.model.pretrained import load_pruner
from diffumask_core.readers import NearestExemplarReader, Question, Reader
from diffumask_core.readers.resolve import resolve_reader

# Right with full prompts: Subj 0.76 and Banking77 0.73, where the most frequent label has 0.52 and 0.14. Not searched
# are SNLI, with 0.34 beside 0.36, and SST-2, with 0.58 beside 0.55.
SEARCHED = ("subj", "banking77")
# Some rows of SST-2 and SNLI call their labels otherwise.
SPELLED = {"great": "positive", "terrible": "negative", "yes": "entailment", "maybe": "neutral", "no": "contradiction"}


def exemplars(rows: Sequence[LabelRow], split: str) -> dict[str, dict[str, str]]:
    """The label of each text, by source."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for row in rows:
        if row.kind == "classification" and row.split == split:
            source = row.source.removeprefix("promptquine/").partition("/")[0]
            for shot in row.text.split("\n\n"):
                text, _, label = (part.partition(": ")[2] for part in shot.strip().rpartition("\n"))
                found[source][one_line(text)] = SPELLED.get(label, label)
    return found


def draw(
    source: str, labelled: Mapping[str, str], number: int, most_shots: int, most_items: int
) -> tuple[PromptRow, list[ItemRow]]:
    """A prompt with as many shots of each label, and what is asked after it."""
    drawn = random.Random(f"{source}/{number}")
    texts: dict[str, list[str]] = defaultdict(list)
    for text, label in labelled.items():
        texts[label].append(text)
    askable = [label for label in texts if len(texts[label]) > 1]
    labels = drawn.sample(askable, min(most_shots, len(askable)))
    shots = [text for label in labels for text in drawn.sample(texts[label], most_shots // len(labels))]
    others = [text for label in labels for text in texts[label] if text not in shots]
    drawn.shuffle(shots)
    prompt = PromptRow(
        id=f"searched-{source}-{number}",
        kind="classification",
        shots=[Shot(question=text, answer=labelled[text]) for text in shots],
        source=f"{source}/searched/{number}",
    )
    asked = drawn.sample(others, min(most_items, len(others)))
    return prompt, [ItemRow(query=f"Q: {text}\nA:", answer=labelled[text], labels=labels) for text in asked]


def show(drawn: Mapping[str, Sequence[tuple[PromptRow, list[ItemRow]]]], reader: Reader) -> None:
    """Prints how the reader does with full prompts, beside the most frequent label."""
    table = Table("source", "items", "right", "most frequent", title="full prompts")
    for source, prompts in drawn.items():
        figures = []
        for prompt, items in prompts:
            asked = [Question("", item.query, item.answer, tuple(item.labels)) for item in items]
            [(_, most)] = Counter(item.answer for item in items).most_common(1)
            right = accuracy(reader, asked, Prompt(shots=prompt.shots).text)
            figures.append((len(items), right, most / len(items)))
        means = (f"{mean(column):.3g}" for column in zip(*figures, strict=True))
        table.add_row(source, *means)
    Console(width=120).print(table)


def main() -> None:
    """Shows what the reader can do, and searches the prompts that are not in the file yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, default=Path("searched.jsonl"))
    parser.add_argument("--prompts", type=int, default=200, help="of each source that is searched")
    parser.add_argument("--floor", type=float, default=0.99)
    parser.add_argument("--reader", default="nearest", help="as of diffumask label")
    parser.add_argument("--reader-url")
    parser.add_argument("--shots", type=int, default=16, help="of each prompt")
    parser.add_argument("--items", type=int, default=100, help="the most that are asked after a prompt")
    parser.add_argument("--max-calls", type=int, help="of each prompt")
    options = parser.parse_args()

    rows = read_rows(options.data / "token_labels.jsonl", LabelRow)
    held_out = exemplars(rows, "dev")
    sources = {
        source: {text: label for text, label in labelled.items() if text not in held_out[source]}
        for source, labelled in exemplars(rows, "train").items()
    }
    pruner = load_pruner(threads=1)  # on texts this short, more threads wait for each other
    cache = options.out.with_suffix(".sqlite")
    nearest = options.reader == "nearest"
    reader = NearestExemplarReader(pruner) if nearest else resolve_reader(options.reader, cache, options.reader_url)
    numbers = range(options.prompts)
    drawn = {
        source: [draw(source, sources[source], number, options.shots, options.items) for number in numbers]
        for source in SEARCHED
    }
    show({source: prompts[:40] for source, prompts in drawn.items()}, reader)

    done = {row.id for row in read_rows(options.out, LabelRow)} if options.out.exists() else set()
    for number in tqdm(range(options.prompts), desc="prompts of each source"):
        for source in SEARCHED:
            prompt, items = drawn[source][number]
            if prompt.id in done:
                continue
            began = time.perf_counter()
            search = label_prompts(
                [prompt],
                items,
                reader,
                measure="log_probability",
                floor=options.floor,
                max_calls=options.max_calls,
                pruner=pruner,
            )
            for found in search:
                seconds = time.perf_counter() - began
                tqdm.write(f"{prompt.id}: {found.kept:.0%} left, {found.calls} calls, {seconds:.0f} s")
                if found.row:
                    with options.out.open("a", encoding="utf-8") as file:
                        file.write(found.row.model_dump_json() + "\n")


if __name__ == "__main__":
    main()
