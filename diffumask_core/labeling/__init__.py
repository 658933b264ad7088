"""Labels by search: the shortest part of a few-shot prompt with which a reader still answers right."""

from diffumask_core.labeling.label import Labelled, label_prompts
from diffumask_core.labeling.search import Judge, MaskSearch
from diffumask_core.labeling.space import Guide, SearchSpace, read_guide
from diffumask_core.labeling.strategies import STRATEGIES, Strategy

__all__ = [
    "STRATEGIES",
    "Guide",
    "Judge",
    "Labelled",
    "MaskSearch",
    "SearchSpace",
    "Strategy",
    "label_prompts",
    "read_guide",
]
