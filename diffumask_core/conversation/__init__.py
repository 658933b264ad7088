"""Conversations that grow: which messages are old, what is left of them, and what can be had back."""
