"""Runs the examples of docs/content.md with the bundled model and puts the outputs there, and some into README.md.

    python scripts/doc_examples.py

An example is a comment with options, a fenced input, and what the script writes up to the closing comment:

    <!-- example {"keep_rate": 0.5} -->
    (a fenced text)
    (this script's part)
    <!-- end -->

README.md shows the output of the first example under a heading between ``<!-- shown Heading -->`` and the same end.
"""

import json
import re
from pathlib import Path

from diffumask_core import CompressionResult, Compressor

ROOT = Path(__file__).parents[1]
PAGE, README = ROOT / "docs" / "content.md", ROOT / "README.md"
EXAMPLE = re.compile(
    r"^<!-- example (?P<options>\{[^\n]*\}) -->\n\n(?P<fence>`{3,})(?P<info>\S*)\n(?P<text>.*?)\n(?P=fence)\n"
    r"(?P<written>.*?)^<!-- end -->$",
    re.MULTILINE | re.DOTALL,
)
SHOWN = re.compile(r"^(<!-- shown (.*?) -->\n)(?:.*?)(^<!-- end -->)$", re.MULTILINE | re.DOTALL)


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

    text, count = EXAMPLE.subn(run, PAGE.read_text("utf-8"))
    PAGE.write_text(text, "utf-8")
    first = {
        heading: EXAMPLE.search(section) for heading, section in re.findall(r"^## (.*)\n((?:(?!## ).*\n)*)", text, re.M)
    }

    def show(place: re.Match[str]) -> str:
        example = first[place[2]]
        assert example, f"There is no example under {place[2]!r}."
        return f"{place[1]}{example['written']}{place[3]}"

    README.write_text(SHOWN.sub(show, README.read_text("utf-8")), "utf-8")
    print(f"{count} examples")


if __name__ == "__main__":
    main()
