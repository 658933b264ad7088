"""Counting tokens as the target LLM counts them, without a network."""

from diffumask_core.tokens.counters import TokenCounter, TokenizerLike, get_counter

__all__ = ["TokenCounter", "TokenizerLike", "get_counter"]
