"""From the torch network to the graphs that ONNX Runtime runs on a CPU; the weights stay in the weights file."""

import logging
import warnings
from collections.abc import Callable, Mapping, Sequence, Set
from pathlib import Path

import onnx
import torch
from onnx import TensorProto, helper
from torch import Tensor, nn

from diffumask_core.model.modeling import DiffuMaskModel
from diffumask_core.model.onnx_network import GRAPHS, LARGEST_PRODUCT
from diffumask_core.model.pretrained import read_tokenizer
from diffumask_core.model.quantise import (
    MICROSOFT,
    OPSET,
    in_8_bits,
    largest_product,
    learn_smoothing,
    normalised_inputs,
)
from diffumask_core.model.torch_network import TorchNetwork
from diffumask_core.model.weights import BLOCKS, SCALE, SMOOTHING, WEIGHTS_FILE, save_weights, smoothing_key


def export_folder(folder: Path, texts: Sequence[str]) -> None:
    """Adds the graphs to a pretrained folder, a small file for each; see `onnx_network` for what they compute.

    Args:
        folder: The folder. Its weights are rounded anew, to fit the range of what they are multiplied with.
        texts: Some hundred of the kind that the model is for, or a few long ones, which show that range. Without any
            it is not relied on, which takes longer and blurs more.

    Raises:
        ModelError: The weights do not fit the configuration.
    """
    network = TorchNetwork.load(folder, "cpu")
    model = network.model
    # Attention written out in full becomes plain products, which ONNX Runtime knows how to fuse.
    model.encoder.set_attn_implementation("eager")
    # Buffers, such as the positions' numbers, are no weights: they stay in the graph.
    shapes = {name: tuple(weight.shape) for name, weight in model.named_parameters()}
    exported = {name: _exported(model, call, inputs) for name, (call, inputs) in _stages(model).items()}
    normalised = [weight for one in exported.values() for weight in normalised_inputs(one.graph, shapes)]
    smoothing = learn_smoothing(network, read_tokenizer(folder / "tokenizer.json"), texts, normalised)
    weights = model.packed_weights(smoothing)
    save_weights(weights, folder / WEIGHTS_FILE)
    (folder / GRAPHS).mkdir(exist_ok=True)
    for name, one in exported.items():
        in_8_bits(one.graph, shapes, smoothing, {name for name in shapes if name + BLOCKS in weights})
        _take_out_weights(one.graph, shapes.keys())
        one.opset_import.append(helper.make_opsetid(MICROSOFT, 1))
        helper.set_model_props(one, {SMOOTHING: smoothing_key(weights)})
        onnx.save(one, folder / GRAPHS / f"{name}.onnx")
    onnx.save(largest_product(), folder / GRAPHS / LARGEST_PRODUCT)


_Call = Callable[..., Tensor]
"""From the model and the inputs of a graph to its output."""

_Inputs = Mapping[str, tuple[Tensor, Sequence[str]]]
"""Of each input an example and the names of its axes; an axis without a name is always of that length."""


def _stages(model: DiffuMaskModel) -> dict[str, tuple[_Call, _Inputs]]:
    config = model.config
    hidden, width = model.encoder.config.hidden_size, config.denoiser_width
    units = 7
    vectors = torch.randn(units, hidden), ("units", "")
    # A tensor for each: the exporter takes the same one for the same input.
    windows = {
        name: (torch.ones(3, 8, dtype=torch.int64), ("windows", "tokens")) for name in ("input_ids", "attention_mask")
    }
    words = {
        "vectors": (torch.randn(3, 8, hidden), ("texts", "words", "")),
        "roles": (torch.zeros(3, 8, dtype=torch.int64), ("texts", "words")),
        "mask": (torch.ones(3, 8), ("texts", "words")),
    }
    stages: dict[str, tuple[_Call, _Inputs]] = {
        "encoder": (DiffuMaskModel.read, windows),
        "upper": (lambda model, vectors, roles, mask: model.upper(vectors, roles, mask), words),
        "context": (
            lambda model, hidden, shapes: model.contextualise(hidden[None], shapes[None])[0],
            {"hidden": vectors, "shapes": (torch.randn(units, config.shape_features), ("units", ""))},
        ),
        "denoiser": (
            _denoise,
            {
                "context": (torch.randn(units, width + 2), ("units", "")),
                "states": (torch.zeros(units, dtype=torch.int64), ("units",)),
                "noise": (torch.ones(1), ("",)),
                "keep_rate": (torch.ones(1), ("",)),
                "of_twins": (torch.zeros(units, 2), ("units", "")),
            },
        ),
    }
    if config.comparer_layers:
        stages["comparer"] = DiffuMaskModel.embed, words
    return stages


def _denoise(
    model: DiffuMaskModel, context: Tensor, states: Tensor, noise: Tensor, keep_rate: Tensor, of_twins: Tensor
) -> Tensor:
    mask = torch.ones_like(states, dtype=torch.float32)[None]
    return model.denoiser.score(context[None], states[None], noise[None], keep_rate[None], of_twins[None], mask)[0]


class _Stage(nn.Module):
    """A part of the model's work as a module of its own, which is what the exporter takes."""

    def __init__(self, model: DiffuMaskModel, call: _Call) -> None:
        super().__init__()
        self.model = model
        self.call = call

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.call(self.model, *inputs)


def _exported(model: DiffuMaskModel, call: _Call, inputs: _Inputs) -> onnx.ModelProto:
    axes = {name: torch.export.Dim(name) for _, names in inputs.values() for name in names if name}
    shapes = tuple({axis: axes[name] for axis, name in enumerate(names) if name} for _, names in inputs.values())
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                _Stage(model, call).train(False),
                tuple(example for example, _ in inputs.values()),
                input_names=list(inputs),
                output_names=["output"],
                dynamic_shapes=(shapes,),
                opset_version=OPSET,
                dynamo=True,
                # The optimiser would fold weights into constants without a name.
                optimize=False,
                verbose=False,
            )
    finally:
        logger.setLevel(level)
    assert program is not None
    exported = program.model_proto
    _strip(exported)
    return exported


def _strip(exported: onnx.ModelProto) -> None:
    """Leaves what is computed: names as in the model, and nothing of where in the source it comes from."""
    graph = exported.graph
    for node in graph.node:
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
        node.input[:] = [name.removeprefix("model.") for name in node.input]
    used = {name for node in graph.node for name in node.input}
    weights = list(graph.initializer)
    del graph.initializer[:]
    for weight in weights:
        weight.name = weight.name.removeprefix("model.")
        if weight.name in used:
            graph.initializer.append(weight)
    for field in ("value_info", "metadata_props", "doc_string"):
        graph.ClearField(field)
    exported.ClearField("metadata_props")


def _take_out_weights(graph: onnx.GraphProto, parameters: Set[str]) -> None:
    """Leaves of each weight its name: ONNX Runtime is given the values when a session is made."""
    for weight in graph.initializer:
        if weight.name.removesuffix(SCALE).removesuffix(BLOCKS) in parameters:
            weight.ClearField("raw_data")
            weight.data_location = TensorProto.EXTERNAL
            weight.external_data.add(key="location", value=WEIGHTS_FILE)
