"""The errors that DiffuMask raises.

DiffuMaskError
├── InputError (ValueError)        an argument or a text that cannot be used
│   ├── BudgetError                the protected text alone is longer than the budget
│   └── TokenizerError             no token counter of that name
├── ModelError (OSError)           a model folder that is missing, incomplete or of another version
└── DataError (ValueError)         a data file with a broken line
"""


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


class TokenizerError(InputError):
    """No token counter of that name can be had on this machine."""


class ModelError(DiffuMaskError, OSError):
    """A model folder that is missing, incomplete or of another version."""


class DataError(DiffuMaskError, ValueError):
    """A data file with a broken line."""
