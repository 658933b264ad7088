"""The network: a trunk that reads each text once, and light parts above it.

    tokens --trunk--> vectors, pooled to one a word                            [once a text, for all queries]
    vectors of a text's words --comparer--> vectors that compare words         [once a text, for all queries]
    vectors of a window's words and of the query's --upper layers--> H         [once a query]
    H, shape features --> logit of "keep" at the tight and the light level     [once a query]
    both --> context                                                           [once a query]
    context, states, noise level, keep rate --denoiser--> logit of "keep"      [each step]

The trunk rests in training: what it knows of a hundred languages stays, and what is learnt above it in one of them
holds for the others.

Shapes: B windows or texts, L tokens, U units, D encoder width, W denoiser width.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from huggingface_hub import snapshot_download
from safetensors.numpy import load_file
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AutoConfig, AutoModel, PreTrainedModel
from transformers.utils.generic import ModelOutput

from diffumask_core.diffusion.states import KEEP, UNDECIDED
from diffumask_core.model.configuration import DiffuMaskConfig
from diffumask_core.model.trunks import new_trunk
from diffumask_core.model.weights import WEIGHTS_FILE, Weights, pack, unpack


def pool_tokens(hidden: Tensor, unit_of_token: Tensor, units: int) -> Tensor:
    """Means the token vectors of each unit.

    Args:
        hidden: ``[B, L, D]``.
        unit_of_token: ``[B, L]``, the unit each token belongs to, -1 for none.
        units: U.

    Returns:
        ``[B, U, D]``; zeros for a unit without tokens.
    """
    batch, _, width = hidden.shape
    slot = torch.where(unit_of_token < 0, units, unit_of_token)
    total = hidden.new_zeros(batch, units + 1, width).scatter_add_(1, slot.unsqueeze(-1).expand_as(hidden), hidden)
    count = hidden.new_zeros(batch, units + 1).scatter_add_(1, slot, torch.ones_like(slot, dtype=hidden.dtype))
    return total[:, :units] / count[:, :units].clamp(min=1).unsqueeze(-1)


class Layer(nn.Module):
    """A layer of a transformer as in BERT: attention, then a mixing of the channels, each added and normalised."""

    def __init__(self, config: DiffuMaskConfig, width: int) -> None:
        super().__init__()
        self.heads = config.upper_heads
        self.dropout = config.upper_dropout
        self.query, self.key, self.value, self.attended = (nn.Linear(width, width) for _ in range(4))
        self.attended_norm = nn.LayerNorm(width, eps=1e-12)
        self.expand = nn.Linear(width, config.upper_width)
        self.reduce = nn.Linear(config.upper_width, width)
        self.norm = nn.LayerNorm(width, eps=1e-12)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """Mixes vectors ``[B, U, D]``; `bias` ``[B, 1, 1, U]`` is added to what each attends to."""
        batch, length, width = x.shape
        query, key, value = (
            part(x).view(batch, length, self.heads, width // self.heads).transpose(1, 2)
            for part in (self.query, self.key, self.value)
        )
        # Written out, since ONNX Runtime knows these products.
        weights = (query @ key.transpose(2, 3) / (width // self.heads) ** 0.5 + bias).softmax(-1)
        seen = self.attended((weights @ value).transpose(1, 2).reshape(batch, length, width))
        x = self.attended_norm(x + F.dropout(seen, self.dropout, self.training))
        mixed = self.reduce(F.gelu(self.expand(x)))
        normalised: Tensor = self.norm(x + F.dropout(mixed, self.dropout, self.training))
        return normalised


class Layers(nn.Module):
    """Layers over the words of a text and of a query, which the trunk has read apart from each other."""

    def __init__(self, config: DiffuMaskConfig, width: int, count: int) -> None:
        super().__init__()
        self.roles = nn.Embedding(2, width)
        self.layers = nn.ModuleList(Layer(config, width) for _ in range(count))

    def forward(self, vectors: Tensor, roles: Tensor, mask: Tensor) -> Tensor:
        """Reads words side by side.

        Args:
            vectors: ``[B, U, D]`` of the trunk.
            roles: ``[B, U]``, 1 for words of the query, 0 for those of the text.
            mask: ``[B, U]``, 0 for padding.

        Returns:
            ``[B, U, D]``.
        """
        x: Tensor = vectors + self.roles(roles)
        bias = ((mask - 1) * 1e4)[:, None, None, :]
        for layer in self.layers:
            x = layer(x, bias)
        return x


class DenoiserBlock(nn.Module):
    """A depthwise convolution over neighbouring units and a two-layer mixing of their channels."""

    def __init__(self, width: int, kernel: int) -> None:
        super().__init__()
        self.neighbours = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=width)
        self.norm = nn.LayerNorm(width)
        self.expand = nn.Linear(width, 2 * width)
        self.reduce = nn.Linear(2 * width, width)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        mixed = self.neighbours((x * mask).transpose(1, 2)).transpose(1, 2)
        changed: Tensor = self.reduce(F.gelu(self.expand(self.norm(mixed))))
        return x + changed


class Denoiser(nn.Module):
    """Predicts every unit's decision from its context and the states of the others.

    The encoder has already seen the whole window and scored each unit by itself. The denoiser adds what changes from
    step to step: the decisions around a unit, and whether another copy of the same word has been kept.
    """

    def __init__(self, config: DiffuMaskConfig) -> None:
        super().__init__()
        width = config.denoiser_width
        self.tightness = nn.Linear(2, 1)
        self.marginals = nn.Linear(2, width)
        self.state = nn.Embedding(3, width)
        self.twin = nn.Linear(2, width, bias=False)
        self.condition = nn.Sequential(nn.Linear(4, width), nn.GELU(), nn.Linear(width, width))
        self.blocks = nn.ModuleList(DenoiserBlock(width, config.denoiser_kernel) for _ in range(config.denoiser_blocks))
        self.norm = nn.LayerNorm(width)
        self.logit = nn.Linear(width, 1)

    @torch.no_grad()
    def change_nothing(self) -> None:
        """Begins as a denoiser that changes nothing, and reads the annotated rates (0.25 and 0.55) as their levels."""
        self.logit.weight.zero_()
        self.tightness.weight.copy_(torch.tensor([[-12.0, 0.0]]))
        self.tightness.bias.fill_(4.8)

    def forward(
        self, context: Tensor, states: Tensor, noise: Tensor, keep_rate: Tensor, twins: Tensor, mask: Tensor
    ) -> Tensor:
        """Returns the logit of "keep" of each unit.

        Args:
            context: ``[B, U, W + 2]`` from `DiffuMaskModel.contextualise`.
            states: ``[B, U]`` of `diffusion.states`.
            noise: ``[B, 1]``, the share of units that are undecided.
            keep_rate: ``[B, 1]`` or ``[B, U]``, the share of units to keep.
            twins: ``[B, U]``, equal numbers below U for equal words.
            mask: ``[B, U]``, 0 where a row is padded.

        Returns:
            ``[B, U]``.
        """
        waiting = (states == UNDECIDED) & (mask > 0)
        of_twins = torch.stack([self._of_twins(flag, twins) for flag in (states == KEEP, waiting)], -1)
        return self.score(context, states, noise, keep_rate, of_twins, mask)

    def score(
        self, context: Tensor, states: Tensor, noise: Tensor, keep_rate: Tensor, of_twins: Tensor, mask: Tensor
    ) -> Tensor:
        """As `forward`, with what is decided about the twins of each unit in place of the twins.

        Args:
            context: As in `forward`, like the rest.
            states: ``[B, U]``.
            noise: ``[B, 1]``.
            keep_rate: ``[B, 1]`` or ``[B, U]``.
            of_twins: ``[B, U, 2]``, 1 where another unit of the same word is kept, and where one is undecided.
            mask: ``[B, U]``.
        """
        log_rate = keep_rate.clamp(min=1e-3).log()
        vectors, marginals = context[..., :-2], context[..., -2:]
        tightness = self.tightness(torch.stack([keep_rate, log_rate], -1)).squeeze(-1).sigmoid()
        marginal = tightness * marginals[..., 0] + (1 - tightness) * marginals[..., 1]
        condition = torch.stack([keep_rate, log_rate, noise.expand_as(keep_rate), noise.sqrt() * keep_rate], -1)
        x = vectors + self.marginals(marginals) + self.state(states) + self.condition(condition)
        x = x + self.twin(of_twins)
        columns = mask.unsqueeze(-1)
        for block in self.blocks:
            x = block(x, columns)
        logits: Tensor = marginal + self.logit(self.norm(x)).squeeze(-1)
        return logits

    @staticmethod
    def _of_twins(flag: Tensor, twins: Tensor) -> Tensor:
        """How many other units of the same word have the flag, capped at one: ``[B, U]``."""
        own = flag.float()
        count = torch.zeros_like(own).scatter_add_(1, twins, own)
        return (count.gather(1, twins) - own).clamp(max=1)


@dataclass
class DiffuMaskOutput(ModelOutput):
    """Output of `DiffuMaskModel`.

    Attributes:
        logits: ``[B, U]``, the logit of "keep" with every unit undecided.
        hidden: ``[B, U, D]``, one vector a unit.
        context: ``[B, U, W + 2]``, what the denoiser is given at each step.
    """

    logits: Tensor | None = None
    hidden: Tensor | None = None
    context: Tensor | None = None


class DiffuMaskModel(PreTrainedModel):
    """Trunk, upper layers, comparer and denoiser in one pretrained folder."""

    config: DiffuMaskConfig
    middle: Tensor
    config_class = DiffuMaskConfig
    base_model_prefix = "diffumask"

    def __init__(self, config: DiffuMaskConfig) -> None:
        super().__init__(config)
        self.encoder: Any = new_trunk(config.encoder_config)
        hidden = self.encoder.config.hidden_size
        width = config.denoiser_width
        self.upper = Layers(config, hidden, config.upper_layers)
        self.comparer = Layers(config, hidden, config.comparer_layers)
        self.register_buffer("middle", torch.zeros(2, hidden))
        self.shape = nn.Linear(config.shape_features, hidden)
        self.norm = nn.LayerNorm(hidden)
        self.marginals = nn.Linear(hidden, 2)
        self.project = nn.Sequential(
            nn.Linear(hidden, 2 * width), nn.GELU(), nn.Linear(2 * width, width), nn.LayerNorm(width)
        )
        self.denoiser = Denoiser(config)
        self.post_init()  # type: ignore[no-untyped-call]
        # Here, since transformers initialises no module that has no weights of its own.
        self.denoiser.change_nothing()

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear | nn.Conv1d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="linear")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=self.config.initializer_range)
        elif isinstance(module, nn.LayerNorm):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: Any, *args: Any, **kwargs: Any) -> Any:
        """As in transformers. Packed weights (see `weights`) are unpacked."""
        folder = Path(pretrained_model_name_or_path)
        if not folder.is_dir():
            folder = Path(snapshot_download(str(pretrained_model_name_or_path)))
        config = kwargs.pop("config", None) or cls.config_class.from_pretrained(folder)
        weights = {name: torch.from_numpy(value) for name, value in unpack(load_file(folder / WEIGHTS_FILE)).items()}
        return super().from_pretrained(None, *args, config=config, state_dict=weights, **kwargs)

    def packed_weights(self, smoothing: Mapping[str, npt.NDArray[np.float32]] | None = None) -> Weights:
        """The weights as they are stored, those that go by several names once; see `weights.pack`."""
        stored = set(self.names_of_weights().values())
        weights = {name: value.float().cpu().numpy() for name, value in self.state_dict().items() if name in stored}
        of_modules = self.named_modules(remove_duplicate=False)
        vocabularies = {f"{name}.weight" for name, module in of_modules if isinstance(module, nn.Embedding)}
        return pack(weights, smoothing, vocabularies)

    def names_of_weights(self) -> dict[str, str]:
        """Under which name each weight is stored: its first one, or its own where it is no parameter."""
        first: dict[int, str] = {}
        parameters = self.named_parameters(remove_duplicate=False)
        names = {name: first.setdefault(id(parameter), name) for name, parameter in parameters}
        return names | {name: name for name in self.state_dict() if name not in names}

    def read(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Runs the trunk: token arrays ``[B, L]`` to the vectors of tokens ``[B, L, D]``."""
        hidden: Tensor = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        return hidden

    def encode(self, input_ids: Tensor, attention_mask: Tensor, unit_of_token: Tensor, units: int) -> Tensor:
        """Runs the trunk: token arrays ``[B, L]`` to the vectors of units ``[B, U, D]``."""
        return pool_tokens(self.read(input_ids, attention_mask).float(), unit_of_token, units)

    def compare(self, vectors: Tensor, roles: Tensor, mask: Tensor) -> Tensor:
        """The comparer's vectors of unit length ``[B, U, D]``, from those of the trunk.

        They are taken from the middle of all words of texts and that of all words of queries: sentence encoders put all
        of them into one corner of their space, where cosines hardly differ. Shapes as in `Layers.forward`.
        """
        hidden = self.comparer(vectors, roles, mask).float()
        return F.normalize(hidden - F.embedding(roles, self.middle), dim=-1)

    def contextualise(self, hidden: Tensor, shapes: Tensor) -> Tensor:
        """The denoiser's context ``[B, U, W + 2]`` from ``[B, U, D]`` and shape features ``[B, U, F]``.

        Its last two channels are the logits of "keep" at the tight and the light level, with nothing decided.
        """
        seen = self.norm(hidden + self.shape(shapes))
        return torch.cat([self.project(seen), self.marginals(seen)], -1)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        unit_of_token: Tensor,
        shapes: Tensor,
        twins: Tensor,
        unit_mask: Tensor,
        keep_rate: Tensor,
    ) -> DiffuMaskOutput:
        """Encodes a batch of windows without a query and scores every unit in one step.

        Shapes as in the module's methods.
        """
        vectors = self.encode(input_ids, attention_mask, unit_of_token, shapes.shape[1])
        hidden = self.upper(vectors, torch.zeros_like(twins), unit_mask)
        context = self.contextualise(hidden, shapes)
        states = torch.full_like(twins, UNDECIDED)
        logits = self.denoiser(context, states, torch.ones_like(keep_rate[:, :1]), keep_rate, twins, unit_mask)
        return DiffuMaskOutput(logits=logits, hidden=hidden, context=context)


AutoConfig.register("diffumask", DiffuMaskConfig, exist_ok=True)
AutoModel.register(DiffuMaskConfig, DiffuMaskModel, exist_ok=True)
