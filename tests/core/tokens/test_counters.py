import pickle
import threading
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
import tiktoken
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from diffumask_core.errors import TokenizerError
from diffumask_core.tokens import TokenCounter, get_counter


@pytest.fixture
def words() -> Tokenizer:
    """One token a word, and two around each text when special tokens are asked for."""
    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "hello": 3}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    return tokenizer


def test_hugging_face_tokenizers_count_without_special_tokens(words: Tokenizer, tmp_path: Path) -> None:
    fast = PreTrainedTokenizerFast(tokenizer_object=words, unk_token="[UNK]", name_or_path="org/model")
    words.save(str(tmp_path / "tokenizer.json"))
    counters = {
        "huggingface/WordLevel": get_counter(words),
        "huggingface/org/model": get_counter(fast),
        f"huggingface/{tmp_path.name}": get_counter(str(tmp_path)),
    }
    for name, counter in counters.items():
        assert counter.name == name
        assert counter.count("hello there world") == 3
        assert counter.count("") == 0
        assert counter.count("lone \ud800 surrogate") == 3
        assert counter.count_each(["hello", "", "a b", "hello"]) == [1, 0, 2, 1]
        assert counter.count_each([]) == []
    assert get_counter(tmp_path / "tokenizer.json").name == get_counter(tmp_path).name


def test_truncation_and_padding_do_not_count(words: Tokenizer, tmp_path: Path) -> None:
    words.enable_truncation(2)
    words.enable_padding(length=8)
    words.save(str(tmp_path / "tokenizer.json"))
    assert get_counter(words).count("a b c d") == 4
    assert get_counter(tmp_path).count("a b c d") == 4
    assert words.truncation, "the user's tokenizer was changed"


def test_a_hugging_face_tokenizer_may_truncate_for_others_meanwhile(words: Tokenizer) -> None:
    fast = PreTrainedTokenizerFast(tokenizer_object=words, unk_token="[UNK]")
    counter = get_counter(fast)
    fast("a b c d e f", truncation=True, max_length=3)
    assert counter.count("a b c d e f") == 6


def test_a_changed_file_is_read_again(words: Tokenizer, tmp_path: Path) -> None:
    file = tmp_path / "letters.json"
    words.save(str(file))
    assert get_counter(file).count("hello") == 1
    words.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    words.normalizer = normalizers.Replace("hello", "h e l l o")
    words.save(str(file))
    counter = get_counter(file)
    assert counter.name == "huggingface/letters"
    assert counter.count("hello") > 1


def test_a_folder_without_tokenizer_and_a_broken_file_say_so(tmp_path: Path) -> None:
    with pytest.raises(TokenizerError, match=r"no tokenizer\.json.*save_pretrained"):
        get_counter(tmp_path)
    (tmp_path / "tokenizer.json").write_text('{"version": "1.0", "trunc')
    with pytest.raises(TokenizerError, match=r"is not a Hugging Face tokenizer\.json"):
        get_counter(tmp_path)


@pytest.fixture
def letters() -> tiktoken.Encoding:
    return tiktoken.Encoding(
        name="letters",
        pat_str=r"\S+|\s+",
        mergeable_ranks={bytes([byte]): byte for byte in range(256)} | {b"ab": 256},
        special_tokens={"<|endoftext|>": 257},
    )


def test_a_tiktoken_encoding_counts_special_tokens_as_text(letters: tiktoken.Encoding) -> None:
    counter = get_counter(letters)
    assert counter.name == "tiktoken/letters"
    assert counter.count("ab a") == 3
    assert counter.count("<|endoftext|>") == len("<|endoftext|>")
    assert counter.count("\ud800") == 3


def test_long_runs_of_white_space_do_not_overflow_tiktoken() -> None:
    # The part of o200k_base's pattern whose stack grows with the run.
    encoding = tiktoken.Encoding(
        name="blank",
        pat_str=r"\S+|\s*[\r\n]+|\s+(?!\S)|\s+",
        mergeable_ranks={bytes([byte]): byte for byte in range(256)},
        special_tokens={},
    )
    text = "a" + " " * 1_000_000 + "b"
    assert get_counter(encoding).count(text) == len(text)


def test_a_function() -> None:
    def my_len(text: str) -> int:
        return len(text)

    counter = get_counter(my_len)
    assert counter.name == "callable/my_len"
    assert counter.count("abc") == 3
    assert counter.count_each(["a", "bb"]) == [1, 2]
    assert get_counter(partial(my_len)).name == "callable/partial"


@pytest.mark.parametrize("value", [-1, 2.0, None, True, [1, 2], "3"])
def test_a_function_that_gives_no_number_of_tokens(value: Any) -> None:
    def bad(text: str) -> Any:
        return value

    with pytest.raises(TokenizerError) as error:
        get_counter(bad).count("text")
    assert "bad" in str(error.value)
    assert repr(value) in str(error.value)


def test_what_cannot_count() -> None:
    with pytest.raises(TokenizerError, match="This is a NoneType, which cannot count tokens"):
        get_counter(None)  # type: ignore[arg-type]


def test_a_counter_is_given_back() -> None:
    counter = TokenCounter("mine", lambda texts: [1 for _ in texts])
    assert get_counter(counter) is counter


def test_repeated_texts_are_counted_once() -> None:
    calls: list[str] = []

    def spy(text: str) -> int:
        calls.append(text)
        return len(text)

    counter = get_counter(spy)
    long = "x" * 1000
    assert counter.count_each(["a", "b", "a", long, long]) == [1, 1, 1, 1000, 1000]
    assert counter.count_each(["b", long]) == [1, 1000]
    assert calls == ["a", "b", long, long]


def test_threads_may_share_a_counter() -> None:
    counter = get_counter(len)
    wrong: list[int] = []

    def work(seed: int) -> None:
        texts = [str(number) for number in range(seed, seed + 70_000)]
        if counter.count_each(texts) != [len(text) for text in texts]:
            wrong.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in (0, 60_000, 120_000, 0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("gpt4o", "'gpt-4o'"),
        ("openai/gpt-4o", "'gpt-4o'"),
        ("o200k", "'o200k_base'"),
        ("no-such-tokenizer", "tokenizer.json"),
        ("gemini-2.5-pro", "token-counting API"),
        ("anthropic/claude-sonnet-4", "token-counting API"),
        ("meta-llama/Llama-3.1-8B", "tokenizer.json"),
        ("llama-3", "o200k_base"),
    ],
)
def test_unknown_names_say_what_works(name: str, hint: str) -> None:
    with pytest.raises(TokenizerError) as error:
        get_counter(name)
    assert name in str(error.value)
    assert hint in str(error.value)


# Pickling.


def there_and_back(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))


def letters_of(text: str) -> int:
    """A function that pickles: it stands at the top of a module."""
    return len(text)


def test_a_pickled_counter_counts_the_same(words: Tokenizer, letters: tiktoken.Encoding, tmp_path: Path) -> None:
    words.save(str(tmp_path / "tokenizer.json"))
    fast = PreTrainedTokenizerFast(tokenizer_object=words, unk_token="[UNK]", name_or_path="org/model")
    text = "hello there, ab \ud83d world"
    for tokenizer in ("gpt-4o", "cl100k_base", letters, words, fast, tmp_path, letters_of, partial(letters_of)):
        counter = get_counter(tokenizer)
        counter.count_each([text])
        again = there_and_back(counter)
        assert again.name == counter.name
        assert again.count(text) == counter.count(text)
        assert again.count_each(["hello", text]) == counter.count_each(["hello", text])


def test_a_pickle_holds_no_vocabulary_of_the_package() -> None:
    counter = get_counter("gpt-4o")
    counter.count_each(list("abcdefghij"))
    assert len(pickle.dumps(counter)) < 300


def test_a_counter_from_a_lambda_does_not_pickle_and_says_so() -> None:
    with pytest.raises((pickle.PicklingError, AttributeError), match="lambda"):
        pickle.dumps(get_counter(lambda text: len(text)))


def test_a_pickled_counter_counts_the_same_in_another_process() -> None:
    counters = [get_counter(tokenizer) for tokenizer in ("gpt-4o", "gpt-4", letters_of)]
    text = "In another process, 2026-11-28: ✓ \ud83d"
    with get_context("spawn").Pool(1) as pool:
        there = pool.starmap(TokenCounter.count, [(counter, text) for counter in counters])
    assert there == [counter.count(text) for counter in counters]


def test_lone_surrogates_reach_no_tokenizer(words: Tokenizer) -> None:
    counter = get_counter(lambda text: len(words.encode(text).ids))
    assert counter.count("\ud800 b") == 4
