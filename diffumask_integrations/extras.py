"""Extras: what to install when a framework is missing."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def needs_extra(extra: str) -> Iterator[None]:
    """Around the imports of an adapter's framework: an import that fails says which extra brings it.

    Raises:
        ImportError: The framework is not installed, or in a version that this adapter does not know.
    """
    try:
        yield
    except ImportError as error:
        missing = isinstance(error, ModuleNotFoundError)
        problem = "is not installed" if missing else f"is installed in a version that does not fit ({error})"
        msg = f'{error.name} {problem}, which this adapter needs: pip install "diffumask[{extra}]".'
        raise ImportError(msg, name=error.name) from error
