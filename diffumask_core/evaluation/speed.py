"""Speed on this machine: steps, an encoder of mBERT's size, and dropping one unit at a time."""

import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from transformers import BertConfig, BertForTokenClassification

from diffumask_core.compressor import Compressor
from diffumask_core.diffusion.sampler import sample_mask
from diffumask_core.diffusion.states import DROP, KEEP, UNDECIDED
from diffumask_core.evaluation.labels import MANY_STEPS
from diffumask_core.model.inputs import batch_windows, describe_units, windows_of
from diffumask_core.model.pruner import Pruner
from diffumask_core.prompt.units import split_units

_REPEATS = 5
_SEQUENTIAL_PROMPTS = 10

_TOPICS = ("apples", "marbles", "tickets", "stickers", "pencils", "cookies", "seashells", "coins", "books", "stamps")


def measure_speed(pruner: Pruner) -> dict[str, dict[str, float]]:
    """Medians of several runs side by side, in seconds, on a few-shot prompt of some 2,000 tokens.

    Returns:
        ``compress`` by steps, one forward pass of a token classifier of mBERT's size (random weights) over the same
        windows, and sequential removal with the same denoiser on ten prompts of some 500 tokens.
    """
    compressor = Compressor(pruner)
    prompt = few_shot_prompt(20)
    # Without a query at its end nothing is compared with it, and the sentence encoder does not run.
    unasked = prompt.rpartition("\n\n")[0]
    classifier = _classifier_pass(pruner, prompt)

    def compress(steps: int, text: str = prompt) -> Callable[[], object]:
        return lambda: compressor.compress(text, keep_rate=0.4, steps=steps)

    runs = {
        "1 step": compress(1),
        "1 step, no query": compress(1, unasked),
        f"{MANY_STEPS} steps": compress(MANY_STEPS),
        "64 steps": compress(64),
        "mBERT-size classifier": classifier,
    }
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        run()
    for _ in range(_REPEATS):
        for name, run in runs.items():
            began = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - began)
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    one, classifier_pass = medians["1 step"], medians["mBERT-size classifier"]
    figures: dict[str, dict[str, float]] = {
        name: {
            "seconds": round(median, 4),
            "times 1 step": round(median / one, 2),
            "share of the classifier": round(median / classifier_pass, 3),
        }
        for name, median in medians.items()
    }
    tokens = compressor.compress(prompt, keep_rate=1.0).original_tokens
    figures["prompt"] = {"tokens": tokens}
    return figures | _against_sequential(pruner)


def few_shot_prompt(shots: int) -> str:
    """A chain-of-thought prompt of about a hundred tokens a shot."""
    lines = []
    for number in range(3, 3 + shots):
        topic = _TOPICS[number % len(_TOPICS)]
        total = number * 12 + 7
        lines.append(
            f"Q: A shop on the corner sells {topic} in boxes of {number}. On Monday the owner, who had been away for "
            f"a week, sold 12 boxes, and on Tuesday she sold another 7 loose {topic} to a visitor from out of town. "
            f"How many {topic} did she sell on the two days together?\n"
            f"A: Let's think step by step. On Monday she sold 12 boxes of {number} {topic}, which makes "
            f"12 * {number} = {number * 12} {topic}. On Tuesday she sold 7 more. "
            f"In total she sold {number * 12} + 7 = {total} {topic}. The answer is {total}."
        )
    lines.append("Q: A baker makes 5 trays of 14 rolls and sells 23 of them. How many rolls are left?\nA:")
    return "\n\n".join(lines)


def _classifier_pass(pruner: Pruner, prompt: str) -> Callable[[], object]:
    """A forward pass of a random token classifier of mBERT's size over the same text.

    Its windows are full and without the query, which costs it least; ours are shots with the query in each.
    """
    classifier = BertForTokenClassification(BertConfig(vocab_size=119547)).eval()
    offsets, none = split_units(prompt), np.zeros(0, dtype=np.int64)
    units = describe_units(prompt, offsets, pruner.tokenizer)
    windows = windows_of(units, [(0, len(offsets))], none, pruner.model.config)
    batch = batch_windows([(units, window, none) for window in windows], pruner.frame)
    ids, mask = torch.from_numpy(batch.input_ids), torch.from_numpy(batch.attention_mask)

    @torch.inference_mode()
    def forward() -> object:
        return classifier(input_ids=ids, attention_mask=mask).logits

    return forward


def _against_sequential(pruner: Pruner) -> dict[str, dict[str, float]]:
    """The same denoiser taking away the unit it is surest of, one at a time, to the same number of units."""
    calls = {"parallel": 0, "sequential": 0}
    seconds = {"parallel": 0.0, "sequential": 0.0}
    for number in range(_SEQUENTIAL_PROMPTS):
        prompt = few_shot_prompt(5 + number % 2).replace("corner", f"corner of street {number}")
        offsets = split_units(prompt)
        encoding = pruner.encode(prompt, offsets, [(0, len(offsets))])
        keep = int(0.4 * len(offsets))
        predict = pruner.predictor(encoding, 0.4)

        began = time.perf_counter()
        states = np.full(len(offsets), KEEP)
        while (states == KEEP).sum() > keep:
            logits = predict(states, 0.0)
            states[np.where(states == KEEP, logits, np.inf).argmin()] = DROP
            calls["sequential"] += 1
        seconds["sequential"] += time.perf_counter() - began

        began = time.perf_counter()
        sample = sample_mask(
            predict,
            np.ones(len(offsets)),
            keep,
            np.full(len(offsets), UNDECIDED),
            steps=MANY_STEPS,
        )
        calls["parallel"] += sample.steps
        seconds["parallel"] += time.perf_counter() - began
    return {
        f"{name} removal, ten prompts": {"denoiser calls": calls[name], "seconds": round(seconds[name], 3)}
        for name in calls
    }
