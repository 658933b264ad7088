r"""What stays, is it exact? Counts what an output holds and its source does not, over texts of all kinds.

    python scripts/exactness.py DATA

DATA is the folder of the data files. Of every text: chunks (runs without white space, but for punctuation around
them) that hold a digit or one of `/ @ _ \ ::`. Of the tool results of coding agents: lines. Of the airline runs: JSON.
"""

import argparse
import json
import lzma
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tqdm import tqdm

from diffumask_core import CompressionResult, Compressor, Prompt
from diffumask_core.rendering.marks import REST_KEY

RATES = (0.7, 0.5, 0.3)
EXACTING = re.compile(r"[\d/@_\\]|::")
AROUND = "\"'()[]{}<>.,;:!?…*`“”‘’«»"


def rows(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a file of JSON lines, packed or not."""
    with lzma.open(path, "rt", encoding="utf-8") if path.suffix == ".xz" else path.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def texts(path: Path) -> Iterator[str | Prompt]:
    """The prompts that are made of a file's rows; of runs of agents the results of tools."""
    for row in rows(path):
        if "messages" in row:
            yield from (message["content"] for message in row["messages"] if message["role"] == "tool")
        elif "documents" in row:
            yield Prompt(shots=[f"{each['title']}\n{each['text']}" for each in row["documents"]], query=row["question"])
        elif "shots" in row:
            yield Prompt(shots=row["shots"], query=row["query"])
        elif "text" in row:
            yield row["text"]
        else:
            yield f"Question: {row['question']}\nAnswer: {row['answer']}"


def chunks(text: str) -> list[str]:
    """The chunks that have to be exact."""
    return [bare for chunk in text.split() if (bare := chunk.strip(AROUND)) and EXACTING.search(bare)]


def without_marks(result: CompressionResult) -> str:
    """What is left of the source."""
    text = result.text
    for mark in result.marks:
        text = text.replace(mark.text, " ", 1)
    return text


def shorten(compressor: Compressor, path: Path, prompt: str | Prompt) -> CompressionResult:
    """Shortens a prompt at the first rate; a result of a tool as the message that it is."""
    options: dict[str, Any] = {"keep_rate": RATES[0], "on_overflow": "best_effort"}
    if path.name.startswith("agent_"):
        return compressor.compress_messages([{"role": "tool", "tool_call_id": "1", "content": prompt}], **options)
    return compressor.compress(prompt, **options)


def untrue(left: Any, source: Any) -> Iterator[str]:
    """What a shortened JSON value says that its source does not."""
    if isinstance(left, dict):
        for key, value in left.items():
            if isinstance(source, dict) and key == REST_KEY and key not in source:
                continue  # How many members were left out.
            if not isinstance(source, dict) or key not in source:
                yield f"no member {key!r}"
            else:
                yield from untrue(value, source[key])
    elif isinstance(left, list):
        items = [item for item in left if not (isinstance(item, str) and item.startswith("[… "))]
        if not isinstance(source, list):
            yield "no list"
        elif not any(isinstance(item, dict | list) for item in source):
            if left != source and not any(isinstance(item, str) and len(item.split()) >= 8 for item in source):
                yield "a list of scalars was cut"
        elif len({tuple(item) for item in items if isinstance(item, dict)}) > 1 and (
            len({tuple(item) for item in source if isinstance(item, dict)}) == 1
        ):
            yield "records are not alike"
    elif isinstance(left, str) and isinstance(source, str):
        if left != source and len(source.split()) < 8:
            yield f"{left!r} is not {source!r}"
    elif left != source:
        yield f"{left!r} is not {source!r}"


def is_json(text: str) -> Any:
    """The value of a text that is an object or a list, else None."""
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict | list) else None


def look(path: Path, compressor: Compressor, limit: int | None) -> Counter[tuple[str, float]]:
    """Counts over one file."""
    seen: Counter[tuple[str, float]] = Counter()
    for prompt in tqdm(list(texts(path))[:limit], desc=path.stem, leave=False):
        source = prompt.text if isinstance(prompt, Prompt) else prompt
        if not source.strip():
            continue
        first = shorten(compressor, path, prompt)
        known, lines = set(chunks(source)), set(source.split("\n"))
        value = is_json(source)
        for rate in RATES:
            result = first.at(keep_rate=rate)
            found = chunks(without_marks(result))
            seen["chunks", rate] += len(found)
            seen["not in the source", rate] += sum(chunk not in known for chunk in found)
            if result.text == source:
                continue
            if "agent_runs" in path.name:
                left = [line for line in without_marks(result).split("\n") if line.strip()]
                seen["lines", rate] += len(left)
                seen["whole lines", rate] += sum(line in lines for line in left)
            if value is not None:
                seen["JSON", rate] += 1
                shorter = is_json(result.text)
                seen["invalid", rate] += shorter is None
                seen["untrue", rate] += shorter is not None and any(untrue(shorter, value))
    return seen


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--files", nargs="*", help="only files whose names begin so")
    parser.add_argument("--limit", type=int, help="the first so many texts of each file")
    arguments = parser.parse_args()
    compressor = Compressor.from_pretrained()
    for path in sorted(arguments.data.glob("*.jsonl*")):
        if arguments.files and not path.name.startswith(tuple(arguments.files)):
            continue
        seen = look(path, compressor, arguments.limit)
        for rate in RATES:
            counts = {name: count for (name, at), count in seen.items() if at == rate}
            print(f"{path.name:28} {rate:.1f}  " + ", ".join(f"{count} {name}" for name, count in counts.items()))


if __name__ == "__main__":
    main()
