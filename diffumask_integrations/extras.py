"""Extras: what to install when a framework is missing."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def needs_extra(extra: str) -> Iterator[None]:
    """Around the imports of an adapter's framework: an import that fails says which extra brings it.

    Raises:
        ImportError: The framework is not installed.
    """
    try:
        yield
    except ImportError as error:
        msg = (
            f'{error.name or "A package"} is not installed, which this adapter needs: pip install "diffumask[{extra}]".'
        )
        raise ImportError(msg, name=error.name) from error
