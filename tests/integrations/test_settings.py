"""The settings that all adapters share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from diffumask_core import Compressor, InputError, ModelError
from diffumask_integrations.langchain import (
    DiffuMaskCompressor,
    DiffuMaskDocumentCompressor,
    DiffuMaskExampleSelector,
    DiffuMaskMiddleware,
)
from diffumask_integrations.llama_index import DiffuMaskMemoryBlock, DiffuMaskNodePostprocessor
from diffumask_integrations.settings import CompressionSettings, load_compressor

Make = Callable[..., CompressionSettings]


@pytest.fixture
def make(compressor: Compressor) -> Make:
    return lambda **fields: CompressionSettings(compressor=compressor, **fields)


def test_half_stays_where_nothing_is_said(make: Make) -> None:
    options = make().options()
    assert options["keep_rate"] == 0.5
    assert options["target_tokens"] is None
    assert options["on_overflow"] == "best_effort"


@pytest.mark.parametrize(
    ("fields", "overrides", "keep_rate", "target_tokens"),
    [
        ({"target_tokens": 80}, {}, None, 80),
        ({"keep_rate": 0.3}, {"target_tokens": 80}, None, 80),
        ({"target_tokens": 80}, {"keep_rate": 0.3}, 0.3, None),
        ({"target_tokens": 80}, {"query": "Who?"}, None, 80),
        ({"target_tokens": 80}, {"keep_rate": None, "target_tokens": None}, 0.5, None),
        ({"keep_rate": 0.3}, {"target_tokens": None}, 0.3, None),
    ],
)
def test_a_single_call_may_have_another_budget(
    make: Make, fields: dict[str, Any], overrides: dict[str, Any], keep_rate: float | None, target_tokens: int | None
) -> None:
    options = make(**fields).options(**overrides)
    assert (options["keep_rate"], options["target_tokens"]) == (keep_rate, target_tokens)


def test_options_are_what_the_compressor_takes(make: Make, compressor: Compressor) -> None:
    settings = make(
        keep_rate=0.5,
        protect=["Ada"],
        protect_patterns=[r"\d+"],
        tokenizer=lambda text: len(text.split()),
        min_shots=0,
    )
    text = "Ada has 12 boats and a very long pier at the harbour. " + "The wind blew from the sea all night. " * 8
    result = compressor.compress(text, **settings.options())
    assert "Ada" in result.text
    assert "12" in result.text
    assert result.compressed_tokens <= result.budget < result.original_tokens


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"keep_rate": 1.5}, r"keep_rate=1\.5 is not a share"),
        ({"keep_rate": 0.5, "target_tokens": 80}, "keep_rate and target_tokens both"),
        ({"target_tokens": 0}, "target_tokens=0 is not possible"),
        ({"steps": 0}, "steps=0 is not possible"),
        ({"tokenizer": "no-such-model"}, "no-such-model"),
        ({"protect_patterns": ["("]}, "no regular expression"),
        ({"on_overflow": "ignore"}, "best_effort"),
        ({"grain": "lines"}, "words"),
        ({"marks": "some"}, "marks"),
        ({"keep_ratio": 0.5}, "There is no option 'keep_ratio': did you mean keep_rate"),
        ({"llm": "x"}, "There is no option 'llm': pass one of model, keep_rate, .*protect_patterns"),
    ],
)
def test_wrong_settings_are_seen_at_once(make: Make, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        make(**fields)


@pytest.mark.parametrize(
    "adapter",
    [
        DiffuMaskCompressor,
        DiffuMaskDocumentCompressor,
        DiffuMaskExampleSelector,
        DiffuMaskMiddleware,
        DiffuMaskMemoryBlock,
        DiffuMaskNodePostprocessor,
    ],
)
def test_every_adapter_says_which_option_was_meant(adapter: Callable[..., object]) -> None:
    for misspelt in ("keeprate", "keep_ratio"):
        with pytest.raises(ValidationError, match=f"There is no option '{misspelt}': did you mean keep_rate"):
            adapter(**{misspelt: 0.4})


def test_an_unknown_option_of_a_call(make: Make) -> None:
    with pytest.raises(InputError, match="no option 'stop'"):
        make().options(stop=["x"])


def test_a_model_may_be_a_path(model_folder: Path) -> None:
    assert CompressionSettings(model=model_folder).model == str(model_folder)  # type: ignore[arg-type]


def test_a_model_is_loaded_once_and_a_wrong_one_seen_at_once(model_folder: Path) -> None:
    first, second = (CompressionSettings(model=str(model_folder)) for _ in range(2))
    assert first.get_compressor() is second.get_compressor() is load_compressor(str(model_folder))
    assert first.model_copy().get_compressor() is first.get_compressor()
    with pytest.raises(ModelError, match="nowhere"):
        CompressionSettings(model="nowhere")


def test_dumps_are_plain_and_lead_back(model_folder: Path) -> None:
    settings = CompressionSettings(
        model=str(model_folder),
        target_tokens=80,
        protect=["Ada"],
        protect_patterns=[r"\d+"],
        grain="words",
        marks=False,
    )
    plain = settings.model_dump()
    assert "compressor" not in plain
    assert "compressor" not in repr(settings)
    again = CompressionSettings(**plain)
    assert again.options() == settings.options()
    assert (again.options()["grain"], again.options()["marks"]) == ("words", False)
    assert again.get_compressor() is settings.get_compressor()
