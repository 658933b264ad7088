"""From the torch network to the graphs that ONNX Runtime runs on a CPU; the weights stay in the weights file."""

import logging
import shutil
import warnings
from collections.abc import Callable, Mapping, Sequence, Set
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper
from torch import Tensor, nn

from diffumask_core.errors import ModelError
from diffumask_core.model.inputs import WindowBatch
from diffumask_core.model.modeling import DiffuMaskModel
from diffumask_core.model.onnx_network import GRAPHS, LARGEST_PRODUCT, OnnxNetwork
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
from diffumask_core.model.trunks import prepare_export
from diffumask_core.model.weights import BLOCKS, SMOOTHING, WEIGHTS_FILE, save_weights, smoothing_key

# Of the tokens with which a trunk's graph is tried.
_OTHER_LENGTH = 45
# The share of a vector that 8 bits may change, on tokens in no order that a text would have.
_MOST_ERROR = 0.5


def export_folder(folder: Path, texts: Sequence[str]) -> None:
    """Adds the graphs to a pretrained folder, a small file for each; see `onnx_network` for what they compute.

    Args:
        folder: The folder. Its weights are rounded anew, to fit the range of what they are multiplied with.
        texts: Some hundred of the kind that the model is for, or a few long ones, which show that range. Without any
            it is not relied on, which takes longer and blurs more.

    Raises:
        ModelError: The weights do not fit the configuration, or the trunk is of an architecture that does not become a
            graph: the folder is then for torch alone.
    """
    network = TorchNetwork.load(folder, "cpu")
    model = network.model
    prepare_export(model.encoder)
    # Buffers, such as the positions' numbers, are no weights: they stay in the graph.
    shapes = {name: tuple(weight.shape) for name, weight in model.named_parameters()}
    exported = {}
    for name, (call, inputs) in _stages(model).items():
        try:
            exported[name] = _exported(model, call, inputs)
        # The exporter has errors of many kinds.
        except Exception as error:
            raise _no_graph(model, str(error).partition("\n")[0]) from error
    normalised = [weight for one in exported.values() for weight in normalised_inputs(one.graph, shapes)]
    smoothing = learn_smoothing(network, read_tokenizer(folder / "tokenizer.json"), texts, normalised)
    weights = model.packed_weights(smoothing)
    save_weights(weights, folder / WEIGHTS_FILE)
    (folder / GRAPHS).mkdir(exist_ok=True)
    for name, one in exported.items():
        in_8_bits(one.graph, shapes, smoothing, {name for name in shapes if name + BLOCKS in weights})
        _take_out_weights(one.graph, weights.keys())
        one.opset_import.append(helper.make_opsetid(MICROSOFT, 1))
        helper.set_model_props(one, {SMOOTHING: smoothing_key(weights)})
        onnx.save(one, folder / GRAPHS / f"{name}.onnx")
    onnx.save(largest_product(), folder / GRAPHS / LARGEST_PRODUCT)
    if wrong := _differs(folder, network):
        shutil.rmtree(folder / GRAPHS)
        raise _no_graph(model, wrong)


def _no_graph(model: DiffuMaskModel, reason: str) -> ModelError:
    kind = model.encoder.config.model_type
    return ModelError(
        f"A trunk of type {kind} does not become a graph for ONNX Runtime ({reason}): the model runs on torch, which "
        "is the extra of that name."
    )


def _differs(folder: Path, network: TorchNetwork) -> str:
    """What is wrong with the trunk's graph, if anything: it is run on texts of other lengths than it was made with."""
    ids = np.arange(3, 3 + 2 * _OTHER_LENGTH, dtype=np.int64).reshape(2, -1) % network.model.encoder.config.vocab_size
    mask = np.ones_like(ids)
    mask[1, _OTHER_LENGTH // 2 :] = 0
    batch = WindowBatch(ids, mask, np.full_like(ids, -1))
    try:
        ours = OnnxNetwork(folder, network.settings).encode(batch)[mask > 0]
    except Exception as error:
        return str(error).partition("\n")[0]
    theirs = network.encode(batch)[mask > 0]
    share = float(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs))
    return "" if share < _MOST_ERROR else f"its vectors differ by {share:.0%} from torch's"


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
        stages["comparer"] = DiffuMaskModel.compare, words
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
    _strip(exported, model.names_of_weights())
    return exported


def _strip(exported: onnx.ModelProto, names: Mapping[str, str]) -> None:
    """Leaves what is computed: names as weights are stored under, and nothing of where in the source it comes from."""

    def stored(name: str) -> str:
        own = name.removeprefix("model.")
        return names.get(own, own)

    graph = exported.graph
    for node in graph.node:
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
        node.input[:] = [stored(name) for name in node.input]
    used = {name for node in graph.node for name in node.input}
    weights = {stored(weight.name): weight for weight in graph.initializer}
    del graph.initializer[:]
    for name, weight in weights.items():
        weight.name = name
        if name in used:
            graph.initializer.append(weight)
    for field in ("value_info", "metadata_props", "doc_string"):
        graph.ClearField(field)
    exported.ClearField("metadata_props")


def _take_out_weights(graph: onnx.GraphProto, stored: Set[str]) -> None:
    """Leaves of each weight its name: ONNX Runtime is given the values when a session is made."""
    for weight in graph.initializer:
        if weight.name in stored:
            weight.ClearField("raw_data")
            weight.data_location = TensorProto.EXTERNAL
            weight.external_data.add(key="location", value=WEIGHTS_FILE)
