"""From the torch network to the graphs that ONNX Runtime runs on a CPU; the weights stay in the weights file.

The products with the encoder's matrices are done in 8 bits. What goes into one is rounded to 8 bits with a scale for
each token, not for the whole batch as ONNX Runtime's own quantisation has it: a window's vectors then do not depend
on what is computed beside it, and outliers in one token do not blur the others (per-token quantisation, as in Xiao
et al., "SmoothQuant", 2023).
"""

import logging
import warnings
from collections.abc import Callable, Mapping, Sequence, Set
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from diffumask_core.model.modeling import DiffuMaskModel
from diffumask_core.model.onnx_network import GRAPHS
from diffumask_core.model.torch_network import TorchNetwork
from diffumask_core.model.weights import LARGEST, SCALE, WEIGHTS_FILE, is_packed

_OPSET = 20
_MICROSOFT = "com.microsoft"
_ZERO = 128  # of unsigned 8-bit numbers that stand for signed ones


def export_folder(folder: Path) -> None:
    """Adds the graphs to a pretrained folder, a small file for each; see `onnx_network` for what they compute.

    Raises:
        ModelError: The weights do not fit the configuration.
    """
    model = TorchNetwork.load(folder, "cpu").model
    graphs = folder / GRAPHS
    graphs.mkdir(exist_ok=True)
    # Attention written out in full becomes plain products, which ONNX Runtime knows how to fuse.
    for encoder in (model.encoder, model.relevance):
        if encoder is not None:
            encoder.set_attn_implementation("eager")
    for name, (call, inputs) in _stages(model).items():
        onnx.save(_graph(model, call, inputs), graphs / f"{name}.onnx")


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
        name: (torch.ones(3, 8, dtype=torch.int64), ("windows", "tokens"))
        for name in ("input_ids", "token_types", "attention_mask")
    }
    stages: dict[str, tuple[_Call, _Inputs]] = {
        "encoder": (DiffuMaskModel.read, windows),
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
        "evidence": (lambda model, hidden: model.shot_head.evidence_of(hidden), {"hidden": vectors}),
        "utility": (
            lambda model, pooled: model.shot_head.utility(pooled).squeeze(-1),
            {"pooled": (torch.randn(units, 4 * width), ("shots", ""))},
        ),
    }
    if model.relevance is not None:
        stages["relevance"] = DiffuMaskModel.embed, {name: windows[name] for name in ("input_ids", "attention_mask")}
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


def _graph(model: DiffuMaskModel, call: _Call, inputs: _Inputs) -> onnx.ModelProto:
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
                opset_version=_OPSET,
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
    # Buffers, such as the positions' numbers, are no weights: they stay in the graph.
    parameters = {name for name, _ in model.named_parameters()}
    _in_8_bits(exported.graph, parameters)
    _take_out_weights(exported.graph, parameters)
    exported.opset_import.append(helper.make_opsetid(_MICROSOFT, 1))
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


def _in_8_bits(graph: onnx.GraphProto, parameters: Set[str]) -> None:
    """Does the products with packed matrices, and looks packed embeddings up, in 8 bits."""
    packed = {weight.name for weight in graph.initializer if is_packed(weight.name, tuple(weight.dims))} & parameters
    transposed = {
        node.output[0]: node.input[0]
        for node in graph.node
        if node.op_type == "Transpose" and node.input[0] in packed and list(node.attribute[0].ints) == [1, 0]
    }
    nodes: list[onnx.NodeProto] = []
    rounded: set[str] = set()
    for node in graph.node:
        if node.op_type == "MatMul" and node.input[1] in transposed:
            source, matrix = node.input
            if source not in rounded:
                rounded.add(source)
                nodes += _round_tokens(source)
            nodes += _product(source, matrix, transposed[matrix] + SCALE, node.output[0])
        elif node.op_type == "Gather" and node.input[0] in packed:
            weight, numbers = node.input
            nodes += _look_up(weight, numbers, node.output[0])
        else:
            nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)
    for weight in list(graph.initializer):
        if weight.name in packed:
            weight.data_type = TensorProto.INT8
            scale = TensorProto(name=weight.name + SCALE, data_type=TensorProto.FLOAT, dims=weight.dims[:1])
            graph.initializer.append(scale)
    graph.initializer.extend(
        [
            numpy_helper.from_array(np.array(_ZERO, dtype=np.uint8), "zero"),
            numpy_helper.from_array(np.array(1 / LARGEST, dtype=np.float32), "step"),
            numpy_helper.from_array(np.array(1e-9, dtype=np.float32), "least"),
            numpy_helper.from_array(np.array([-1], dtype=np.int64), "last_axis"),
        ]
    )


def _round_tokens(source: str) -> list[onnx.NodeProto]:
    """Each token's vector over its largest entry, in 8 bits."""
    return [
        helper.make_node("Abs", [source], [f"{source}:sizes"]),
        helper.make_node("ReduceMax", [f"{source}:sizes", "last_axis"], [f"{source}:largest"], keepdims=1),
        helper.make_node("Max", [f"{source}:largest", "least"], [f"{source}:scale"]),
        helper.make_node("Div", [source, f"{source}:scale"], [f"{source}:scaled"]),
        helper.make_node("QuantizeLinear", [f"{source}:scaled", "step", "zero"], [f"{source}:rounded"]),
    ]


def _product(source: str, matrix: str, scale: str, output: str) -> list[onnx.NodeProto]:
    inputs = [f"{source}:rounded", matrix, "step", scale, "zero"]
    return [
        helper.make_node("MatMulIntegerToFloat", inputs, [f"{output}:scaled"], domain=_MICROSOFT),
        helper.make_node("Mul", [f"{output}:scaled", f"{source}:scale"], [output]),
    ]


def _look_up(weight: str, numbers: str, output: str) -> list[onnx.NodeProto]:
    return [
        helper.make_node("Gather", [weight, numbers], [f"{output}:rounded"]),
        helper.make_node("Cast", [f"{output}:rounded"], [f"{output}:scaled"], to=TensorProto.FLOAT),
        helper.make_node("Gather", [weight + SCALE, numbers], [f"{output}:scale"]),
        helper.make_node("Unsqueeze", [f"{output}:scale", "last_axis"], [f"{output}:scales"]),
        helper.make_node("Mul", [f"{output}:scaled", f"{output}:scales"], [output]),
    ]


def _take_out_weights(graph: onnx.GraphProto, parameters: Set[str]) -> None:
    """Leaves of each weight its name: ONNX Runtime is given the values when a session is made."""
    for weight in graph.initializer:
        if weight.name.removesuffix(SCALE) in parameters:
            weight.ClearField("raw_data")
            weight.data_location = TensorProto.EXTERNAL
            weight.external_data.add(key="location", value=WEIGHTS_FILE)
