"""The prompts that are compressed, and what is measured on which of them."""

from collections.abc import Sequence
from dataclasses import dataclass

_TOPICS = ("apples", "marbles", "tickets", "stickers", "pencils", "cookies", "seashells", "coins", "books", "stamps")


def few_shot_prompt(shots: int, variant: int = 0, query: bool = True) -> str:
    """A chain-of-thought prompt of about 125 tokens a shot.

    Args:
        shots: How many.
        variant: Every shot and the query differ from those of another variant.
        query: Whether it ends in a problem to solve.
    """
    lines = []
    for number in range(3, 3 + shots):
        topic = _TOPICS[number % len(_TOPICS)]
        total = number * 12 + 7
        lines.append(
            f"Q: A shop at {variant} Long Street sells {topic} in boxes of {number}. On Monday the owner, who had been "
            f"away for a week, sold 12 boxes, and on Tuesday she sold another 7 loose {topic} to a visitor from out of "
            f"town. How many {topic} did she sell on the two days together?\n"
            f"A: Let's think step by step. On Monday she sold 12 boxes of {number} {topic}, which makes "
            f"12 * {number} = {number * 12} {topic}. On Tuesday she sold 7 more. "
            f"In total she sold {number * 12} + 7 = {total} {topic}. The answer is {total}."
        )
    if query:
        lines.append(f"Q: A baker makes 5 trays of {14 + variant} rolls and sells 23. How many rolls are left?\nA:")
    return "\n\n".join(lines)


@dataclass(frozen=True)
class Case:
    """Prompts that are compressed in one call.

    Attributes:
        name: What the table calls them.
        shots: Of each prompt.
        prompts: How many there are.
        query: Whether each has one.
    """

    name: str
    shots: int
    prompts: int = 1
    query: bool = True

    def texts(self, round_: int) -> Sequence[str]:
        """The prompts of a round; no two rounds share a shot, so nothing that was remembered helps in a later one."""
        first = round_ * self.prompts
        return [few_shot_prompt(self.shots, first + number, self.query) for number in range(self.prompts)]
