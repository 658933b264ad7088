"""How likely a reply finds each label, by the log-probabilities that a server reports of its tokens."""

import math
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from diffumask_core.readers.answers import normalise


class Token(BaseModel):
    """A token of a reply, as OpenAI and those who follow it report it."""

    model_config = ConfigDict(extra="ignore")

    token: str
    logprob: float
    top_logprobs: "list[Token]" = []

    @property
    def alternatives(self) -> "list[Token]":
        """What could have stood here: the token itself first, then the others."""
        return [self, *(other for other in self.top_logprobs if other.token != self.token)]


def label_shares(labels: Sequence[str], tokens: Sequence[Token]) -> dict[str, float]:
    """The probability of each label at the place where a reply names one.

    That is the first token with which a label begins in the reply, or the first of all where none does. Each of its
    alternatives counts for the label that it begins, whatever the case and the marks around it. Labels that begin alike
    are told apart along the reply; an alternative that the reply does not take is divided among them.

    Args:
        labels: The answers to choose among.
        tokens: Of the reply, in order.

    Returns:
        A share for each label; nothing where no alternative begins any.
    """
    spelled = {words: label for label in labels if (words := normalise(label))}
    if not spelled or not tokens:
        return {}
    written = (normalise("".join(token.token for token in tokens[at:])) for at in range(len(tokens)))
    start = next((at for at, words in enumerate(written) if words.startswith(tuple(spelled))), 0)
    shares = _shares(list(spelled), tokens[start:], "")
    return {spelled[words]: share for words, share in shares.items()} if any(shares.values()) else {}


def _shares(labels: Sequence[str], tokens: Sequence[Token], said: str) -> dict[str, float]:
    """The probability of each label at the first of the tokens, after what has been said of it."""
    shares = dict.fromkeys(labels, 0.0)
    before = normalise(said)
    for other in tokens[0].alternatives:
        begun = normalise(said + other.token)
        fitting = [label for label in labels if label.startswith(begun)]
        # "good" has ended where neither "good enough" nor another label goes on from it.
        if before in labels and (begun == before or not fitting):
            fitting = [before]
        if other is tokens[0] and tokens[1:] and fitting not in ([], [begun], [before]):
            parts = _shares(fitting, tokens[1:], said + other.token)
        else:
            named = [begun] if begun in fitting else fitting if begun else []
            parts = {label: 1 / len(named) for label in named}
        for label, part in parts.items():
            shares[label] += math.exp(other.logprob) * part
    return shares
