"""Adapters of DiffuMask to frameworks."""
