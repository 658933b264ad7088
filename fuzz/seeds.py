"""The first inputs of a fuzzer: texts of each kind from the pages and the tests, with options behind them."""

import json
import random
import re
from collections.abc import Iterator
from pathlib import Path

from fuzz.reader import SEPARATOR

_ROOT = Path(__file__).parents[1]
_FENCED = re.compile(r"^(`{3,})\S*\n(.*?)\n\1$", re.M | re.S)
_OPTION_BYTES = 64
_LONGEST = 3000


def write_seeds(target: str, folder: Path) -> None:
    """Writes the seeds of a target.

    Args:
        target: Its name.
        folder: Where to, a file for each seed.
    """
    folder.mkdir(parents=True)
    texts = [text[:_LONGEST] for text in dict.fromkeys(_texts())]
    if target == "json":
        texts = [text for text in texts if _is_json(text)]
    chance = random.Random(0)
    for number, text in enumerate(texts):
        # One text where a target reads one, neighbours behind it where it reads several.
        parts = [text, *chance.sample(texts, 2)] if target not in ("parse", "regions", "json") else [text]
        data = SEPARATOR.join(part.encode()[: _LONGEST // len(parts)] for part in parts)
        # The flags of a seed are few, so that most of a text is read as it is; requests are of every kind.
        values = range(128) if target == "server" else [0, 0, 0, 1, 30]
        options = bytes(chance.choice(values) for _ in range(_OPTION_BYTES))
        (folder / f"seed-{number:03}").write_bytes(data + SEPARATOR + options)


def _texts() -> Iterator[str]:
    for page in ("docs/content.md", "docs/langchain-agents.md", "CONTRIBUTING.md"):
        for _, text in _FENCED.findall((_ROOT / page).read_text("utf-8")):
            yield text
    for row in json.loads((_ROOT / "tests/core/golden/prompts.json").read_text("utf-8")):
        prompt = row["prompt"]
        yield prompt if isinstance(prompt, str) else json.dumps(prompt, ensure_ascii=False)


def _is_json(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict | list)
    except ValueError:
        return False
