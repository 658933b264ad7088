"""Readers: what reads a compressed prompt and is judged by its answers."""

from diffumask_core.readers.causal_lm import CausalLMReader
from diffumask_core.readers.cost import Cost, PaidReader
from diffumask_core.readers.nearest import NearestExemplarReader
from diffumask_core.readers.protocol import Question, Reader

__all__ = ["CausalLMReader", "Cost", "NearestExemplarReader", "PaidReader", "Question", "Reader"]
