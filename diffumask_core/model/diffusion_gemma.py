"""DiffusionGemma as a trunk; see `trunks`."""

from typing import Any

import torch
from torch import Tensor
from transformers.masking_utils import create_bidirectional_mask
from transformers.models.diffusion_gemma.modeling_diffusion_gemma import DiffusionGemmaEncoderTextModel


class DiffusionGemmaTrunk(DiffusionGemmaEncoderTextModel):
    """The text part of DiffusionGemma as its decoder runs it on a canvas that nothing precedes.

    All tokens see each other in every layer. The configuration's own mode for that, ``use_bidirectional_attention``,
    narrows the windows of the layers that have some, and fails in transformers 5.23.
    """

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Any:
        """Token arrays ``[B, L]`` to the vectors of tokens ``[B, L, D]``."""
        embedded = self.embed_tokens(input_ids)
        # What the decoder does with a token where no step has been taken before.
        normalised = embedded * torch.rsqrt(embedded.square().mean(-1, keepdim=True) + self.config.rms_norm_eps)
        mask = create_bidirectional_mask(
            config=self.config,
            inputs_embeds=normalised,
            attention_mask=attention_mask,
            # Without a mask its attention looks back only.
            allow_is_bidirectional_skip=False,
        )
        of_layers = dict.fromkeys(self.unique_layer_types, mask)
        return super().forward(inputs_embeds=normalised, attention_mask=of_layers)
