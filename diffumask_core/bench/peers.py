"""LLMLingua-2 as its own package runs it, on random networks of the shape of its published models.

Random weights drop the wrong words, but take as long. Nothing is downloaded: the vocabulary is made of the pieces of
the bundled tokenizer, as many as theirs has, the likeliest first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tokenizers import Tokenizer

from diffumask_core.bench.contestants import KEEP_RATE, Prepare, Run
from diffumask_core.extras import needs_extra
from diffumask_core.model.inputs import batch_windows, describe_units, windows_of
from diffumask_core.model.pretrained import BUNDLED, load_pruner, read_tokenizer
from diffumask_core.tokens import offline
from diffumask_core.units.words import split_words

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

_BEGINS = "\u2581"


@dataclass(frozen=True)
class Shape:
    """The shape of a token classifier.

    Attributes:
        architecture: What transformers calls it.
        layers: How many there are.
        width: Of the vectors; what is between is four times as wide.
        heads: Of the attention.
        positions: The most tokens, with what the architecture leaves free.
        vocabulary: How many tokens it knows.
    """

    architecture: str
    layers: int
    width: int
    heads: int
    positions: int
    vocabulary: int

    def network(self) -> "PreTrainedModel":
        """A random network."""
        from transformers import AutoConfig, AutoModelForTokenClassification

        config = AutoConfig.for_model(
            self.architecture,
            num_hidden_layers=self.layers,
            hidden_size=self.width,
            num_attention_heads=self.heads,
            intermediate_size=4 * self.width,
            max_position_embeddings=self.positions,
            vocab_size=self.vocabulary,
            pad_token_id=0,
        )
        network: PreTrainedModel = AutoModelForTokenClassification.from_config(config)
        network.eval()
        return network


MBERT = Shape("bert", layers=12, width=768, heads=12, positions=512, vocabulary=119_547)
XLM_R_LARGE = Shape("xlm-roberta", layers=24, width=1024, heads=16, positions=514, vocabulary=250_002)


@dataclass(frozen=True)
class LLMLingua2:
    """``PromptCompressor.compress_prompt`` of the package llmlingua: its chunks, batches and merging of words."""

    name: str
    shape: Shape

    def load(self) -> Prepare:
        with needs_extra("bench", self.name):
            from llmlingua import PromptCompressor
            from transformers.utils import logging

        logging.set_verbosity_error()  # llmlingua's own tokens make it warn
        # Its constructor would download a vocabulary and weights; this sets what it sets.
        compressor = object.__new__(PromptCompressor)
        compressor.use_llmlingua2 = True
        # Tells it how the tokenizer marks the pieces of a word.
        compressor.model_name = "bert-base-multilingual-cased"
        compressor.tokenizer = _tokenizer(self.shape.vocabulary)
        compressor.oai_tokenizer = offline.load_encoding("cl100k_base")
        compressor.model = self.shape.network()
        compressor.device = "cpu"
        compressor.init_llmlingua2()

        def prepare(prompts: Sequence[str]) -> Run:
            def run() -> Mapping[str, float]:
                # Several prompts are read in one batch; its filter would drop whole ones and run the network twice.
                compressor.compress_prompt(list(prompts), rate=KEEP_RATE, use_context_level_filter=False)
                return {}

            return run

        return prepare


@dataclass(frozen=True)
class ClassifierPass:
    """A forward pass of a token classifier over windows as ours are, and nothing else."""

    name: str
    shape: Shape
    model: str | None

    def load(self) -> Prepare:
        with needs_extra("bench", self.name):
            import torch

            network = self.shape.network()
        pruner = load_pruner(self.model)

        def prepare(prompts: Sequence[str]) -> Run:
            windows = []
            for prompt in prompts:
                offsets = split_words(prompt)
                units = describe_units(prompt, offsets, pruner.tokenizer)
                blocks = [(0, len(offsets))]
                windows += [(units, window) for window in windows_of(units, blocks, pruner.network.settings)]
            batch = batch_windows(windows, pruner.frame)
            ids, mask = torch.from_numpy(batch.input_ids), torch.from_numpy(batch.attention_mask)

            @torch.inference_mode()
            def run() -> Mapping[str, float]:
                network(input_ids=ids, attention_mask=mask)
                return {}

            return run

        return prepare


def _tokenizer(vocabulary: int) -> "PreTrainedTokenizerFast":
    from tokenizers import models, normalizers, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    special = {f"{name.lower()}_token": f"[{name}]" for name in ("PAD", "UNK", "CLS", "SEP", "MASK")}
    pieces = read_tokenizer(BUNDLED / "tokenizer.json").get_vocab()
    # The bundled tokenizer marks where words begin, and theirs where they go on.
    words = (piece[1:] if piece[0] == _BEGINS else f"##{piece}" for piece in sorted(pieces, key=pieces.__getitem__))
    filling = (f"[unused{number}]" for number in range(vocabulary))
    known = list(dict.fromkeys([*special.values(), *filter(None, words), *filling]))[:vocabulary]
    model = models.WordPiece({piece: number for number, piece in enumerate(known)}, unk_token="[UNK]")
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special)
