"""Thin adapters of DiffuMask to LangChain and LlamaIndex; each imports its own framework only."""
