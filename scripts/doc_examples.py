"""Runs the examples of README.md and docs/content.md with the bundled model and puts the outputs there.

    python scripts/doc_examples.py

An example is a comment with options, a fenced input, and what the script writes up to the closing comment:

    <!-- example {"keep_rate": 0.5} -->
    (a fenced text)
    (this script's part)
    <!-- end -->
"""

import json
import re
from pathlib import Path

from diffumask_core import CompressionResult, Compressor

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "README.md", ROOT / "docs" / "content.md")
EXAMPLE = re.compile(
    r"^<!-- example (?P<options>\{[^\n]*\}) -->\n\n(?P<fence>`{3,})(?P<info>\S*)\n(?P<text>.*?)\n(?P=fence)\n"
    r"(?P<written>.*?)^<!-- end -->$",
    re.MULTILINE | re.DOTALL,
)


def shown(result: CompressionResult, call: str, fence: str, info: str) -> str:
    """The part of an example that this script writes."""
    tokens = f"{result.original_tokens} tokens become {result.compressed_tokens}"
    return f"\n`compress(text, {call})`: {tokens}.\n\n{fence}{info}\n{result.text}\n{fence}\n"


def main() -> None:
    """Runs all examples."""
    compressor = Compressor.from_pretrained()

    def run(example: re.Match[str]) -> str:
        options = json.loads(example["options"])
        call = ", ".join(f"{name}={value!r}" for name, value in options.items()).replace("'", '"')
        written = shown(compressor.compress(example["text"], **options), call, example["fence"], example["info"])
        before = example[0][: example.start("written") - example.start()]
        return f"{before}{written}<!-- end -->"

    for page in PAGES:
        text, count = EXAMPLE.subn(run, page.read_text("utf-8"))
        page.write_text(text, "utf-8")
        print(f"{page.relative_to(ROOT)}: {count} examples")


if __name__ == "__main__":
    main()
