"""A reader that is a causal language model of Hugging Face, on this machine."""

from collections.abc import Iterator, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from diffumask_core.errors import InputError, ModelError
from diffumask_core.extras import needs_extra
from diffumask_core.readers.answers import final_answer, full_text
from diffumask_core.readers.protocol import Question

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_SHOT_END = "\n\n"


class _Scored(NamedTuple):
    tokens: list[int]
    start: int  # where the answer begins in them


class CausalLMReader:
    """Answers as a causal language model goes on after the prompt and the query.

    Of labels it gives the likeliest; where any text may be the answer, it writes one, up to a blank line. It reads
    plain text: give a model that wants a chat template to LangChain and take a `ChatModelReader`.
    """

    def __init__(
        self,
        model: "PreTrainedModel",
        tokenizer: "PreTrainedTokenizerBase",
        *,
        name: str | None = None,
        batch_size: int = 8,
        max_new_tokens: int = 256,
    ) -> None:
        """Takes a loaded model.

        Args:
            model: It is run where it is, and as it is.
            tokenizer: Its tokenizer.
            name: What figures are told under; by default the model's own.
            batch_size: How many texts are read at once.
            max_new_tokens: The most tokens of an answer that is written.
        """
        self.name = name or model.config.name_or_path or model.config.model_type
        self._model: Any = model  # transformers wraps it without its types
        self._tokenizer = tokenizer
        self._batch_size = batch_size
        self._max_new_tokens = max_new_tokens

    @classmethod
    def from_pretrained(cls, model: str | PathLike[str], device: str | None = None, **options: Any) -> "CausalLMReader":
        """Loads a model.

        Args:
            model: A folder, or a name on the Hugging Face hub.
            device: Where to run it, such as ``"cuda"``; the CPU by default.
            **options: As of the class.

        Raises:
            MissingExtraError: torch or transformers is not installed.
            ModelError: It cannot be loaded.
        """
        with needs_extra("torch", f"the model {model}"):
            import torch
            from transformers import AutoModelForCausalLM, AutoTokenizer
        try:
            loaded: Any = AutoModelForCausalLM.from_pretrained(model, dtype="auto")
            loaded.to(torch.device(device or "cpu"))
            tokenizer = AutoTokenizer.from_pretrained(model)
        # A tokenizer of another kind may need a package that no extra brings.
        except (ImportError, OSError, ValueError) as error:
            raise ModelError(f"There is no causal language model in {model} that can be loaded: {error}") from error
        return cls(loaded, tokenizer, **{"name": Path(model).name, **options})

    def answers(self, questions: Sequence[Question]) -> list[str]:
        """The likeliest of its labels to each question, or where it has none what the model writes."""
        answers = [""] * len(questions)
        open_ended = [number for number, question in enumerate(questions) if not question.labels]
        replies = self._continuations([full_text(questions[number]) for number in open_ended])
        for number, reply in zip(open_ended, replies, strict=True):
            answers[number] = final_answer(reply)
        choices = [(number, label) for number, question in enumerate(questions) for label in question.labels]
        scores = self._log_likelihoods([(full_text(questions[number]), label) for number, label in choices])
        best: dict[int, float] = {}
        for (number, label), score in zip(choices, scores, strict=True):
            if score > best.get(number, -np.inf):
                best[number], answers[number] = score, label
        return answers

    def log_probabilities(self, questions: Sequence[Question]) -> list[float]:
        """The log-likelihood of each question's answer after its prompt and query, summed over its tokens."""
        return self._log_likelihoods([(full_text(question), question.answer) for question in questions])

    def _log_likelihoods(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        """Of each pair's second text after the first."""
        import torch

        scored = [self._encode(*pair) for pair in pairs]
        found = [0.0] * len(scored)
        for numbers in self._batches([len(tokens) for tokens, _ in scored]):
            group = [scored[number] for number in numbers]
            # What comes after a token does not change what is told of it: rows can be filled up at their ends.
            ids, mask = self._padded([tokens[:-1] for tokens, _ in group], side="right")
            first = min(start for _, start in group) - 1
            kept = ids.shape[1] - first
            with torch.inference_mode():
                output = self._model(input_ids=ids, attention_mask=mask, use_cache=False, logits_to_keep=kept)
            logits = output.logits[:, -kept:]
            for row, (number, (tokens, start)) in enumerate(zip(numbers, group, strict=True)):
                told = logits[row, start - 1 - first : len(tokens) - 1 - first].float().log_softmax(-1)
                answer = torch.tensor(tokens[start:], device=told.device)
                found[number] = float(told.gather(-1, answer[:, None]).sum())
        return found

    def _continuations(self, texts: Sequence[str]) -> list[str]:
        """What the model writes after each text, taking the likeliest token each time."""
        import torch

        tokenizer = self._tokenizer
        prompts = [self._checked(tokenizer(text.rstrip())["input_ids"], self._max_new_tokens) for text in texts]
        found = [""] * len(prompts)
        for numbers in self._batches([len(tokens) for tokens in prompts]):
            ids, mask = self._padded([prompts[number] for number in numbers], side="left")
            with torch.inference_mode():
                written = self._model.generate(
                    input_ids=ids,
                    attention_mask=mask,
                    do_sample=False,
                    max_new_tokens=self._max_new_tokens,
                    stop_strings=[_SHOT_END],
                    tokenizer=tokenizer,
                    pad_token_id=self._padding,
                )
            replies = tokenizer.batch_decode(written[:, ids.shape[1] :], skip_special_tokens=True)
            for number, reply in zip(numbers, replies, strict=True):
                found[number] = reply.partition(_SHOT_END)[0].strip()
        return found

    def _encode(self, before: str, answer: str) -> _Scored:
        # Most tokenizers read a space as part of the word after it.
        context = before.rstrip()
        gap = before[len(context) :] or " "
        tokens = self._tokenizer(context + gap + answer)["input_ids"]
        alone = self._tokenizer(context)["input_ids"]
        start = next(
            (at for at, (one, other) in enumerate(zip(tokens, alone, strict=False)) if one != other), len(alone)
        )
        if not start:
            raise InputError(f"There is nothing before the answer {answer!r}: a question needs a query.")
        return _Scored(self._checked(tokens, 0), start)

    def _checked(self, tokens: list[int], more: int) -> list[int]:
        limit = getattr(self._model.config.get_text_config(), "max_position_embeddings", None)
        if limit and len(tokens) + more > limit:
            raise InputError(
                f"A prompt has {len(tokens)} tokens, and {self.name} reads at most {limit}"
                f"{f', {more} of them for its answer' if more else ''}: give it fewer shots."
            )
        return tokens

    def _batches(self, lengths: Sequence[int]) -> Iterator[list[int]]:
        """Numbers of texts of like length."""
        order = sorted(range(len(lengths)), key=lengths.__getitem__)
        for first in range(0, len(order), self._batch_size):
            yield order[first : first + self._batch_size]

    def _padded(self, rows: Sequence[list[int]], side: str) -> "tuple[torch.Tensor, torch.Tensor]":
        """Token ids ``[B, T]``, filled up at their ``"left"`` or ``"right"``, and a mask that tells what is filled."""
        import torch
        from torch.nn.utils.rnn import pad_sequence

        ids = [torch.tensor(row, device=self._model.device) for row in rows]
        return (
            pad_sequence(ids, batch_first=True, padding_value=self._padding, padding_side=side),
            pad_sequence([torch.ones_like(row) for row in ids], batch_first=True, padding_side=side),
        )

    @property
    def _padding(self) -> int:
        """A token that is no part of any text."""
        tokenizer = self._tokenizer
        given = (token for token in (tokenizer.pad_token_id, tokenizer.eos_token_id) if token is not None)
        padding: int = next(given, 0)
        return padding
