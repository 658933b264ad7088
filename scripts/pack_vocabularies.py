"""Packs tiktoken's vocabularies for the package.

    python scripts/pack_vocabularies.py FOLDER

FOLDER has tiktoken's own files under the names of its cache, such as the cache that tiktoken fills or the copies in
``llama_index/core/_static/tiktoken_cache``. Each packed file is read again: the original file must come out of it,
byte for byte. The hashes that are printed belong into ``diffumask_core/tokens/bundled.py``.
"""

import argparse
import hashlib
import zlib
from base64 import b64decode, b64encode
from pathlib import Path

import tiktoken_ext.openai_public as definitions

OUT = Path(__file__).parent.parent / "diffumask_core" / "assets" / "vocabularies"
ENCODINGS = ("o200k_base", "cl100k_base")


def main() -> None:
    """Packs both vocabularies."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    OUT.mkdir(exist_ok=True)
    for name in ENCODINGS:
        url, original_hash = address_of(name)
        original = (folder / hashlib.sha1(url.encode()).hexdigest()).read_bytes()
        content = content_of(original)
        packed = zlib.compress(content, 9)
        if hashlib.sha256(original_of(zlib.decompress(packed))).hexdigest() != original_hash:
            raise SystemExit(f"{name}: tiktoken's own file does not come out of the packed one.")
        (OUT / f"{name}.bin").write_bytes(packed)
        print(f"{name}: {len(original):,} -> {len(packed):,} bytes, content {hashlib.sha256(content).hexdigest()}")


def address_of(name: str) -> tuple[str, str]:
    """Where tiktoken has a vocabulary from, and the SHA-256 that it expects."""
    found: list[tuple[str, str]] = []

    def note(url: str, expected_hash: str) -> dict[bytes, int]:
        found.append((url, expected_hash))
        return {}

    definitions.__dict__["load_tiktoken_bpe"] = note
    definitions.ENCODING_CONSTRUCTORS[name]()
    return found[0]


def content_of(original: bytes) -> bytes:
    """What is packed of a file whose lines are a token in base64 and its rank."""
    ranks = {int(rank): b64decode(token) for token, rank in (line.split() for line in original.splitlines())}
    tokens = [ranks[rank] for rank in range(len(ranks))]
    return bytes(map(len, tokens)) + b"\0" + b"".join(tokens)


def original_of(content: bytes) -> bytes:
    """The file again."""
    lengths, _, tokens = content.partition(b"\0")
    lines, start = [], 0
    for rank, length in enumerate(lengths):
        lines.append(b"%s %d\n" % (b64encode(tokens[start : start + length]), rank))
        start += length
    return b"".join(lines)


if __name__ == "__main__":
    main()
