"""What the bundled model leaves of some forty prompts, text for text: a rebuilding changes nothing that it should not.

After a change that is meant, `python tests/core/golden/test_golden.py` writes what comes out now; read its diff.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from diffumask_core import CompressionResult, Compressor, Prompt, Shot

FOLDER = Path(__file__).parent
PROMPTS: list[dict[str, Any]] = json.loads((FOLDER / "prompts.json").read_text("utf-8"))
EXPECTED = FOLDER / "expected.json"


def compress(compressor: Compressor, row: dict[str, Any]) -> CompressionResult:
    options = {"tokenizer": len_in_words, **row["options"]}
    match row["prompt"]:
        case str() as text:
            return compressor.compress(text, **options)
        case list() as messages:
            return compressor.compress_messages(messages, **options)
        case parts:
            shots = [shot if isinstance(shot, str) else Shot(**shot) for shot in parts["shots"]]
            return compressor.compress(Prompt(parts["instructions"], shots, parts["query"]), **options)


def len_in_words(text: str) -> int:
    """A tokenizer whose counts no vocabulary can change."""
    return sum(1 + len(word) // 6 for word in text.split())


@pytest.fixture(scope="module")
def bundled() -> Compressor:
    return Compressor.from_pretrained()


@pytest.mark.parametrize("row", PROMPTS, ids=[row["id"] for row in PROMPTS])
def test_a_prompt_comes_out_as_before(bundled: Compressor, row: dict[str, Any]) -> None:
    assert compress(bundled, row).text == json.loads(EXPECTED.read_text("utf-8"))[row["id"]]


if __name__ == "__main__":
    loaded = Compressor.from_pretrained()
    texts = {row["id"]: compress(loaded, row).text for row in PROMPTS}
    EXPECTED.write_text(json.dumps(texts, ensure_ascii=False, indent=1) + "\n", "utf-8")
