"""DiffuMask on Ray Data: a class for `map_batches`, and an engine for `diffumask_core.corpus.map_corpus`."""

from diffumask_integrations.ray.engine import run_on_ray
from diffumask_integrations.ray.mapper import DiffuMaskMapper

__all__ = ["DiffuMaskMapper", "run_on_ray"]
