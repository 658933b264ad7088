"""The two vocabularies that come with the package: the tokens of o200k_base and cl100k_base, packed small.

A packed file is a zlib stream of three parts: the length of each token as one byte, in the order of the ranks; a zero
byte; the tokens one after the other. ``scripts/pack_vocabularies.py`` makes the files. zlib and not LZMA: the two
files are 1.4 MB in place of 1.2 MB, and the first call of a process waits half as long.
"""

import hashlib
import zlib
from importlib import resources
from itertools import accumulate, pairwise

from diffumask_core.errors import TokenizerError

FOLDER = resources.files("diffumask_core") / "assets" / "vocabularies"

# SHA-256 of tiktoken's own file, as its definitions name it -> the packed file, SHA-256 of its unpacked content.
_FILES = {
    "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d": (
        "o200k_base.bin",
        "4ac8cc5794dfb635720f059d45ea08a8d5cf68e3665bc94c51febc54b3b7c01a",
    ),
    "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7": (
        "cl100k_base.bin",
        "c7e7106fd92b40e97081e469b7da33921c15ab3600c2e99c62fd9aa455b3af98",
    ),
}


def bundled_ranks(original_hash: str) -> dict[bytes, int] | None:
    """The tokens of a bundled vocabulary with their ranks; None for a vocabulary that is not bundled.

    Args:
        original_hash: The SHA-256 that tiktoken expects of its own file.

    Raises:
        TokenizerError: The packed file is missing or damaged.
    """
    if original_hash not in _FILES:
        return None
    name, content_hash = _FILES[original_hash]
    try:
        content = zlib.decompress((FOLDER / name).read_bytes())
    except (OSError, zlib.error) as error:
        raise _incomplete(name) from error
    if hashlib.sha256(content).hexdigest() != content_hash:
        raise _incomplete(name)
    # No token is empty, so the first zero byte ends the lengths.
    lengths, _, tokens = content.partition(b"\0")
    bounds = pairwise(accumulate(lengths, initial=0))
    return {tokens[start:end]: rank for rank, (start, end) in enumerate(bounds)}


def _incomplete(name: str) -> TokenizerError:
    return TokenizerError(
        f"The vocabulary {name} of this package is missing or damaged: reinstall diffumask, or pass a tokenizer or a "
        "function that counts tokens."
    )
