"""Measures what fifty passages at a tenth of their tokens take: without a cache, with all read to the end, and cached.

    python scripts/passages_speed.py

The passages are pieces of the repository's documents (data/technical_docs.jsonl), and the questions are of that file.
Where all shots are kept (`shot_level=False`) the upper layers read all of them. With a cache the trunk and the comparer
have read the passages for another question before.
"""

import time
from pathlib import Path
from statistics import median

from diffumask_core import Compressor, EncodingCache, Prompt
from diffumask_core.datasets import DocsRow, DocumentRow, QuestionRow, read_rows
from diffumask_core.evaluation.docs import chunks
from diffumask_core.tokens import get_counter

PASSAGES, QUESTIONS, RATE, TOKENIZER = 50, 15, 0.1, "o200k_base"


def main() -> None:
    """Prints medians over the questions, and ratios."""
    rows = read_rows(Path(__file__).parents[1] / "data" / "technical_docs.jsonl", DocsRow)
    documents = [row.root.text for row in rows if isinstance(row.root, DocumentRow)]
    counter = get_counter(TOKENIZER)
    passages = [chunk for text in documents for chunk in chunks(text, counter)][:PASSAGES]
    questions = [row.root.question for row in rows if isinstance(row.root, QuestionRow)][: QUESTIONS + 1]
    plain = Compressor.from_pretrained()

    def seconds(compressor: Compressor, question: str, shot_level: bool = True) -> float:
        began = time.perf_counter()
        prompt = Prompt(shots=passages, query=question)
        compressor.compress(prompt, keep_rate=RATE, tokenizer=TOKENIZER, shot_level=shot_level)
        return time.perf_counter() - began

    cached = Compressor.from_pretrained(cache=EncodingCache())
    ways = {"first": (plain, True), "whole": (plain, False), "again": (cached, True)}
    for compressor in (plain, cached):
        seconds(compressor, questions[0])
    # By turns, so that what else the machine does hits all alike.
    taken = [{name: seconds(way, question, level) for name, (way, level) in ways.items()} for question in questions[1:]]
    first, whole, again = (median(each[name] for each in taken) for name in ways)
    tokens = sum(map(counter.count, passages))
    print(f"{len(passages)} passages of {tokens} tokens, seconds: {first:.3f}")
    print(f"with all of them read to the end: {whole:.3f}, ratio {first / whole:.2f}")
    print(f"another question, with a cache: {again:.3f}, ratio {again / first:.2f}")


if __name__ == "__main__":
    main()
