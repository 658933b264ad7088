"""A task stays wherever the material stands: pasted output of programs, context between question and answer."""

import pytest

from diffumask_core import Compressor

YAML = "service:\n" + "\n".join(
    f"  worker_{n}:\n    image: registry/worker:{n}.2.1\n    replicas: {n}\n    owner: nobody" for n in range(9)
)
LOG = "\n".join(f"2026-03-01 10:{n:02}:00 INFO job {n} of worker_{n % 3} done in {n * 7} ms" for n in range(30))
TABLE = "| name | size |\n|---|---|\n" + "\n".join(f"| port {n} | {n} |" for n in range(30))
STORY = "The ferry leaves the old harbour in the morning, and comes back when the sun has gone down. " * 6


@pytest.mark.parametrize("pasted", [YAML, LOG, TABLE], ids=["yaml", "log", "table"])
@pytest.mark.parametrize("before", ["Review the text below and say what is wrong.", "Explain."])
@pytest.mark.parametrize("after", ["Answer in one line for Bob.", "Which worker has no owner?", "Why?"])
def test_the_task_around_pasted_lines_stays(compressor: Compressor, pasted: str, before: str, after: str) -> None:
    for marks in (True, False):
        result = compressor.compress(f"{before}\n\n{pasted}\n\n{after}", keep_rate=0.3, marks=marks)
        assert result.text.startswith(f"{before}\n")
        assert result.text.endswith(f"\n{after}")
        assert bool(result.marks) == marks


@pytest.mark.parametrize("closing", ["Answer:", "Helpful Answer:"])
@pytest.mark.parametrize("context", [STORY, f"{STORY}\n\n{STORY}", LOG], ids=["story", "paragraphs", "log"])
def test_context_between_question_and_answer_gets_shorter(compressor: Compressor, context: str, closing: str) -> None:
    task = "Use the context to answer the question. If you don't know, say so."
    prompt = f"{task}\nQuestion: When does the ferry leave?\nContext: {context}\n{closing}"
    for result in (
        compressor.compress(prompt, keep_rate=0.3),
        compressor.compress_messages([{"role": "user", "content": prompt}], keep_rate=0.3),
    ):
        assert len(result.text) < 0.8 * len(prompt)
        assert result.text.startswith(f"{task}\nQuestion: When does the ferry leave?\n")
        assert result.text.endswith(f"\n{closing}")
