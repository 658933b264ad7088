"""Trunks of several architectures, from training to a shorter text."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from backbones import BACKBONES, LAYERS, diffusion_gemma, gpt2, llama, saved, t5, vit
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from transformers import DynamicCache

from diffumask_core import Compressor, InputError, ModelError
from diffumask_core.datasets import LabelRow
from diffumask_core.model import export
from diffumask_core.model.export import export_folder
from diffumask_core.model.modeling import DiffuMaskModel
from diffumask_core.model.onnx_network import OnnxNetwork
from diffumask_core.model.pretrained import load_pruner, save_folder
from diffumask_core.model.pruner import Pruner
from diffumask_core.model.torch_network import TorchNetwork
from diffumask_core.training.encoder import fresh_model
from diffumask_core.training.trainer import TrainingData, TrainingOptions, train
from diffumask_core.units.words import split_words

TEXT = "The owner of the shop, who had been away for a week on a boat, sold 12 boxes of apples. " * 2
QUERY = "How many boxes?"
LABELS = [
    LabelRow(
        id=f"r{number}",
        kind="prose",
        text=f"By then {name} had sold {number} apples.",
        light=[(8, 8 + len(name))],
        tight=[(8, 8 + len(name))],
        query="Who?",
        source=f"made/{number}",
        split="train",
    )
    for number, name in enumerate(["Anna", "Omar", "Lena", "Ivan"])
]
OPTIONS = TrainingOptions(epochs=1, reader_epochs=1, comparer_epochs=1, unseen=0.25, batch_words=40)


def teacher(text: str, words: np.ndarray, is_query: bool) -> np.ndarray:
    return np.random.default_rng(len(words)).standard_normal((len(words), 8))


def no_figures(model: DiffuMaskModel) -> dict[str, float]:
    return {"score": 0.0}


def read(pruner: Pruner) -> np.ndarray:
    offsets = split_words(TEXT)
    return pruner.read(TEXT, offsets, [(0, len(offsets))], QUERY).vectors


def relative_error(ours: np.ndarray, theirs: np.ndarray) -> float:
    return float(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs))


@pytest.mark.parametrize("layers", [None, 2])
@pytest.mark.parametrize("name", BACKBONES)
def test_it_is_trained_saved_and_used(name: str, layers: int | None, tokenizer: Tokenizer, tmp_path: Path) -> None:
    saved(BACKBONES[name], tokenizer, tmp_path / "encoder")
    model, own = fresh_model(tmp_path / "encoder", layers)
    assert model.encoder.config.num_hidden_layers == (layers or LAYERS)
    trunk = {key: value.clone() for key, value in model.encoder.state_dict().items()}
    train(model, own, TrainingData(LABELS), tmp_path / "out", OPTIONS, no_figures, teacher)
    assert all(torch.equal(value, trunk[key]) for key, value in model.encoder.state_dict().items())
    options: dict[str, Any] = {"keep_rate": 0.4, "query": QUERY, "tokenizer": len}
    result = Compressor.from_pretrained(tmp_path / "out").compress(TEXT, **options)
    assert 0 < result.compressed_tokens <= result.budget
    # What is loaded is what was saved, but for the rounding of 8 bits.
    loaded = DiffuMaskModel.from_pretrained(tmp_path / "out").train(False)
    assert type(loaded.encoder) is type(model.encoder)
    for key, value in loaded.encoder.state_dict().items():
        torch.testing.assert_close(value, trunk[key], atol=0.02, rtol=0.02)
    save_folder(loaded, own, tmp_path / "again")
    assert Compressor.from_pretrained(tmp_path / "again").compress(TEXT, **options) == result


@pytest.mark.parametrize("name", [name for name in BACKBONES if name not in ("bert", "distilbert")])
def test_it_becomes_a_graph(name: str, tokenizer: Tokenizer, tmp_path: Path) -> None:
    saved(BACKBONES[name], tokenizer, tmp_path / "encoder")
    model, own = fresh_model(tmp_path / "encoder", 2)
    save_folder(model, own, tmp_path / "out")
    export_folder(tmp_path / "out", [TEXT])
    ours, theirs = load_pruner(tmp_path / "out"), load_pruner(tmp_path / "out", runtime="torch")
    assert isinstance(ours.network, OnnxNetwork)
    assert relative_error(read(ours), read(theirs)) < 0.06
    result = Compressor(ours).compress(TEXT, keep_rate=0.4, query=QUERY, tokenizer=len)
    assert 0 < result.compressed_tokens <= result.budget


@pytest.mark.parametrize("fails", ["export", "other numbers"])
def test_what_does_not_become_a_graph_runs_on_torch(
    fails: str, tokenizer: Tokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise RuntimeError("no such operation\nin this file")

    saved(BACKBONES["bert"], tokenizer, tmp_path / "encoder")
    save_folder(*fresh_model(tmp_path / "encoder"), tmp_path / "out")
    if fails == "export":
        monkeypatch.setattr(export, "_exported", refuse)
        message = r"type bert does not become a graph for ONNX Runtime \(no such operation\): the model runs on torch"
    else:
        monkeypatch.setattr(OnnxNetwork, "encode", lambda self, batch: np.ones((*batch.input_ids.shape, 16)))
        message = r"type bert does not become a graph .*\(its vectors differ by .*% from torch's\)"
    with pytest.raises(ModelError, match=message):
        export_folder(tmp_path / "out", [TEXT])
    assert isinstance(load_pruner(tmp_path / "out").network, TorchNetwork)


def test_diffusion_gemma_reads_a_text_as_it_reads_a_canvas(tokenizer: Tokenizer, tmp_path: Path) -> None:
    whole = saved(diffusion_gemma, tokenizer, tmp_path)
    model, _ = fresh_model(tmp_path)
    ids = torch.arange(4, 44)[None]
    with torch.inference_mode():
        nothing = DynamicCache(config=whole.config.text_config)
        for layer, of_layer in zip(nothing.layers, whole.model.decoder.layers, strict=True):
            none = torch.zeros(1, 1, 0, of_layer.self_attn.head_dim)
            layer.update(none, none)
        canvas = whole.model.decoder(decoder_input_ids=ids, past_key_values=nothing).last_hidden_state
        read = model.train(False).read(ids, torch.ones_like(ids))
        torch.testing.assert_close(read, canvas, atol=1e-4, rtol=1e-4)
        prompt = whole.model.encoder(input_ids=ids).last_hidden_state
        assert not torch.allclose(read, prompt, atol=0.1)


def test_a_vocabulary_that_goes_by_two_names_is_stored_once(tokenizer: Tokenizer, tmp_path: Path) -> None:
    saved(t5, tokenizer, tmp_path / "encoder")
    model, _ = fresh_model(tmp_path / "encoder")
    save_folder(model, tokenizer, tmp_path / "out")
    stored = load_file(tmp_path / "out" / "model.safetensors")
    size = (tokenizer.get_vocab_size(), 16)
    assert [name for name, value in stored.items() if value.shape == size] == ["encoder.shared.weight"]
    loaded = load_pruner(tmp_path / "out").network.model.encoder
    assert loaded.encoder.embed_tokens.weight is loaded.shared.weight


@pytest.mark.parametrize("make", [gpt2, llama])
def test_a_model_that_looks_back_only_is_refused(make: Any, tokenizer: Tokenizer, tmp_path: Path) -> None:
    saved(make, tokenizer, tmp_path)
    with pytest.raises(ModelError, match=r"reads in one direction only, as a decoder does.*Pass an encoder"):
        fresh_model(tmp_path)


def test_a_model_of_images_is_refused(tokenizer: Tokenizer, tmp_path: Path) -> None:
    saved(vit, tokenizer, tmp_path)
    with pytest.raises(ModelError, match=r"\(vit\) gives no vectors to the tokens of a text.*an encoder of texts"):
        fresh_model(tmp_path)


def test_a_model_of_ours_is_no_encoder(model_folder: Path) -> None:
    with pytest.raises(ModelError, match="holds a DiffuMask model, not an encoder: pass it with --start-from"):
        fresh_model(model_folder)


def test_weights_that_are_not_all_there(tokenizer: Tokenizer, tmp_path: Path) -> None:
    saved(BACKBONES["bert"], tokenizer, tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    del weights["encoder.layer.1.output.dense.weight"]
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"not all of bert's: encoder\.layer\.1\.output\.dense\.weight is missing"):
        fresh_model(tmp_path)


@pytest.mark.parametrize("layers", [-1, 0, LAYERS + 1])
def test_as_many_layers_as_there_are(layers: int, tokenizer: Tokenizer, tmp_path: Path) -> None:
    saved(BACKBONES["modernbert"], tokenizer, tmp_path)
    with pytest.raises(InputError, match=f"has 3 layers: pass --trunk-layers between 1 and 3, not {layers}"):
        fresh_model(tmp_path, layers)


def test_diffusion_gemma_ends_with_full_attention(tokenizer: Tokenizer, tmp_path: Path) -> None:
    saved(diffusion_gemma, tokenizer, tmp_path)
    with pytest.raises(InputError, match="ends with a layer of full attention: pass --trunk-layers 2, 3, not 1"):
        fresh_model(tmp_path, 1)


def cased(lowers: bool, has_capitals: bool) -> Tokenizer:
    """A vocabulary of syllables, with those in capitals or without."""
    syllables = [first + second for first in "bcdfghjklmnpqrstvwxyz" for second in "aeiou"]
    letters = list("abcdefghijklmnopqrstuvwxyz")
    known = syllables + letters
    if has_capitals:
        known += [each.upper() for each in known]
    tokens = {name: number for number, name in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *known])}
    tokenizer = Tokenizer(models.BPE(tokens, [], unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    if lowers:
        tokenizer.normalizer = normalizers.Lowercase()
    return tokenizer


@pytest.mark.parametrize(
    ("lowers", "has_capitals", "warning"),
    [
        (False, True, None),
        (True, True, "makes all letters small, though 131 pieces of its vocabulary have capitals"),
        (True, False, "does not tell capitals from small letters"),
        (False, False, "does not tell capitals from small letters"),
    ],
)
def test_a_tokenizer_that_loses_case(
    lowers: bool, has_capitals: bool, warning: str | None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    saved(BACKBONES["bert"], cased(lowers, has_capitals), tmp_path)
    fresh_model(tmp_path)
    told = [record.message for record in caplog.records if record.name == "diffumask"]
    assert len(told) == (warning is not None)
    assert warning is None or warning in told[0]


def test_experts_are_stored_in_8_bits(tokenizer: Tokenizer, tmp_path: Path) -> None:
    saved(diffusion_gemma, tokenizer, tmp_path / "encoder")
    model, _ = fresh_model(tmp_path / "encoder", 2)
    save_folder(model, tokenizer, tmp_path / "out")
    stored = load_file(tmp_path / "out" / "model.safetensors")
    loaded = load_pruner(tmp_path / "out").network.model
    name = "encoder.layers.0.experts.gate_up_proj"
    assert stored[name].dtype == torch.int8
    scale = stored[f"{name}.scale"]
    assert scale.shape == (4, 64)
    difference = (loaded.get_parameter(name) - model.get_parameter(name)).abs()
    assert (difference <= scale[..., None] * 0.5001).all()
    # A weight whose name ends like that of a matrix's scales is one of its own.
    own = "encoder.layers.0.router.scale"
    assert torch.equal(loaded.get_parameter(own), model.get_parameter(own).half().float())
