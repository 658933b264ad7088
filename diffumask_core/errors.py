"""The errors that DiffuMask raises.

DiffuMaskError
├── InputError (ValueError)          an argument or a text that cannot be used
│   ├── BudgetError                  the protected text alone is longer than the budget
│   ├── MarkError                    a mark that stands for nothing that was left out
│   ├── ResumeError                  an output folder with something else in it
│   └── TokenizerError               no token counter of that name
├── MissingExtraError (ImportError)  a package that an extra brings is not installed
├── ModelError (OSError)             a model folder that is missing, incomplete or of another version
├── DataError (ValueError)           a data file with a broken line
├── ReaderError (RuntimeError)       a reader that gave no reply
│   └── ReaderBudgetError            its limit of calls or tokens is reached
└── WorkerError (RuntimeError)       a worker that could not do its work on a corpus
"""

from collections.abc import Sequence


class DiffuMaskError(Exception):
    """Base of all errors of this package."""


class InputError(DiffuMaskError, ValueError):
    """An argument or a text that cannot be used."""


class BudgetError(InputError):
    """The protected text alone is longer than the budget.

    Attributes:
        budget: The token limit that was asked for.
        protected_tokens: Tokens of the text that may not go.
    """

    def __init__(self, budget: int, protected_tokens: int) -> None:
        self.budget = budget
        self.protected_tokens = protected_tokens
        super().__init__(
            f"The protected text alone has {protected_tokens} tokens, more than the budget of {budget}: raise "
            f'target_tokens to at least {protected_tokens}, protect less, or pass on_overflow="best_effort" to get '
            "the protected text back."
        )


class MarkError(InputError):
    """A mark that stands for nothing that was left out of a conversation.

    Attributes:
        mark: What was asked for.
        known: The names of the marks that there are, the newest first.
    """

    _SHOWN = 5
    _LONG = 60

    def __init__(self, mark: str, known: Sequence[str]) -> None:
        self.mark = mark
        self.known = tuple(known)
        shown = ", ".join(f"#{name}" for name in self.known[: self._SHOWN])
        more = f" and {len(self.known) - self._SHOWN} more" if len(self.known) > self._SHOWN else ""
        there = f"pass one of the names that there are, such as {shown}{more}" if shown else "there is no named mark"
        # What an agent asks for may be anything.
        short = mark if len(mark) <= self._LONG else f"{mark[: self._LONG]}…"
        super().__init__(f"Nothing was left out under the mark {short!r}: {there}.")

    def __reduce__(self) -> tuple[type["MarkError"], tuple[str, Sequence[str]]]:
        return type(self), (self.mark, self.known)


class ResumeError(InputError):
    """An output folder that holds something else than the run that is to go on there."""


class TokenizerError(InputError):
    """No token counter of that name can be had on this machine."""


class MissingExtraError(DiffuMaskError, ImportError):
    """A package that is not installed, or in a version that does not fit. The message names the extra that brings it.

    Attributes:
        name: The module that could not be imported, as in every `ImportError`.
    """


class ModelError(DiffuMaskError, OSError):
    """A model folder that is missing, incomplete or of another version."""


class DataError(DiffuMaskError, ValueError):
    """A data file with a broken line."""


class ReaderError(DiffuMaskError, RuntimeError):
    """A reader that gave no reply to a question."""


class ReaderBudgetError(ReaderError):
    """A reader's limit of calls or tokens would be exceeded. Replies that are finished are kept.

    Attributes:
        limit: ``"max_calls"`` or ``"max_tokens"``.
        allowed: The limit.
        needed: As many as there would be with the next call.
    """

    def __init__(self, limit: str, allowed: int, needed: int) -> None:
        self.limit = limit
        self.allowed = allowed
        self.needed = needed
        super().__init__(
            f"The next call would make {needed} {limit.removeprefix('max_')}, more than {limit}={allowed}: raise the "
            "limit and ask again. Replies that are finished are kept."
        )


class WorkerError(DiffuMaskError, RuntimeError):
    """A worker that could not do its work on a corpus: it died again and again, or met an error far from here."""


def kind_of(value: object) -> str:
    """The type of a value with its article, as a message says it: ``a list``, ``an int``."""
    name = type(value).__name__
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"
