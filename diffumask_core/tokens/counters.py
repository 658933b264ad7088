"""Token counters: one interface over tiktoken, Hugging Face tokenizers and plain functions."""

import difflib
import os
import sys
import threading
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from diffumask_core.errors import TokenizerError, kind_of
from diffumask_core.tokens import offline

if TYPE_CHECKING:
    import tiktoken
    import tokenizers
    import transformers

_CACHED_LENGTH = 64
_CACHED_TEXTS = 100_000
_loading = threading.Lock()


class TokenCounter:
    """Counts the tokens of texts with one tokenizer.

    Attributes:
        name: The tokenizer's kind and name, such as ``tiktoken/o200k_base``; a result's ``counter``.
    """

    def __init__(self, name: str, count_all: Callable[[Sequence[str]], list[int]]) -> None:
        """Makes a counter.

        Args:
            name: The tokenizer's kind and name.
            count_all: Gives the number of tokens of each text, each on its own.
        """
        self.name = name
        self._count_all = count_all
        self._cache: dict[str, int] = {}

    def __repr__(self) -> str:
        return f"TokenCounter({self.name!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        # A pickled counter forgets its counts. A counter from a function can be pickled where the function can.
        return TokenCounter, (self.name, self._count_all)

    def count(self, text: str) -> int:
        """The number of tokens of a text, without the tokens that a model puts around it."""
        return self._count_all([text])[0]

    def count_each(self, texts: Sequence[str]) -> list[int]:
        """The number of tokens of each text on its own.

        Every distinct text is counted once, and short ones are remembered from call to call, so that the words of
        a long prompt cost little.
        """
        cache = self._cache
        new = [text for text in dict.fromkeys(texts) if text not in cache]
        counts = dict(zip(new, self._count_all(new), strict=True))
        each = [counts[text] if text in counts else cache[text] for text in texts]
        if len(cache) > _CACHED_TEXTS:
            # A new dictionary, not a cleared one: another thread may be reading the old one.
            self._cache = cache = {}
        cache.update((text, tokens) for text, tokens in counts.items() if len(text) <= _CACHED_LENGTH)
        return each


TokenizerLike: TypeAlias = (
    "str | os.PathLike[str] | Callable[[str], int] | tiktoken.Encoding | tokenizers.Tokenizer"
    " | transformers.PreTrainedTokenizerBase | TokenCounter"
)


def get_counter(tokenizer: "TokenizerLike" = "gpt-4o") -> TokenCounter:
    """Makes a token counter; never touches the network.

    Args:
        tokenizer: One of

            * a name that tiktoken knows, of a model (``"gpt-4o"``) or an encoding (``"o200k_base"``). The vocabularies
              of o200k_base and cl100k_base come with the package; others must be in tiktoken's cache already;
            * a folder with a Hugging Face ``tokenizer.json``, or the path of such a file;
            * a Hugging Face tokenizer, a ``tokenizers.Tokenizer`` or a ``tiktoken.Encoding``;
            * a function from a text to its number of tokens;
            * a `TokenCounter`, which is given back as it is.

    Raises:
        TokenizerError: The tokenizer is not known, its vocabulary is not on this machine, or its file cannot be read.
            A counter made from a function raises it when the function gives something else than a number of tokens.
    """
    if isinstance(tokenizer, TokenCounter):
        return tokenizer
    if isinstance(tokenizer, str | os.PathLike):
        return _named(os.fspath(tokenizer))

    import tiktoken
    import tokenizers

    if isinstance(tokenizer, tiktoken.Encoding):
        return TokenCounter(f"tiktoken/{tokenizer.name}", partial(_each_by_tiktoken, tokenizer))
    if isinstance(tokenizer, tokenizers.Tokenizer):
        return _from_tokenizers(tokenizer, type(tokenizer.model).__name__)
    # Only a program that has imported transformers can hold one of its tokenizers.
    hugging_face = sys.modules.get("transformers.tokenization_utils_base")
    if hugging_face and isinstance(tokenizer, hugging_face.PreTrainedTokenizerBase):
        return _from_transformers(tokenizer)
    if callable(tokenizer):
        return _from_function(tokenizer)
    raise TokenizerError(
        f"This is {kind_of(tokenizer)}, which cannot count tokens: pass a model's name, a folder with a "
        "tokenizer.json, a tokenizer, or a function from a text to its number of tokens."
    )


def _named(name: str) -> TokenCounter:
    encoding = offline.encoding_name(name)
    if encoding:
        # One thread loads a vocabulary, and the others wait for it.
        with _loading:
            return _tiktoken_counter(encoding)
    if os.path.exists(name):
        file = os.path.join(name, "tokenizer.json") if os.path.isdir(name) else name
        if not os.path.isfile(file):
            raise TokenizerError(
                f"The folder {name!r} has no tokenizer.json: write one with save_pretrained of a fast Hugging Face "
                "tokenizer, or pass the tokenizer itself."
            )
        return _file_counter(os.path.abspath(file), os.stat(file).st_mtime_ns)
    raise TokenizerError(_unknown(name))


@lru_cache
def _tiktoken_counter(encoding: str) -> TokenCounter:
    offline.load_encoding(encoding)
    return TokenCounter(f"tiktoken/{encoding}", partial(_each_by_encoding, encoding))


@lru_cache(maxsize=8)
def _file_counter(path: str, mtime_ns: int) -> TokenCounter:
    """A counter from a ``tokenizer.json``; `mtime_ns` makes a changed file a new counter."""
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(path)
    except Exception as error:  # tokenizers raises bare Exceptions
        raise TokenizerError(f"{path} is not a Hugging Face tokenizer.json: {error}") from error
    file = Path(path)
    return _from_tokenizers(tokenizer, file.parent.name if file.name == "tokenizer.json" else file.stem)


# What counts is a function of a module with its arguments bound, never a closure: so a counter can be pickled.


def _each_by_encoding(name: str, texts: Sequence[str]) -> list[int]:
    """Counts by an encoding's name, so that a pickled counter does not carry the vocabulary along."""
    return _each_by_tiktoken(offline.load_encoding(name), texts)


def _each_by_tiktoken(encoding: "tiktoken.Encoding", texts: Sequence[str]) -> list[int]:
    return [sum(len(encoding.encode_ordinary(part)) for part in offline.digestible(text)) for text in texts]


def _from_tokenizers(tokenizer: "tokenizers.Tokenizer", name: str) -> TokenCounter:
    if tokenizer.truncation or tokenizer.padding:
        tokenizer = type(tokenizer).from_str(tokenizer.to_str())
        tokenizer.no_truncation()
        tokenizer.no_padding()
    return TokenCounter(f"huggingface/{name}", partial(_each_by_tokenizers, tokenizer))


def _each_by_tokenizers(tokenizer: "tokenizers.Tokenizer", texts: Sequence[str]) -> list[int]:
    return [len(tokenizer.encode(encodable(text), add_special_tokens=False).ids) for text in texts]


def _from_transformers(tokenizer: "transformers.PreTrainedTokenizerBase") -> TokenCounter:
    name = tokenizer.name_or_path or type(tokenizer).__name__
    shown = Path(name).name if os.path.isdir(name) else name
    return TokenCounter(f"huggingface/{shown}", partial(_each_by_transformers, tokenizer))


def _each_by_transformers(tokenizer: "transformers.PreTrainedTokenizerBase", texts: Sequence[str]) -> list[int]:
    if not texts:
        return []
    # The call, not the backend behind it: the backend keeps the truncation of whoever called it last.
    ids = tokenizer(
        [encodable(text) for text in texts],
        add_special_tokens=False,
        padding=False,
        truncation=False,
        return_attention_mask=False,
        return_token_type_ids=False,
        verbose=False,
    )["input_ids"]
    return [len(row) for row in ids]


def _from_function(function: Callable[[str], Any]) -> TokenCounter:
    name = getattr(function, "__name__", type(function).__name__)
    return TokenCounter(f"callable/{name}", partial(_each_by_function, function, name))


def _each_by_function(function: Callable[[str], Any], name: str, texts: Sequence[str]) -> list[int]:
    counts = []
    for text in texts:
        tokens = function(encodable(text))
        if isinstance(tokens, bool) or not hasattr(tokens, "__index__") or tokens < 0:
            shown = repr(tokens)
            raise TokenizerError(
                f"The tokenizer function {name} gave {shown[:80]}{'...' if len(shown) > 80 else ''}, which is not a "
                "number of tokens: pass a function that gives a non-negative int, such as "
                "lambda text: len(tokenize(text))."
            )
        counts.append(int(tokens))
    return counts


def encodable(text: str) -> str:
    """The text with lone surrogates, which UTF-8 cannot hold, replaced as tiktoken replaces them."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


# Model families with tokenizers of their own: only behind an API, or in a file next to open weights.
_REMOTE = ("gemini", "claude")
_OPEN = ("llama", "mistral", "mixtral", "qwen", "deepseek", "gemma", "phi-", "command-r", "grok", "yi-", "falcon")


def _unknown(name: str) -> str:
    lower = name.lower()
    for family in (*_REMOTE, *_OPEN):
        if family in lower:
            exact = (
                "a function that asks the provider's token-counting API"
                if family in _REMOTE
                else "a folder with the model's tokenizer.json, or its Hugging Face tokenizer"
            )
            return (
                f"The tokenizer of {name!r} is not available offline. Pass {exact}; or an encoding as an approximation "
                '(tokenizer="o200k_base").'
            )
    known = offline.known_names()
    close = difflib.get_close_matches(lower.rsplit("/", 1)[-1], known, n=3)
    hint = f" Did you mean {' or '.join(map(repr, close))}?" if close else ""
    return (
        f"No tokenizer is known as {name!r}, and no such file or folder exists.{hint} What works: a model name that "
        f"tiktoken knows ('gpt-4o', 'gpt-4'), an encoding ({', '.join(map(repr, offline.encoding_names()))}), a folder "
        "with a Hugging Face tokenizer.json, a tokenizer, or a function from a text to its number of tokens."
    )
