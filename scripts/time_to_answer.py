"""Seconds from a question to its answer, with the whole prompt and with a compressed one, at one server.

    python scripts/time_to_answer.py DATA --url http://127.0.0.1:8080/v1 --model NAME --out time_to_answer.json

DATA is the folder with nq_multidoc_dev.jsonl and icl_agnews.jsonl. Each question has ten passages, or all shots of one
seed. It is asked by turns with the whole prompt and at each rate. The prompt is compressed for each question anew, and
that time counts. Each call begins with a line of its own, so that no prefix is in the server's cache. Medians.
"""

import argparse
import json
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any
from urllib.request import Request, urlopen

from diffumask_core import Compressor
from diffumask_core.datasets import ClassificationRow, PassageRow, read_rows
from diffumask_core.evaluation.curves import Trial
from diffumask_core.evaluation.icl import icl_trials
from diffumask_core.evaluation.nq import nq_trials
from diffumask_core.readers import Question
from diffumask_core.readers.answers import full_text

ANSWER_TOKENS = 32
CALLS = count(1)


def ask(url: str, model: str, prompt: str, query: str) -> tuple[float, int]:
    """The seconds that a reply takes, and the tokens that are read for it."""
    text = f"Call {time.time_ns()}-{next(CALLS)}.\n\n{full_text(Question(prompt, query, ''))}"
    messages = [{"role": "user", "content": text}]
    body = {"model": model, "messages": messages, "max_tokens": ANSWER_TOKENS, "temperature": 0}
    request = Request(f"{url}/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"})
    began = time.perf_counter()
    with urlopen(request, timeout=600) as reply:
        usage = json.load(reply)["usage"]
    return time.perf_counter() - began, usage["prompt_tokens"]


def calls(trial: Trial, rates: list[float], compressor: Compressor, url: str, model: str) -> Iterator[dict[str, float]]:
    """Asks a question with the whole prompt, then at each rate."""
    for rate in (1.0, *rates):
        began = time.perf_counter()
        prompt = compressor.compress(trial.prompt, query=trial.query, keep_rate=rate).text
        compressing = time.perf_counter() - began if rate < 1 else 0.0
        answering, tokens = ask(url, model, prompt, trial.query)
        whole = compressing + answering
        yield {"rate": rate, "tokens": tokens, "compressing": compressing, "answering": answering, "seconds": whole}


def main() -> None:
    """Prints a table in Markdown and writes the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--url", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--questions", type=int, default=10)
    parser.add_argument("--rates", type=float, nargs="+", default=[0.5, 0.25])
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    compressor = Compressor.from_pretrained()
    passages = read_rows(options.data / "nq_multidoc_dev.jsonl", PassageRow)[: options.questions]
    texts = read_rows(options.data / "icl_agnews.jsonl", ClassificationRow)
    settings = {"nq": nq_trials(passages)[0], "agnews": icl_trials(texts, limit=options.questions, seeds=1)[0]}
    figures: dict[str, list[dict[str, Any]]] = {}
    print("| | kept | tokens read | s to compress | s to answer | s in all |\n|---|---|---|---|---|---|")
    for name, trials in settings.items():
        for _ in calls(trials[0], options.rates, compressor, options.url, options.model):
            """Warms up the model and the server."""
        asked = [list(calls(trial, options.rates, compressor, options.url, options.model)) for trial in trials]
        figures[name] = [
            {key: round(median(call[key] for call in same), 3) for key in same[0]} for same in zip(*asked, strict=True)
        ]
        for row in figures[name]:
            seconds = " | ".join(f"{row[key]:.2f}" for key in ("compressing", "answering", "seconds"))
            print(f"| {name} | {row['rate']:.0%} | {row['tokens']:,.0f} | {seconds} |", flush=True)
    report = {"model": options.model, "questions": options.questions, "medians": figures}
    options.out.write_text(json.dumps(report, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
