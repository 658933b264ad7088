"""Pretrained folders: ``config.json``, ``model.safetensors``, ``tokenizer.json``, and ``onnx/`` for the CPU.

A folder may have ``lines.safetensors`` too, the line model.
"""

import json
from importlib.resources import files
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tokenizers import Tokenizer
from tokenizers.normalizers import Prepend, Replace, Strip
from tokenizers.normalizers import Sequence as Normalizers
from tokenizers.pre_tokenizers import ByteLevel, Metaspace, WhitespaceSplit
from tokenizers.pre_tokenizers import Sequence as PreTokenizers

from diffumask_core.errors import DiffuMaskError, InputError, ModelError
from diffumask_core.extras import needs_extra
from diffumask_core.lines.model import LINES_FILE, LineModel
from diffumask_core.model.cache import EncodingCache
from diffumask_core.model.network import Network
from diffumask_core.model.onnx_network import GRAPHS, OnnxNetwork
from diffumask_core.model.pruner import Pruner
from diffumask_core.model.settings import Settings
from diffumask_core.model.weights import WEIGHTS_FILE, save_weights

if TYPE_CHECKING:
    from diffumask_core.model.modeling import DiffuMaskModel

Runtime = Literal["onnx", "torch"]

_FILES = ("config.json", WEIGHTS_FILE, "tokenizer.json")
# What stands for a space in the vocabularies of SentencePiece.
_SPACE = "▁"
BUNDLED = Path(str(files("diffumask_core"))) / "assets" / "diffumask-small"


def load_pruner(
    model: str | PathLike[str] | None = None,
    device: str | None = None,
    runtime: Runtime | None = None,
    threads: int | None = None,
    cache: EncodingCache | None = None,
) -> Pruner:
    """Loads a pretrained folder.

    Args:
        model: A folder; None for the bundled one; a name that is no folder is looked up on the Hugging Face hub.
        device: Where torch is to run it, such as ``"cuda"``; the CPU by default.
        runtime: ``"onnx"`` for ONNX Runtime in 8-bit integers on the CPU, the default where the folder has the graphs
            for it and no device is named; else ``"torch"``, which needs the extra of that name.
        threads: How many threads compute at once on the CPU; by default one for each core.
        cache: Where what has been read is kept, if anywhere.

    Raises:
        InputError: A runtime that cannot run on the device.
        MissingExtraError: Its runtime is not installed.
        ModelError: There is no such model, or it is incomplete or of another version.
    """
    folder = find_folder(model)
    missing = [name for name in _FILES if not (folder / name).is_file()]
    if missing:
        raise ModelError(f"The model folder {folder} has no {', '.join(missing)}: a model is saved with {_FILES}.")
    try:
        settings = Settings.of(json.loads((folder / "config.json").read_text("utf-8")), folder)
        network = _network(folder, settings, device, runtime, threads)
        return Pruner(network, read_tokenizer(folder / "tokenizer.json"), cache, LineModel.load(folder))
    except DiffuMaskError:
        raise
    # The loaders raise what their parsers raise: for a reader of ours all of it means that the folder is broken.
    except Exception as error:
        raise ModelError(f"The model in {folder} cannot be read ({error}): save or download it again.") from error


def _network(
    folder: Path, settings: Settings, device: str | None, runtime: Runtime | None, threads: int | None
) -> Network:
    exported = all((folder / GRAPHS / f"{name}.onnx").is_file() for name in ("encoder", "denoiser"))
    if runtime is None:
        runtime = "onnx" if exported and device is None else "torch"
    if runtime == "onnx":
        if device not in (None, "cpu"):
            raise InputError(f'ONNX Runtime is used on the CPU only, not on {device!r}: pass runtime="torch".')
        if not exported:
            raise ModelError(
                f"The model folder {folder} has no graphs for ONNX Runtime in {GRAPHS}/: make them with "
                'diffumask_core.model.export.export_folder, or pass runtime="torch".'
            )
        return OnnxNetwork(folder, settings, threads)
    with needs_extra("torch", f"the model in {folder}"):
        from diffumask_core.model.torch_network import TorchNetwork

    return TorchNetwork.load(folder, device or "cpu", threads)


def save_folder(model: "DiffuMaskModel", tokenizer: Tokenizer, folder: Path) -> None:
    """Saves a model small: the encoders' matrices in 8 bits, everything else in 16.

    Any `DiffuMaskModel.save_pretrained` folder can be loaded too; this one is a quarter of its size. For ONNX Runtime
    it needs the graphs too: see `export.export_folder`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    model.config.save_pretrained(folder)
    save_weights(model.packed_weights(), folder / WEIGHTS_FILE)
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)


def read_tokenizer(path: Path) -> Tokenizer:
    """Reads a ``tokenizer.json``; windows are cut and padded elsewhere, so it does neither.

    Words are given with the space before them, so a tokenizer that tells words by these neither sets one before each
    text nor takes one away.
    """
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    splitters = _parts(tokenizer.pre_tokenizer, PreTokenizers)
    cleaners = _parts(tokenizer.normalizer, Normalizers)
    if any(isinstance(part, Metaspace | ByteLevel) for part in splitters) or any(map(_marks_spaces, cleaners)):
        splitters = [part for part in splitters if not isinstance(part, WhitespaceSplit)]
        for part in splitters:
            if isinstance(part, Metaspace):
                part.prepend_scheme = "never"
            elif isinstance(part, ByteLevel):
                part.add_prefix_space = False
        tokenizer.pre_tokenizer = PreTokenizers(splitters)
        tokenizer.normalizer = Normalizers([part for part in cleaners if not isinstance(part, Prepend | Strip)])
    return tokenizer


def _parts(whole: Any, sequence: type[Any]) -> list[Any]:
    """What a normalizer or a splitter does, one after the other; nothing where there is none."""
    if whole is None:
        return []
    return [inner for part in whole for inner in _parts(part, sequence)] if isinstance(whole, sequence) else [whole]


def _marks_spaces(normalizer: Any) -> bool:
    """Whether a normalizer puts a sign in the place of a space."""
    return isinstance(normalizer, Replace) and normalizer.content == _SPACE


def find_folder(model: str | PathLike[str] | None) -> Path:
    """The folder of a model; None is the bundled one, and a name that is no folder is looked up on the hub.

    Raises:
        ModelError: There is no such model.
    """
    if model is None:
        return BUNDLED
    folder = Path(model)
    if folder.is_dir():
        return folder
    # Slow to import, and needed for names alone.
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(str(model), allow_patterns=[*_FILES, LINES_FILE, f"{GRAPHS}/*"]))
    except (HFValidationError, HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise ModelError(
            f"There is no model {str(model)!r}: it is neither a folder here nor a model that the hub gives "
            f"({type(error).__name__}). Leave it out for the bundled model."
        ) from error
