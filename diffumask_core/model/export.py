"""From the torch network to the graphs that ONNX Runtime runs on a CPU; the weights stay in the weights file.

The products with the encoder's matrices are done in 8 bits. What goes into one is rounded to 8 bits with a scale for
each token, not for the whole batch as ONNX Runtime's own quantisation has it: a window's vectors then do not depend
on what is computed beside it, and outliers in one token do not blur the others (per-token quantisation, as in Xiao
et al., "SmoothQuant", 2023).
"""

import logging
import warnings
from collections.abc import Mapping, Sequence, Set
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from diffumask_core.model.modeling import DiffuMaskModel
from diffumask_core.model.onnx_network import GRAPHS
from diffumask_core.model.torch_network import TorchNetwork
from diffumask_core.model.weights import LARGEST, SCALE, is_packed

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
    for name, (stage, inputs) in _stages(model).items():
        onnx.save(_graph(stage, inputs), graphs / f"{name}.onnx")


# The stages, as modules whose parameters have the names that they have in the model.


class _Encoder(nn.Module):
    def __init__(self, model: DiffuMaskModel) -> None:
        super().__init__()
        self.encoder = model.encoder

    def forward(self, input_ids: Tensor, token_types: Tensor, attention_mask: Tensor) -> Tensor:
        return DiffuMaskModel.read(self, input_ids, token_types, attention_mask)  # type: ignore[arg-type]


class _Relevance(nn.Module):
    def __init__(self, model: DiffuMaskModel) -> None:
        super().__init__()
        self.relevance = model.relevance

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        return DiffuMaskModel.embed(self, input_ids, attention_mask)  # type: ignore[arg-type]


class _Context(nn.Module):
    def __init__(self, model: DiffuMaskModel) -> None:
        super().__init__()
        self.shape, self.norm, self.project, self.marginals = model.shape, model.norm, model.project, model.marginals

    def forward(self, hidden: Tensor, shapes: Tensor) -> Tensor:
        return DiffuMaskModel.contextualise(self, hidden[None], shapes[None])[0]  # type: ignore[arg-type]


class _Denoiser(nn.Module):
    def __init__(self, model: DiffuMaskModel) -> None:
        super().__init__()
        self.denoiser = model.denoiser

    def forward(self, context: Tensor, states: Tensor, noise: Tensor, keep_rate: Tensor, twins: Tensor) -> Tensor:
        mask = torch.ones_like(states, dtype=torch.float32)[None]
        logits: Tensor = self.denoiser(context[None], states[None], noise[None], keep_rate[None], twins[None], mask)
        return logits[0]


class _Evidence(nn.Module):
    def __init__(self, model: DiffuMaskModel) -> None:
        super().__init__()
        self.shot_head = model.shot_head

    def forward(self, hidden: Tensor) -> Tensor:
        return self.shot_head.evidence_of(hidden)


class _Utility(nn.Module):
    def __init__(self, model: DiffuMaskModel) -> None:
        super().__init__()
        self.shot_head = model.shot_head

    def forward(self, pooled: Tensor) -> Tensor:
        utility: Tensor = self.shot_head.utility(pooled).squeeze(-1)
        return utility


_Inputs = Mapping[str, tuple[Tensor, Sequence[str]]]
"""Of each input an example and the names of its axes; an axis without a name is always of that length."""


def _stages(model: DiffuMaskModel) -> dict[str, tuple[nn.Module, _Inputs]]:
    config = model.config
    hidden, width = model.encoder.config.hidden_size, config.denoiser_width
    units = 7
    decisions = torch.zeros(units, dtype=torch.int64)
    vectors = torch.randn(units, hidden)
    # A tensor for each: the exporter takes the same one for the same input.
    windows = {
        name: (torch.ones(3, 8, dtype=torch.int64), ("windows", "tokens"))
        for name in ("input_ids", "token_types", "attention_mask")
    }
    stages: dict[str, tuple[nn.Module, _Inputs]] = {
        "encoder": (_Encoder(model), windows),
        "context": (
            _Context(model),
            {"hidden": (vectors, ("units", "")), "shapes": (torch.randn(units, config.shape_features), ("units", ""))},
        ),
        "denoiser": (
            _Denoiser(model),
            {
                "context": (torch.randn(units, width + 2), ("units", "")),
                "states": (decisions, ("units",)),
                "noise": (torch.ones(1), ("",)),
                "keep_rate": (torch.ones(1), ("",)),
                "twins": (torch.arange(units), ("units",)),
            },
        ),
        "evidence": (_Evidence(model), {"hidden": (vectors, ("units", ""))}),
        "utility": (_Utility(model), {"pooled": (torch.randn(units, 4 * width), ("shots", ""))}),
    }
    if model.relevance is not None:
        texts = {name: windows[name] for name in ("input_ids", "attention_mask")}
        stages["relevance"] = (_Relevance(model), texts)
    return stages


def _graph(stage: nn.Module, inputs: _Inputs) -> onnx.ModelProto:
    axes = {name: torch.export.Dim(name) for _, names in inputs.values() for name in names if name}
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                stage.train(False),
                tuple(example for example, _ in inputs.values()),
                input_names=list(inputs),
                output_names=["output"],
                dynamic_shapes={
                    name: {axis: axes[label] for axis, label in enumerate(names) if label}
                    for name, (_, names) in inputs.items()
                },
                opset_version=_OPSET,
                dynamo=True,
                # The optimiser would fold weights into constants without a name.
                optimize=False,
                verbose=False,
            )
    finally:
        logger.setLevel(level)
    assert program is not None
    model = program.model_proto
    # The exporter writes down where in the source each node comes from.
    for node in model.graph.node:
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
    for field in ("value_info", "metadata_props", "doc_string"):
        model.graph.ClearField(field)
    model.ClearField("metadata_props")
    # Buffers, such as the positions' numbers, are no weights: they stay in the graph.
    parameters = {name for name, _ in stage.named_parameters()}
    _in_8_bits(model.graph, parameters)
    _take_out_weights(model.graph, parameters)
    model.opset_import.append(helper.make_opsetid(_MICROSOFT, 1))
    return model


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
    looked_up: set[str] = set()
    for node in graph.node:
        if node.op_type == "MatMul" and node.input[1] in transposed:
            source, weight = node.input[0], transposed[node.input[1]]
            if source not in rounded:
                rounded.add(source)
                nodes += _round_tokens(source)
            nodes += _product(source, weight, node.output[0])
        elif node.op_type == "Gather" and node.input[0] in packed:
            looked_up.add(node.input[0])
            nodes += _look_up(node.input[0], node.input[1], node.output[0])
        elif node.output[0] not in transposed:
            nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)
    for weight in list(graph.initializer):
        if weight.name in packed:
            rows, columns = weight.dims
            weight.data_type = TensorProto.INT8
            if weight.name not in looked_up:
                weight.dims[:] = [columns, rows]
            graph.initializer.append(TensorProto(name=weight.name + SCALE, data_type=TensorProto.FLOAT, dims=[rows]))
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


def _product(source: str, weight: str, output: str) -> list[onnx.NodeProto]:
    inputs = [f"{source}:rounded", weight, "step", weight + SCALE, "zero"]
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
            weight.external_data.add(key="location", value="model.safetensors")
