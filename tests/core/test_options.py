import json
from dataclasses import fields
from fractions import Fraction
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from typer.main import get_command

from diffumask_core import Compressor, InputError
from diffumask_core.cli import Grain, Overflow, app
from diffumask_core.corpus import RowCompressor
from diffumask_core.options import CompressionOptions, Options, described
from diffumask_integrations.settings import CompressionSettings, SettingsOptions

TEXT = "Q: How many apples did Anna sell on Monday?\nA: She sold five and seven. The answer is 12.\n\n" * 3


@pytest.mark.parametrize("number", [80, np.int64(80), np.int32(80), np.uint8(80)])
def test_whole_numbers_of_numpy_become_plain_ones(number: Any) -> None:
    options = Options(target_tokens=number, steps=number, min_shots=number)
    for value in (options.target_tokens, options.steps, options.min_shots):
        assert type(value) is int
        assert value == 80


@pytest.mark.parametrize("number", [0.5, np.float64(0.5), np.float32(0.5), np.float16(0.5), Fraction(1, 2)])
def test_other_real_numbers_become_plain_ones(number: Any) -> None:
    assert type(Options(keep_rate=number).keep_rate) is float
    assert Options(keep_rate=number).keep_rate == 0.5


@pytest.mark.parametrize(
    "given",
    [
        {"target_tokens": np.int64(0)},
        {"target_tokens": np.float64(80)},
        {"target_tokens": np.bool_(True)},
        {"keep_rate": np.float32("nan")},
        {"keep_rate": np.float64(1.5)},
        {"keep_rate": np.bool_(True)},
        {"keep_rate": 0.5, "steps": np.int64(0)},
        {"keep_rate": 0.5, "min_shots": np.int64(-1)},
    ],
)
def test_impossible_numbers_of_numpy_are_told(given: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"is not (a share|possible)"):
        Options(**given)


@pytest.mark.parametrize(
    ("name", "told"),
    [("kep_rate", "did you mean keep_rate"), ("target", "target_tokens"), ("zzz", "pass one of keep_rate")],
)
def test_an_unknown_option_is_told_with_the_nearest_one(compressor: Compressor, name: str, told: str) -> None:
    with pytest.raises(InputError, match=f"There is no option '{name}': .*{told}"):
        compressor.compress(TEXT, **{name: 0.4})  # type: ignore[misc]
    with pytest.raises(InputError, match=told):
        compressor.conversation(**{name: 0.4})  # type: ignore[misc]


def test_of_two_budgets_one_is_too_many() -> None:
    with pytest.raises(InputError, match="Of keep_rate and target_tokens both were given"):
        Options(keep_rate=0.5, target_tokens=80)


def test_marks_are_there_or_not_or_named() -> None:
    assert Options(keep_rate=0.5, marks="named").marks == "named"
    with pytest.raises(InputError, match="marks='numbered' is unknown"):
        Options(keep_rate=0.5, marks="numbered")  # type: ignore[arg-type]


def test_a_result_of_a_numpy_budget_is_ready_for_json(compressor: Compressor) -> None:
    result = compressor.compress(TEXT, target_tokens=np.int64(40), tokenizer=len, on_overflow="best_effort")
    again = result.at(target_tokens=np.int64(60))
    assert json.loads(json.dumps(result.to_dict()))["budget"] == 40
    assert json.loads(json.dumps(again.to_dict()))["budget"] == 60
    json.dumps(compressor.compress(TEXT, keep_rate=np.float32(0.5), tokenizer=len).to_dict())


# Options are written once, in `Options`; all else that has them is checked against it.

DEFAULTS = {field.name: field.default for field in fields(Options)}
# An adapter of a production chain must not fail on a long question, and has a rate of its own where none is given; its
# regular expressions are strings, since settings are plain data.
ADAPTERS_DIFFER = {"on_overflow": "best_effort", "protect": []}
ADAPTERS_ADD = {"model", "protect_patterns", "compressor"}
# Passages and messages are given their query by what asks for them.
ADAPTERS_LACK = {"query"}
# On the command line an option that is given several times is a list, or nothing.
# The rule for what is too long is another one in conversations.
COMMAND_LINE_DIFFERS = {"protect": None, "on_overflow": None}


def test_the_keyword_arguments_are_the_options() -> None:
    assert list(CompressionOptions.__annotations__) == list(DEFAULTS)


def test_the_adapters_know_all_options_with_the_same_defaults() -> None:
    known = {name: field.get_default(call_default_factory=True) for name, field in settings_fields().items()}
    assert known.keys() - ADAPTERS_ADD == DEFAULTS.keys() - ADAPTERS_LACK
    expected = {**DEFAULTS, **ADAPTERS_DIFFER}
    assert {name: value for name, value in known.items() if name not in ADAPTERS_ADD} == {
        name: value for name, value in expected.items() if name not in ADAPTERS_LACK
    }


def test_the_keyword_arguments_of_adapters_are_their_settings() -> None:
    assert list(SettingsOptions.__annotations__) == list(settings_fields())


def test_the_adapters_keep_half_where_nothing_is_said(compressor: Compressor) -> None:
    options = CompressionSettings(compressor=compressor).options()
    assert (options["keep_rate"], options["target_tokens"]) == (0.5, None)


def settings_fields() -> dict[str, Any]:
    return dict(CompressionSettings.model_fields)


def test_the_command_line_knows_all_options_with_the_same_defaults() -> None:
    parameters = {parameter.name: parameter for parameter in get_command(app).commands["compress"].params}
    assert parameters.keys() >= DEFAULTS.keys()
    expected = {**DEFAULTS, **COMMAND_LINE_DIFFERS}
    for name, default in expected.items():
        assert getattr(parameters[name].default, "value", parameters[name].default) == default, name
        assert parameters[name].opts[0] == f"--{name.replace('_', '-')}"
    for name, choices in (("grain", Grain), ("on_overflow", Overflow)):
        assert [choice.value for choice in choices] == list(get_args(CompressionOptions.__annotations__[name]))


@pytest.mark.parametrize("name", DEFAULTS)
def test_a_row_of_a_corpus_is_compressed_with_any_option(model_folder: Path, name: str) -> None:
    given: dict[str, Any] = {"keep_rate": 0.5, "tokenizer": str(model_folder), **OTHER_VALUES.get(name, {})}
    row = RowCompressor(model=model_folder, **given)({"text": TEXT})
    assert 0 < row["compressed_tokens"] <= row["budget"]


def test_a_corpus_knows_no_other_options(model_folder: Path) -> None:
    with pytest.raises(InputError, match="did you mean keep_rate"):
        RowCompressor(model=model_folder, keep_ratio=0.5)  # type: ignore[call-arg]


OTHER_VALUES: dict[str, dict[str, Any]] = {
    "target_tokens": {"keep_rate": None, "target_tokens": 200},
    "query": {"query": "Which day?"},
    "protect": {"protect": ["Anna"]},
    "steps": {"steps": 2},
    "min_shots": {"min_shots": 1},
    "compress_instructions": {"compress_instructions": True},
    "compress_query": {"compress_query": True},
    "compress_rationales": {"compress_rationales": True},
    "shot_level": {"shot_level": False},
    "token_level": {"token_level": False},
    "grain": {"grain": "words"},
    "marks": {"marks": "named"},
    "on_overflow": {"on_overflow": "best_effort"},
}


@pytest.mark.parametrize("name", DEFAULTS)
def test_each_option_is_described_once(name: str) -> None:
    text = described(name)
    assert text.endswith((".", ")"))
    assert len(text) > 20
    assert "  " not in text
    assert "\n" not in text
    assert f"{name}:" not in text


def test_the_adapters_and_the_command_line_say_the_same_of_an_option() -> None:
    parameters = {parameter.name: parameter for parameter in get_command(app).commands["compress"].params}
    for name in DEFAULTS.keys() - {"protect", "tokenizer", "steps"}:
        assert parameters[name].help == described(name)
        assert name in ADAPTERS_LACK or str(settings_fields()[name].description).startswith(described(name))


def test_an_unknown_option_has_no_text() -> None:
    with pytest.raises(KeyError, match="keep_ratio"):
        described("keep_ratio")
