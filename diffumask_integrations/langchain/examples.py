"""The examples of a few-shot prompt that are worth their tokens."""

from typing import Any, Literal

from pydantic import Field, PositiveInt

from diffumask_core import Prompt, Shot
from diffumask_core.extras import needs_extra
from diffumask_integrations.settings import CompressionSettings

with needs_extra("langchain"):
    from langchain_core.example_selectors import BaseExampleSelector
    from langchain_core.prompts import StringPromptTemplate
    from langchain_core.prompts.chat import BaseChatPromptTemplate


class DiffuMaskExampleSelector(CompressionSettings, BaseExampleSelector):
    """Selects examples for an input: as many as asked for, or as fit a budget, in their order.

    They are ranked by their use for the input, by what they add to better ones, and by the labels they bring: one of
    each label comes before a second one of any. Each is taken whole or left out.

    Example:
        ```python
        selector = DiffuMaskExampleSelector(examples=examples, example_prompt=example_prompt, max_examples=4)
        prompt = FewShotPromptTemplate(example_selector=selector, example_prompt=example_prompt, suffix="Q: {question}")
        ```
    """

    examples: list[dict[str, Any]] = Field(description="What to select from.")
    example_prompt: StringPromptTemplate | BaseChatPromptTemplate | None = Field(
        default=None,
        description="How an example is written out; by default its values, the last one as its answer.",
    )
    max_examples: PositiveInt | None = Field(
        default=None, description="How many to select, in place of target_tokens and keep_rate."
    )
    input_keys: list[str] | None = Field(
        default=None, description="The variables that the examples have to be of use for; all of them by default."
    )
    shot_level: Literal[True] = True
    token_level: Literal[False] = False

    def add_example(self, example: dict[str, Any]) -> None:
        """Adds an example to select from."""
        self.examples.append(example)

    def select_examples(self, input_variables: dict[str, Any]) -> list[dict[str, Any]]:
        """Selects examples.

        Args:
            input_variables: The values of the prompt's variables.
        """
        if not self.examples:
            return []
        names = input_variables if self.input_keys is None else self.input_keys
        query = " ".join(str(input_variables[name]) for name in names)
        prompt = Prompt(shots=[self._shot(example) for example in self.examples])
        if self.max_examples:
            best = self.get_compressor().rank_shots(prompt, query)[: self.max_examples]
            return [self.examples[number] for number in sorted(best)]
        # An example is taken whole, so there is nothing in it to protect.
        options = self.options(query=query, compress_query=True, protect=[])
        shots = self.get_compressor().compress(prompt, **options).shots
        return [example for example, shot in zip(self.examples, shots, strict=True) if shot.fate == "kept"]

    def _shot(self, example: dict[str, Any]) -> Shot:
        if self.example_prompt is not None:
            return Shot(self.example_prompt.format_prompt(**example).to_string())
        *asked, answer = map(str, example.values())
        return Shot(question="\n".join(asked), answer=answer) if asked else Shot(answer)
