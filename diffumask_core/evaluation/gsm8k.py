"""Chain-of-thought exemplars: how often every calculation and the final answer survive."""

from collections.abc import Callable, Mapping, Sequence

from diffumask_core.compressor import Compressor
from diffumask_core.datasets import Exemplar, LabelRow, SolutionRow, exemplar_of, is_held_out
from diffumask_core.evaluation import baselines
from diffumask_core.evaluation.curves import Trial
from diffumask_core.prompt.prompt import Prompt
from diffumask_core.prompt.spans import Span
from diffumask_core.rendering.join import join_spans
from diffumask_core.tokens import TokenizerLike, get_counter

KEEP_RATES = (0.6, 0.4, 0.25)
EXEMPLARS = 500
SHOTS = 8

Compress = Callable[[Exemplar, Sequence[int]], Sequence[Sequence[Span]]]
"""From an exemplar and numbers of tokens to the spans of it that are left at each."""


def held_out_exemplars(rows: Sequence[SolutionRow], labels: Sequence[LabelRow], split: str) -> list[Exemplar]:
    """The first `EXEMPLARS` problems that neither training nor a label row has seen."""
    labelled = {label.source for label in labels}
    chosen = [row for number, row in enumerate(rows) if is_held_out(row) and f"gsm8k/{split}/{number}" not in labelled]
    return [exemplar_of(row) for row in chosen[:EXEMPLARS]]


def calculations_left(
    exemplars: Sequence[Exemplar], compress: Compress, keep_rates: Sequence[float], tokenizer: TokenizerLike
) -> dict[str, float]:
    """The share of exemplars with all that is required left, at each share of their tokens."""
    counter = get_counter(tokenizer)
    whole = dict.fromkeys(keep_rates, 0)
    for exemplar in exemplars:
        tokens = counter.count(exemplar.text)
        left = compress(exemplar, [max(int(rate * tokens), 1) for rate in keep_rates])
        for rate, spans in zip(keep_rates, left, strict=True):
            whole[rate] += all(_covered(required, spans) for required in exemplar.required)
    return {str(rate): round(count / len(exemplars), 4) for rate, count in whole.items()}


def _covered(span: Span, spans: Sequence[Span]) -> bool:
    # Digits of one number may be several units ("50:40"), which then lie in spans side by side.
    at = span[0]
    for start, end in spans:
        if start <= at < end:
            at = end
    return at >= span[1]


def with_compressor(compressor: Compressor, tokenizer: TokenizerLike, steps: int) -> Compress:
    """Ours: the exemplar is one shot, whose rationale may be shortened."""

    def compress(exemplar: Exemplar, budgets: Sequence[int]) -> Sequence[Sequence[Span]]:
        prompt = Prompt(shots=[exemplar.text])
        result = compressor.compress(
            prompt,
            target_tokens=budgets[0],
            tokenizer=tokenizer,
            steps=steps,
            compress_rationales=True,
            on_overflow="best_effort",
        )
        return [result.at(target_tokens=tokens).spans for tokens in budgets]

    return compress


def with_oracle(compressor: Compressor, tokenizer: TokenizerLike) -> Compress:
    """The most that is possible: all that is required, where with what always stays it fits, else nothing."""

    def compress(exemplar: Exemplar, budgets: Sequence[int]) -> Sequence[Sequence[Span]]:
        # With the whole text kept nothing is encoded; what must stay is counted all the same.
        whole = compressor.compress(
            Prompt(shots=[exemplar.text]),
            keep_rate=1.0,
            tokenizer=tokenizer,
            protect=exemplar.required,
            compress_rationales=True,
        )
        return [exemplar.required if whole.protected_tokens <= tokens else [] for tokens in budgets]

    return compress


def baseline_compressors(exemplars: Sequence[Exemplar], tokenizer: TokenizerLike) -> Mapping[str, Compress]:
    """Units at random, from the beginning, and by inverse document frequency."""
    counter = get_counter(tokenizer)

    def by(scores: baselines.UnitScores) -> Compress:
        def compress(exemplar: Exemplar, budgets: Sequence[int]) -> Sequence[Sequence[Span]]:
            def cost(spans: Sequence[Span]) -> int:
                return counter.count(join_spans(exemplar.text, list(spans)))

            return [baselines.keep_best(exemplar.text, scores, cost, tokens) for tokens in budgets]

        return compress

    return {
        "random": by(baselines.random_scores),
        "lead": by(baselines.lead_scores),
        "idf": by(baselines.idf_scores([exemplar.text for exemplar in exemplars])),
    }


def gsm8k_trials(rows: Sequence[SolutionRow], exemplars: Sequence[Exemplar]) -> list[list[Trial]]:
    """Test problems after the first `SHOTS` exemplars, for a reader."""
    prompt = Prompt(shots=[exemplar.text for exemplar in exemplars[:SHOTS]])
    return [
        [
            Trial(
                prompt,
                f"Question: {row.question.strip()}\nLet's think step by step.\n",
                (row.answer.rpartition("####")[2].strip(),),
            )
            for row in rows
        ]
    ]
