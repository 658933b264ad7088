"""Products in 8 bits: a graph's products with packed matrices (see `weights`) as the CPU's integer units do them.

What goes into a product is rounded without regard to the other tokens of the batch, unlike in ONNX Runtime's own
dynamic quantisation: a window's vectors then do not depend on what is computed beside it, and outliers in one token do
not blur the others. Normalised vectors have the same range whatever the text is, so their scale is fixed, once each of
their channels has been multiplied with a factor that tames those that are much larger than the others. All else is
rounded with a scale for each token. Both are in Xiao et al., "SmoothQuant" (2023).
"""

from collections.abc import Iterable, Mapping, Sequence, Set
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer
from torch import Tensor

from diffumask_core.model.pruner import Pruner
from diffumask_core.model.torch_network import TorchNetwork
from diffumask_core.model.weights import BLOCK, BLOCKS, LARGEST, SCALE, is_packed
from diffumask_core.units.units import read_words

FloatArray = npt.NDArray[np.float32]
Shapes = Mapping[str, tuple[int, ...]]
"""The shapes of the model's weights, by their names."""

MICROSOFT, OPSET = "com.microsoft", 20
_TAMING = 0.75
"""The share of the difference between channels, in powers, that is moved from them to the matrix's columns."""
_HEADROOM = 1.1
"""How much larger than all that was seen a normalised vector may be before it is cut off."""


def _is_packed(name: str, shapes: Shapes) -> bool:
    return name in shapes and is_packed(name, shapes[name])


def _is_product(name: str, shapes: Shapes) -> bool:
    """Whether a weight is a packed matrix; those of experts are looked up."""
    return _is_packed(name, shapes) and len(shapes[name]) == 2


class _Product(NamedTuple):
    """A product with a packed matrix in a graph."""

    weight: str
    """The matrix as the model names it."""
    matrix: str
    """The matrix as the graph names it when it has been transposed."""
    source: str
    """What is multiplied with it."""
    made_by: str
    """The operation that the source comes from."""
    bias: str
    """What is added, if anything."""
    output: str
    """What comes out when it has been added."""


def _products(graph: onnx.GraphProto, shapes: Shapes) -> dict[str, _Product]:
    """The products by the names of what comes out before a bias is added."""
    makers = {output: node for node in graph.node for output in node.output}
    biases = {
        node.input[0]: (node.input[1], node.output[0])
        for node in graph.node
        if node.op_type == "Add" and len(shapes.get(node.input[1], ())) == 1
    }
    products = {}
    for node in graph.node:
        matrix = makers.get(node.input[1]) if node.op_type == "MatMul" else None
        if matrix is not None and matrix.op_type == "Transpose" and _is_product(matrix.input[0], shapes):
            maker = makers.get(node.input[0])
            while maker is not None and maker.op_type == "Identity":
                maker = makers.get(maker.input[0])
            made_by = "" if maker is None else maker.op_type
            bias, whole = biases.get(node.output[0], ("", node.output[0]))
            products[node.output[0]] = _Product(matrix.input[0], matrix.output[0], node.input[0], made_by, bias, whole)
    return products


def normalised_inputs(graph: onnx.GraphProto, shapes: Shapes) -> list[str]:
    """The packed matrices that normalised vectors are multiplied with."""
    products = _products(graph, shapes).values()
    return [product.weight for product in products if product.made_by == "LayerNormalization"]


def learn_smoothing(
    network: TorchNetwork, tokenizer: Tokenizer, texts: Iterable[str], weights: Iterable[str]
) -> dict[str, FloatArray]:
    """The factors ``[in]`` of what goes into some matrices, by what does when texts are read, with a query and without.

    Args:
        network: What the matrices are of.
        tokenizer: Of the network.
        texts: Any number; without any there are no factors.
        weights: The matrices, by their names in the model.
    """
    pruner = Pruner(network, tokenizer)
    largest: dict[str, Tensor] = {}

    def note(weight: str, inputs: Tensor) -> None:
        channels = inputs.float().abs().flatten(0, -2).amax(0)
        largest[weight] = torch.maximum(largest.get(weight, channels), channels)

    hooks = [
        network.model.get_submodule(weight.removesuffix(".weight")).register_forward_pre_hook(
            lambda _, inputs, weight=weight: note(weight, *inputs)
        )
        for weight in weights
    ]
    for text in texts:
        if len(offsets := read_words(text)):
            for query in ("", text):
                whole = [(0, len(offsets))]
                read = pruner.read(text, offsets, whole, query)
                pruner.encode(read)
                pruner.nearness(read, whole)
    for hook in hooks:
        hook.remove()
    smoothing = {}
    for weight, channels in largest.items():
        tamed = channels.clamp(min=1e-4) ** _TAMING
        smoothing[weight] = (1 / (tamed * (channels / tamed).max() * _HEADROOM)).numpy()
    return smoothing


def largest_product() -> onnx.ModelProto:
    """A graph that multiplies with the largest numbers of 8 bits: see `onnx_network.LARGEST_PRODUCT`."""
    length = 64
    constants = {"matrix": np.full((length, length), LARGEST, np.int8), "one": np.float32(1), "zero": np.uint8(0)}
    inputs = ["numbers", "matrix", "one", "one", "zero"]
    graph = helper.make_graph(
        [helper.make_node("MatMulIntegerToFloat", inputs, ["product"], domain=MICROSOFT)],
        "largest_product",
        [helper.make_tensor_value_info("numbers", TensorProto.UINT8, [1, length])],
        [helper.make_tensor_value_info("product", TensorProto.FLOAT, [1, length])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(MICROSOFT, 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


class _Range(NamedTuple):
    """How a token's vector over its largest entry becomes unsigned 8-bit numbers."""

    name: str
    zero: int
    """The number that stands for 0."""
    one: int
    """By how much more the largest entry is."""
    least: float
    """What is divided by if the largest entry is smaller."""


_SIGNED = _Range("", 128, LARGEST, 1e-9)
# GELU is never below -0.17: with the few numbers that it needs below 0 there are twice as many above.
_OF_GELU = _Range("_of_gelu", 16, 239, 2.54)


def in_8_bits(graph: onnx.GraphProto, shapes: Shapes, smoothing: Mapping[str, FloatArray], in_blocks: Set[str]) -> None:
    """Changes a graph so that it multiplies with packed matrices in 8 bits, and looks packed embeddings up.

    Whatever else is done with a packed matrix is done with its numbers.

    Args:
        graph: As exported.
        shapes: Of the model's weights.
        smoothing: Of some of the packed matrices the factors of what goes into them.
        in_blocks: The matrices that are stored in 4 bits.
    """
    products = _products(graph, shapes)
    nodes: list[onnx.NodeProto] = []
    rounded: set[str] = set()
    with_bias: set[str] = set()
    whole: set[str] = set()
    matrices = {product.matrix for product in products.values()}
    for node in graph.node:
        output = node.output[0]
        if output in with_bias:  # an addition that a product has done
            continue
        if (product := products.get(output)) is not None:
            source, factors = product.source, smoothing.get(product.weight)
            kind = _OF_GELU if product.made_by == "Gelu" else _SIGNED
            if source not in rounded:
                rounded.add(source)
                nodes += _round_tokens(source, kind) if factors is None else _round_smooth(source)
                if factors is not None:
                    graph.initializer.append(numpy_helper.from_array(factors, f"{source}:factors"))
            if factors is None:
                nodes.append(_product(product, kind, f"{output}:scaled"))
                nodes.append(helper.make_node("Mul", [f"{output}:scaled", f"{source}:scale"], [output]))
            else:
                with_bias.add(product.output)
                nodes.append(_product(product, _SIGNED, product.output, product.bias))
        elif node.op_type == "Gather" and node.input[0] in in_blocks:
            nodes += _look_up_multiples(node.input[0], node.input[1], output)
        elif node.op_type == "Gather" and _is_packed(node.input[0], shapes):
            nodes += _look_up(node.input[0], node.input[1], output)
        else:
            if output not in matrices:
                for place, name in enumerate(node.input):
                    if _is_packed(name, shapes):
                        whole.add(name)
                        node.input[place] = f"{name}:whole"
            nodes.append(node)
    del graph.node[:]
    graph.node.extend([part for name in sorted(whole) for part in _numbers_of(name, name in smoothing)] + nodes)
    graph.initializer.extend(
        numpy_helper.from_array(smoothing[name], f"{name}:factors") for name in sorted(whole & smoothing.keys())
    )
    for weight in list(graph.initializer):
        if weight.name in in_blocks:
            rows, columns = weight.dims
            weight.data_type = TensorProto.UINT8
            weight.dims[1] = columns // 2
            dims = [rows, columns // BLOCK]
            graph.initializer.append(TensorProto(name=weight.name + BLOCKS, data_type=TensorProto.FLOAT, dims=dims))
        elif _is_packed(weight.name, shapes):
            weight.data_type = TensorProto.INT8
            scale = TensorProto(name=weight.name + SCALE, data_type=TensorProto.FLOAT, dims=weight.dims[:-1])
            graph.initializer.append(scale)
    for kind in (_SIGNED, _OF_GELU):
        for name, value in (
            ("zero", np.uint8(kind.zero)),
            ("step", np.float32(1 / kind.one)),
            ("least", np.float32(kind.least)),
        ):
            graph.initializer.append(numpy_helper.from_array(np.array(value), name + kind.name))
    constants: Sequence[tuple[str, npt.ArrayLike]] = (
        ("last_axis", np.array([-1])),
        ("in_blocks", np.array([0, 0, -1, BLOCK])),
        ("in_rows", np.array([0, 0, -1])),
        ("lower_bits", np.uint8(15)),
        ("to_lower_bits", np.uint8(4)),
        ("halfway", np.float32(8)),
    )
    graph.initializer.extend(numpy_helper.from_array(np.asarray(value), name) for name, value in constants)


def _round_tokens(source: str, kind: _Range) -> list[onnx.NodeProto]:
    """Each token's vector over its largest entry, in 8 bits."""
    sizes = f"{source}:sizes" if kind == _SIGNED else source
    nodes = [
        helper.make_node("ReduceMax", [sizes, "last_axis"], [f"{source}:largest"], keepdims=1),
        helper.make_node("Max", [f"{source}:largest", "least" + kind.name], [f"{source}:scale"]),
        helper.make_node("Div", [source, f"{source}:scale"], [f"{source}:scaled"]),
        _round(source, kind),
    ]
    return nodes if kind != _SIGNED else [helper.make_node("Abs", [source], [sizes]), *nodes]


def _round_smooth(source: str) -> list[onnx.NodeProto]:
    """Each channel times its factor, in 8 bits."""
    return [helper.make_node("Mul", [source, f"{source}:factors"], [f"{source}:scaled"]), _round(source, _SIGNED)]


def _round(source: str, kind: _Range) -> onnx.NodeProto:
    inputs = [f"{source}:scaled", "step" + kind.name, "zero" + kind.name]
    return helper.make_node("QuantizeLinear", inputs, [f"{source}:rounded"])


def _product(product: _Product, kind: _Range, output: str, bias: str = "") -> onnx.NodeProto:
    rounded, scale = f"{product.source}:rounded", product.weight + SCALE
    inputs = [rounded, product.matrix, "step" + kind.name, scale, "zero" + kind.name, "", bias]
    return helper.make_node("MatMulIntegerToFloat", inputs, [output], domain=MICROSOFT)


def _numbers_of(weight: str, has_factors: bool) -> list[onnx.NodeProto]:
    """All of a matrix in 8 bits as the numbers that it stands for."""
    scaled = f"{weight}:scaled" if has_factors else f"{weight}:whole"
    nodes = [
        helper.make_node("Cast", [weight], [f"{weight}:raised"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", [weight + SCALE, "last_axis"], [f"{weight}:scales"]),
        helper.make_node("Mul", [f"{weight}:raised", f"{weight}:scales"], [scaled]),
    ]
    factors = [helper.make_node("Mul", [scaled, f"{weight}:factors"], [f"{weight}:whole"])]
    return nodes + factors if has_factors else nodes


def _look_up(weight: str, numbers: str, output: str) -> list[onnx.NodeProto]:
    return [
        helper.make_node("Gather", [weight, numbers], [f"{output}:rounded"]),
        helper.make_node("Cast", [f"{output}:rounded"], [f"{output}:scaled"], to=TensorProto.FLOAT),
        helper.make_node("Gather", [weight + SCALE, numbers], [f"{output}:scale"]),
        helper.make_node("Unsqueeze", [f"{output}:scale", "last_axis"], [f"{output}:scales"]),
        helper.make_node("Mul", [f"{output}:scaled", f"{output}:scales"], [output]),
    ]


def _look_up_multiples(weight: str, numbers: str, output: str) -> list[onnx.NodeProto]:
    """Rows ``[B, L, D]`` of a matrix in 4 bits; see `weights`."""
    return [
        helper.make_node("Gather", [weight, numbers], [f"{output}:bytes"]),
        helper.make_node("BitwiseAnd", [f"{output}:bytes", "lower_bits"], [f"{output}:lower"]),
        helper.make_node("BitShift", [f"{output}:bytes", "to_lower_bits"], [f"{output}:upper"], direction="RIGHT"),
        helper.make_node("Concat", [f"{output}:lower", f"{output}:upper"], [f"{output}:both"], axis=-1),
        helper.make_node("Cast", [f"{output}:both"], [f"{output}:raised"], to=TensorProto.FLOAT),
        helper.make_node("Sub", [f"{output}:raised", "halfway"], [f"{output}:multiples"]),
        helper.make_node("Reshape", [f"{output}:multiples", "in_blocks"], [f"{output}:blocks"]),
        helper.make_node("Gather", [weight + BLOCKS, numbers], [f"{output}:step"]),
        helper.make_node("Unsqueeze", [f"{output}:step", "last_axis"], [f"{output}:steps"]),
        helper.make_node("Mul", [f"{output}:blocks", f"{output}:steps"], [f"{output}:values"]),
        helper.make_node("Reshape", [f"{output}:values", "in_rows"], [output]),
    ]
