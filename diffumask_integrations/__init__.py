"""Thin adapters of DiffuMask to LangChain and LlamaIndex; they come in later releases."""
