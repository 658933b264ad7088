"""Extras: what to install when an import fails."""

from collections.abc import Iterator
from contextlib import contextmanager

from diffumask_core.errors import MissingExtraError


@contextmanager
def needs_extra(extra: str, needed_by: str = "this adapter") -> Iterator[None]:
    """Around the imports of packages that an extra brings: an import that fails says which extra it is.

    Args:
        extra: The extra's name in ``pip install "diffumask[...]"``.
        needed_by: What needs the packages, for the error.

    Raises:
        MissingExtraError: A package is not installed, or in a version that does not fit.
    """
    try:
        yield
    except MissingExtraError:
        raise
    except ImportError as error:
        missing = isinstance(error, ModuleNotFoundError)
        problem = "is not installed" if missing else f"is installed in a version that does not fit ({error})"
        msg = f'{error.name} {problem}, which {needed_by} needs: pip install "diffumask[{extra}]".'
        raise MissingExtraError(msg, name=error.name) from error
