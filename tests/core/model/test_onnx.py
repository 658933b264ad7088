"""The two runtimes: ONNX Runtime in 8-bit integers, and torch."""

import shutil
import subprocess
import sys
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny import distilbert, roberta, tiny_encoder, tiny_model
from tokenizers import Tokenizer
from torch import no_grad

from diffumask_core import Compressor, InputError, ModelError
from diffumask_core.diffusion.states import DROP, KEEP, UNDECIDED
from diffumask_core.model import onnx_network
from diffumask_core.model.export import export_folder
from diffumask_core.model.inputs import Window as Span
from diffumask_core.model.inputs import WindowBatch, batch_windows, describe_units
from diffumask_core.model.onnx_network import FloatArray, OnnxNetwork
from diffumask_core.model.pretrained import load_pruner, save_folder
from diffumask_core.model.pruner import Pruner
from diffumask_core.model.torch_network import TorchNetwork
from diffumask_core.units.words import split_words

TEXTS = [
    "the owner of the shop, who had been away, sold 12 boxes of apples for $3.50 each",
    "no box was left",
    "a visitor from out of town did not buy any of them on monday",
]


@pytest.fixture(scope="module")
def folder(pruner: Pruner, tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model, exported."""
    folder = tmp_path_factory.mktemp("exported")
    save_folder(pruner.network.model, tokenizer, folder)
    export_folder(folder, TEXTS)
    return folder


@pytest.fixture(scope="module")
def onnx(folder: Path) -> Pruner:
    return load_pruner(folder)


@pytest.fixture(scope="module")
def torch(folder: Path) -> Pruner:
    return load_pruner(folder, runtime="torch")


def windows(pruner: Pruner, texts: list[str]) -> WindowBatch:
    units = [describe_units(text, split_words(text), pruner.tokenizer) for text in texts]
    rows = [(one, Span(0, len(one.twins), 0, len(one.twins))) for one in units]
    return batch_windows(rows, pruner.frame)


def relative_error(ours: FloatArray, theirs: FloatArray) -> float:
    return float(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs))


def test_an_exported_folder_runs_on_onnx(onnx: Pruner) -> None:
    assert isinstance(onnx.network, OnnxNetwork)


def test_both_compute_the_same_but_for_rounding(onnx: Pruner, torch: Pruner) -> None:
    text = " ".join(TEXTS)
    offsets = split_words(text)
    half = len(offsets) // 2
    parts = [(0, half), (half, len(offsets))]
    texts = [one.read(text, offsets, parts, "which box?") for one in (onnx, torch)]
    assert relative_error(texts[0].vectors, texts[1].vectors) < 0.05
    ours, theirs = onnx.encode(texts[0]), torch.encode(texts[1])
    assert relative_error(ours.context, theirs.context) < 0.05
    states = np.array([UNDECIDED, KEEP, DROP])[np.arange(len(offsets)) % 3]
    for rate in (0.2, 0.7):
        mine, other = (one.predictor(encoding, rate)(states, 0.4) for one, encoding in ((onnx, ours), (torch, theirs)))
        assert np.corrcoef(mine[states == UNDECIDED], other[states == UNDECIDED])[0, 1] > 0.99
    nearness = [one.nearness(read, parts) for one, read in zip((onnx, torch), texts, strict=True)]
    np.testing.assert_allclose(*nearness, atol=1)


@pytest.mark.parametrize("are_queries", [False, True])
def test_both_compare_texts_alike(onnx: Pruner, torch: Pruner, are_queries: bool) -> None:
    ours, theirs = (one.embed(TEXTS, are_queries=are_queries) for one in (onnx, torch))
    assert relative_error(ours, theirs) < 0.05
    offsets = split_words(TEXTS[0])
    words = torch.read(TEXTS[0], offsets, [(0, len(offsets))]).of_part(0, len(offsets))
    ours, theirs = (one.compare([words], are_queries=are_queries)[0].astype(np.float32) for one in (onnx, torch))
    assert ours.shape == (len(offsets), 16)
    assert relative_error(ours, theirs) < 0.05


def test_texts_are_as_near_to_a_query_on_both(onnx: Pruner, torch: Pruner) -> None:
    np.testing.assert_allclose(*(one.nearness_of([*TEXTS, ""], "which box?") for one in (onnx, torch)), atol=1)


def test_both_take_words_from_their_middles(tokenizer: Tokenizer, tmp_path: Path) -> None:
    model = tiny_model(tiny_encoder(tokenizer))
    without = Pruner(TorchNetwork(model), tokenizer).embed(TEXTS)
    model.middle.normal_(0, 0.5)
    save_folder(model, tokenizer, tmp_path)
    export_folder(tmp_path, TEXTS)
    loaded = [load_pruner(tmp_path, runtime=runtime) for runtime in ("onnx", "torch")]
    for are_queries in (False, True):
        ours, theirs = (one.embed(TEXTS, are_queries=are_queries) for one in loaded)
        assert relative_error(ours, theirs) < 0.05
    assert relative_error(loaded[0].embed(TEXTS), without) > 0.1


@pytest.mark.parametrize("encoder", [roberta, distilbert])
def test_any_encoder_can_be_exported(encoder: Any, tokenizer: Tokenizer, tmp_path: Path) -> None:
    save_folder(tiny_model(encoder(tokenizer)), tokenizer, tmp_path)
    export_folder(tmp_path, TEXTS)
    text = TEXTS[0]
    offsets = split_words(text)
    ours, theirs = (
        load_pruner(tmp_path, runtime=runtime).read(text, offsets, [(0, len(offsets))], "which box?").vectors
        for runtime in ("onnx", "torch")
    )
    assert relative_error(ours, theirs) < 0.05


def test_a_channel_much_larger_than_the_others_does_not_blur_them(tokenizer: Tokenizer, tmp_path: Path) -> None:
    model = tiny_model(tiny_encoder(tokenizer))
    large = 3
    with no_grad():
        model.encoder.embeddings.LayerNorm.weight[large] = 100
        attention = model.encoder.encoder.layer[0].attention
        for product in (attention.self.query, attention.self.key, attention.self.value):
            product.weight[:, large] = 0
        # What attention adds counts for more than what it is added to.
        attention.output.dense.weight *= 1000
    offsets = split_words(TEXTS[0])
    errors = []
    # Without a text there is nothing to learn a channel's range from.
    for name, texts in (("known", TEXTS), ("unknown", [])):
        save_folder(model, tokenizer, tmp_path / name)
        export_folder(tmp_path / name, texts)
        ours, theirs = (
            load_pruner(tmp_path / name, runtime=runtime).read(TEXTS[0], offsets, [(0, len(offsets))]).vectors
            for runtime in ("onnx", "torch")
        )
        errors.append(relative_error(ours, theirs))
    assert errors[0] < errors[1] / 3


def test_where_large_products_are_cut_off_others_are_used(
    folder: Path, onnx: Pruner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_network, "_cuts_off", lambda graph: True)
    batch = windows(onnx, TEXTS)
    np.testing.assert_allclose(load_pruner(folder).network.encode(batch), onnx.network.encode(batch), atol=1e-5)


def test_graphs_of_other_weights_are_refused(
    folder: Path, tmp_path: Path, pruner: Pruner, tokenizer: Tokenizer
) -> None:
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    save_folder(pruner.network.model, tokenizer, tmp_path)
    with pytest.raises(ModelError, match="made for other weights than are beside them"):
        load_pruner(tmp_path)


def test_what_is_computed_beside_a_window_changes_nothing(onnx: Pruner) -> None:
    together = onnx.network.encode(windows(onnx, TEXTS))
    for row, text in enumerate(TEXTS):
        alone = onnx.network.encode(windows(onnx, [text]))[0]
        np.testing.assert_allclose(together[row, : len(alone)], alone, atol=1e-5)


def test_the_bundled_model_decides_alike_on_both() -> None:
    text = (resources.files("diffumask_core") / "assets" / "demo" / "few_shot.txt").read_text("utf-8")
    compressors = [Compressor(load_pruner(runtime=runtime)) for runtime in ("onnx", "torch")]
    for rate in (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8):
        kept: list[set[int]] = []
        for compressor in compressors:
            spans = compressor.compress(text, keep_rate=rate).spans
            kept.append({character for start, end in spans for character in range(start, end)})
        assert len(kept[0] & kept[1]) > 0.97 * max(map(len, kept))


def test_a_folder_without_graphs_runs_on_torch(model_folder: Path) -> None:
    assert not isinstance(load_pruner(model_folder).network, OnnxNetwork)
    with pytest.raises(ModelError, match="no graphs for ONNX Runtime"):
        load_pruner(model_folder, runtime="onnx")


def test_onnx_is_for_the_cpu(folder: Path) -> None:
    with pytest.raises(InputError, match="not on 'cuda'"):
        Compressor.from_pretrained(folder, "cuda", runtime="onnx")


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_threads_change_nothing(folder: Path, onnx: Pruner, threads: int) -> None:
    # Long enough for more batches than threads.
    text = ". ".join(TEXTS * 60)
    options: dict[str, Any] = {"keep_rate": 0.5, "tokenizer": len}
    result = Compressor.from_pretrained(folder, threads=threads).compress(text, **options)
    assert result == Compressor(onnx).compress(text, **options)


def test_weights_that_do_not_fit_the_graphs(folder: Path, tmp_path: Path, tokenizer: Tokenizer) -> None:
    (tmp_path / "onnx").mkdir()
    for file in folder.rglob("*"):
        if file.is_file() and file.name != "encoder.onnx":
            (tmp_path / file.relative_to(folder)).write_bytes(file.read_bytes())
    (tmp_path / "onnx" / "encoder.onnx").write_bytes(b"not a graph")
    with pytest.raises(ModelError, match="cannot be read"):
        load_pruner(tmp_path)


def test_neither_torch_nor_transformers_is_needed() -> None:
    program = """
import sys
import diffumask_core
result = diffumask_core.Compressor.from_pretrained().compress("Anna has 3 apples. She eats one of them.", keep_rate=0.5)
assert 0 < result.compressed_tokens <= result.budget
print(sorted({"torch", "transformers", "onnx"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
