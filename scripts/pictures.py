"""Draws the pictures of results in docs/images, as a browser shows them. It needs Chromium.

    python scripts/pictures.py

The texts are the first example of a heading in docs/content.md, with its options there.
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from diffumask_core import Compressor

ROOT = Path(__file__).parents[1]
PICTURES = {"logs": 492}
"""The heading of each example, in small letters, and how high its picture is."""
_WIDTH = 960


def main() -> None:
    """Draws all pictures."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not browser:
        sys.exit("There is no Chromium on this machine: install it, and run this script again.")
    page = (ROOT / "docs" / "content.md").read_text("utf-8")
    compressor = Compressor.from_pretrained()
    for name, height in PICTURES.items():
        found = re.search(
            rf"^## {name.capitalize()}\n.*?<!-- example (\{{.*?\}}) -->\n\n```\w*\n(.*?)\n```", page, re.M | re.S
        )
        assert found, f"There is no example under {name!r}."
        result = compressor.compress(found[2], **json.loads(found[1]))
        # Seconds differ from run to run.
        shown = re.sub(r"<div><dt>Time</dt>.*?</div>", "", result.to_html())
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "result.html"
            file.write_text(f'<meta charset="utf-8"><body style="margin:12px">{shown}</body>', "utf-8")
            picture = ROOT / "docs" / "images" / f"{name}.png"
            options = ["--headless", "--no-sandbox", "--hide-scrollbars", f"--window-size={_WIDTH + 24},{height}"]
            command = [browser, *options, f"--screenshot={picture}", file.as_uri()]
            subprocess.run(command, check=True, capture_output=True)


if __name__ == "__main__":
    main()
