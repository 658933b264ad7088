"""How much alike the two runtimes decide, on passages for questions and on worked problems.

    python scripts/runtime_agreement.py DATA [MODEL]

DATA is a folder with ``nq_multidoc_dev.jsonl`` and ``gsm8k_train.jsonl``; needs the extra ``torch``.
"""

import sys
from pathlib import Path
from statistics import mean, median

from diffumask_core import CompressionResult, Compressor, Prompt, Shot
from diffumask_core.datasets import PassageRow, SolutionRow, read_rows

QUESTIONS = 25
PASSAGE_RATES = (0.1, 0.25, 0.5)
PROMPTS, PROBLEMS = 20, 8
PROBLEM_RATES = (0.3, 0.45, 0.6)


def prompts(data: Path) -> list[tuple[Prompt, tuple[float, ...]]]:
    """What is compressed, and how far."""
    found: list[tuple[Prompt, tuple[float, ...]]] = []
    for passages in read_rows(data / "nq_multidoc_dev.jsonl", PassageRow)[:QUESTIONS]:
        shots = [document.text for document in passages.documents]
        found.append((Prompt("Answer from the passages.", shots, passages.question), PASSAGE_RATES))
    rows = read_rows(data / "gsm8k_train.jsonl", SolutionRow)
    for start in range(0, PROMPTS * (PROBLEMS + 1), PROBLEMS + 1):
        *exemplars, asked = rows[start : start + PROBLEMS + 1]
        solved = [Shot(question=row.question, answer=row.answer) for row in exemplars]
        found.append((Prompt("Solve the problem.", solved, asked.question), PROBLEM_RATES))
    return found


def kept(result: CompressionResult) -> set[int]:
    """The characters that are left."""
    return {character for start, end in result.spans for character in range(start, end)}


def main() -> None:
    """Runs it."""
    model = sys.argv[2] if len(sys.argv) > 2 else None
    onnx, torch = (Compressor.from_pretrained(model, runtime=runtime) for runtime in ("onnx", "torch"))
    other_shots, alike = 0, []
    for prompt, rates in prompts(Path(sys.argv[1])):
        for rate in rates:
            results = [compressor.compress(prompt, keep_rate=rate) for compressor in (onnx, torch)]
            stay = [[shot.fate != "dropped" for shot in result.shots] for result in results]
            other_shots += stay[0] != stay[1]
            ours, theirs = map(kept, results)
            alike.append(len(ours & theirs) / max(len(ours), len(theirs), 1))
    print(f"{len(alike)} compressions, {other_shots} with other shots")
    print(f"characters kept by both: {mean(alike):.3f} on average, median {median(alike):.3f}, least {min(alike):.3f}")


if __name__ == "__main__":
    main()
