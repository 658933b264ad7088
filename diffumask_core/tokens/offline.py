"""tiktoken's encodings without a download.

tiktoken downloads a vocabulary when it first needs it. This module runs tiktoken's definitions (patterns, special
tokens, the addresses and hashes of the vocabularies) with a reader of its own. The reader takes o200k_base and
cl100k_base from the package, and other vocabularies from tiktoken's cache on this machine.
"""

import binascii
import hashlib
import importlib.util
import os
import re
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from diffumask_core.errors import TokenizerError
from diffumask_core.tokens.bundled import bundled_ranks

if TYPE_CHECKING:
    from tiktoken import Encoding


def encoding_name(name: str) -> str | None:
    """The encoding that a model's or an encoding's name stands for; None if tiktoken does not know it."""
    from tiktoken.model import encoding_name_for_model

    if name in encoding_names():
        return name
    try:
        return encoding_name_for_model(name)
    except KeyError:
        return None


def encoding_names() -> list[str]:
    """The encodings that tiktoken defines."""
    return list(_definitions().ENCODING_CONSTRUCTORS)


def known_names() -> list[str]:
    """The names of models and encodings that tiktoken knows."""
    from tiktoken.model import MODEL_TO_ENCODING

    return [*MODEL_TO_ENCODING, *encoding_names()]


@cache
def load_encoding(name: str) -> "Encoding":
    """Builds an encoding from a vocabulary of the package or of this machine, once.

    Raises:
        TokenizerError: There is no copy of its vocabulary, or none with the right hash.
    """
    from tiktoken import Encoding

    return Encoding(**_definitions().ENCODING_CONSTRUCTORS[name]())


# A run of white space of about 700,000 characters overflows the stack of tiktoken's regular expressions, and the
# Rust panic that follows is no Exception that a caller would catch.
_LONGEST_BLANK = 200_000
_BLANK = re.compile(r"\s+")


def digestible(text: str) -> Iterator[str]:
    """The text in parts that tiktoken can encode: the whole of it, unless it has an enormous run of white space."""
    start = 0
    if len(text) > _LONGEST_BLANK:
        for blank in _BLANK.finditer(text):
            for cut in range(blank.start() + _LONGEST_BLANK, blank.end(), _LONGEST_BLANK):
                yield text[start:cut]
                start = cut
    yield text[start:]


@cache
def _definitions() -> ModuleType:
    """A private copy of tiktoken's definitions, whose vocabularies are read from this machine alone."""
    spec = importlib.util.find_spec("tiktoken_ext.openai_public")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.__dict__["load_tiktoken_bpe"] = _read_ranks
    # GPT-2's encoding equals r50k_base, but for the format of its files.
    module.ENCODING_CONSTRUCTORS["gpt2"] = module.ENCODING_CONSTRUCTORS["r50k_base"]
    return module


def _read_ranks(url: str, expected_hash: str) -> dict[bytes, int]:
    """Takes the place of tiktoken's `load_tiktoken_bpe`."""
    bundled = bundled_ranks(expected_hash)
    if bundled is not None:
        return bundled
    file_name = hashlib.sha1(url.encode()).hexdigest()
    for folder in _cache_folders():
        try:
            data = (folder / file_name).read_bytes()
        except OSError:
            continue
        if hashlib.sha256(data).hexdigest() == expected_hash:
            # In bulk: a vocabulary has 50,000 lines, and the first call waits for them.
            fields = data.split()
            return dict(zip(map(binascii.a2b_base64, fields[::2]), map(int, fields[1::2]), strict=True))
    raise TokenizerError(
        f"The vocabulary at {url} is neither part of this package nor on this machine: save it as {file_name} in a "
        "folder and name the folder in TIKTOKEN_CACHE_DIR; or pass another encoding as an approximation, such as "
        'tokenizer="cl100k_base", or a function that counts tokens.'
    )


def _cache_folders() -> Iterator[Path]:
    """Where tiktoken keeps the vocabularies that it has downloaded."""
    for variable in ("TIKTOKEN_CACHE_DIR", "DATA_GYM_CACHE_DIR"):
        if os.environ.get(variable):
            yield Path(os.environ[variable])
    yield Path(tempfile.gettempdir()) / "data-gym-cache"
