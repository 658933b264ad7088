"""Pretrained folders: ``config.json``, ``model.safetensors`` and ``tokenizer.json``."""

from importlib.resources import files
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
from tokenizers import Tokenizer
from transformers import PreTrainedConfig
from transformers.utils import logging as transformers_logging

from diffumask_core.errors import ModelError
from diffumask_core.model.configuration import DiffuMaskConfig
from diffumask_core.model.modeling import DiffuMaskModel
from diffumask_core.model.pruner import Pruner

_FILES = ("config.json", "model.safetensors", "tokenizer.json")
BUNDLED = Path(str(files("diffumask_core"))) / "assets" / "diffumask-small"


def load_pruner(model: str | PathLike[str] | None = None, device: str = "cpu") -> Pruner:
    """Loads a pretrained folder.

    Args:
        model: A folder; None for the bundled one; a name that is no folder is looked up on the Hugging Face hub.
        device: Where to run it.

    Raises:
        ModelError: There is no such model, or it is incomplete or of another version.
    """
    folder = _find(model)
    missing = [name for name in _FILES if not (folder / name).is_file()]
    if missing:
        raise ModelError(f"The model folder {folder} has no {', '.join(missing)}: a model is saved with {_FILES}.")
    try:
        network = _load_network(folder)
        tokenizer = read_tokenizer(folder / "tokenizer.json")
    except ModelError:
        raise
    # The loaders raise what their parsers raise: for a reader of ours all of it means that the folder is broken.
    except Exception as error:
        raise ModelError(f"The model in {folder} cannot be read ({error}): save or download it again.") from error
    network.to(torch.device(device))  # type: ignore[arg-type]  # transformers wraps it without its types
    return Pruner(network.train(False), tokenizer)


def save_folder(model: DiffuMaskModel, tokenizer: Tokenizer, folder: Path) -> None:
    """Saves a model small: the encoders' matrices in 8-bit floating point, everything else in 16-bit.

    Any `DiffuMaskModel.save_pretrained` folder can be loaded too; this one is a quarter of its size.
    """
    encoders = ("encoder.", "relevance.")
    weights = {
        name: value.to(torch.float8_e4m3fn if name.startswith(encoders) and value.dim() > 1 else torch.float16)
        for name, value in model.state_dict().items()
    }
    model.save_pretrained(folder, state_dict=weights)
    tokenizer.save(str(folder / "tokenizer.json"))


def read_tokenizer(path: Path) -> Tokenizer:
    """Reads a ``tokenizer.json``; windows are cut and padded elsewhere, so it does neither."""
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _find(model: str | PathLike[str] | None) -> Path:
    if model is None:
        return BUNDLED
    folder = Path(model)
    if folder.is_dir():
        return folder
    try:
        return Path(snapshot_download(str(model), allow_patterns=list(_FILES)))
    except (HFValidationError, HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise ModelError(
            f"There is no model {str(model)!r}: it is neither a folder here nor a model that the hub gives "
            f"({type(error).__name__}). Leave it out for the bundled model."
        ) from error


def _load_network(folder: Path) -> DiffuMaskModel:
    settings, _ = PreTrainedConfig.get_config_dict(folder)
    if settings.get("model_type") != DiffuMaskConfig.model_type:
        raise ModelError(f"{folder} holds a model of type {settings.get('model_type')!r}, not a DiffuMask model.")
    if settings.get("format_version") != DiffuMaskConfig().format_version:
        raise ModelError(
            f"The model in {folder} is of format {settings.get('format_version')}, and this version of diffumask reads "
            f"format {DiffuMaskConfig().format_version}: train it again, or install the version that made it."
        )
    shows_progress = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    try:
        loaded: Any = DiffuMaskModel.from_pretrained(folder, dtype="float32", output_loading_info=True)
    finally:
        if shows_progress:
            transformers_logging.enable_progress_bar()
    network: DiffuMaskModel
    network, loading = loaded
    if loading["missing_keys"] or loading["mismatched_keys"]:
        wrong = sorted(map(str, [*loading["missing_keys"], *loading["mismatched_keys"]]))[:3]
        raise ModelError(f"The weights in {folder} do not fit its config.json ({', '.join(wrong)}, ...).")
    return network
