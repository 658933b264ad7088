"""The one public entry: a prompt goes in, a shorter one comes out.

text, Prompt or messages --layout--> structure --units--> Document
  --encode (once)--> scores --shots--> which shots stay --denoise--> which units stay --fit--> exact budget
  --assemble--> CompressionResult
"""

import logging
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from os import PathLike
from typing import Any, Literal, Unpack

import numpy as np
import numpy.typing as npt

from diffumask_core.calibration import Calibration, Example, calibrate
from diffumask_core.diffusion.sampler import Predict, budget_threshold, sample_mask
from diffumask_core.diffusion.states import DROP, KEEP, UNDECIDED
from diffumask_core.errors import BudgetError, InputError
from diffumask_core.model.cache import EncodingCache
from diffumask_core.model.pretrained import Runtime, load_pruner
from diffumask_core.model.pruner import Encoding, Pruner
from diffumask_core.options import CompressionOptions, Options
from diffumask_core.prompt.assemble import join_spans, kept_spans
from diffumask_core.prompt.document import Document
from diffumask_core.prompt.json_values import find_json
from diffumask_core.prompt.layout import Layout
from diffumask_core.prompt.messages import messages_layout, rebuild
from diffumask_core.prompt.parse import parse_layout
from diffumask_core.prompt.prompt import Prompt
from diffumask_core.prompt.protect import protected_spans, user_spans
from diffumask_core.prompt.spans import Span, clip_spans
from diffumask_core.readers import Reader
from diffumask_core.result import CompressionResult, ShotResult
from diffumask_core.scoring.fit import fit_budget
from diffumask_core.scoring.shots import (
    READABLE_SHARE,
    ShotCosts,
    choose_shots,
    rank_shots,
    retrieval_utilities,
    unit_bias,
)
from diffumask_core.tokens import TokenCounter, get_counter

logger = logging.getLogger("diffumask")

BoolArray = npt.NDArray[np.bool_]
Rebuild = Callable[[Sequence[str | None]], list[dict[str, Any]]]


class Compressor:
    """Shortens prompts within a token budget.

    A compressor has no state of its own besides its model: the same input gives the same output, alone or in a
    batch, and many threads may use one.
    """

    def __init__(self, pruner: Pruner, calibration: Calibration | None = None) -> None:
        """Makes a compressor.

        Args:
            pruner: Its model.
            calibration: What says how much to keep where a call does not; see `calibrate`.
        """
        self._pruner = pruner
        self.calibration = calibration

    @property
    def cache(self) -> EncodingCache | None:
        """The cache that it was loaded with."""
        return self._pruner.cache

    @classmethod
    def from_pretrained(
        cls,
        model: str | PathLike[str] | None = None,
        device: str | None = None,
        *,
        runtime: Runtime | None = None,
        threads: int | None = None,
        cache: EncodingCache | None = None,
    ) -> "Compressor":
        """Loads a model.

        Args:
            model: A folder with a model; None for the one that comes with the package. A name that is no folder is
                looked up on the Hugging Face hub.
            device: Where torch is to run it, such as ``"cuda"``; the CPU by default.
            runtime: ``"onnx"`` for ONNX Runtime in 8-bit integers on the CPU, the default where the model has been
                exported for it and no device is named; else ``"torch"``, which needs the extra of that name.
            threads: How many threads compute at once on the CPU; by default one for each core.
            cache: Where what has been read is kept, so that the same exemplar, passage or message is encoded once.

        Raises:
            InputError: A runtime that cannot run on the device.
            ModelError: There is no such model, it is incomplete or of another version, or its runtime is not installed.
        """
        return cls(load_pruner(model, device, runtime, threads, cache))

    def compress(self, prompt: str | Prompt, **options: Unpack[CompressionOptions]) -> CompressionResult:
        """Shortens a prompt.

        Args:
            prompt: A text, whose structure is found, or a `Prompt`, whose structure is given.
            **options: How; one of ``keep_rate`` and ``target_tokens`` is needed. See `Options`.

        Raises:
            InputError: The text is empty, or an option is not possible.
            BudgetError: The protected text alone is longer than the budget.
        """
        chosen = self._options(options)
        with _stopwatch() as clock:
            if isinstance(prompt, Prompt):
                layout = prompt.layout
            elif isinstance(prompt, str):
                layout = parse_layout(prompt)
            else:
                raise InputError(
                    f"A {type(prompt).__name__} cannot be compressed here: pass a string or a Prompt; for a list of "
                    "chat messages call compress_messages."
                )
            if not layout.text:
                raise InputError("The text is empty: there is nothing to compress.")
            layout = replace(layout, json=find_json(layout.text), query_stays=not chosen.compress_query)
            reading = self._read(layout, chosen)
        return reading.decide(chosen, {"parse": clock.seconds})

    def compress_messages(
        self,
        messages: Sequence[Mapping[str, Any]],
        *,
        keep: Collection[int] = (),
        **options: Unpack[CompressionOptions],
    ) -> CompressionResult:
        """Shortens a conversation in the OpenAI chat format; the result has ``messages`` of the same shape.

        System messages and the last user message come out unchanged. Past turns (a user message and all up to the
        next one, with their tool calls) are shots; what is not text is not touched.

        Args:
            messages: Dicts with ``role`` and ``content``, as for a chat completion. Other keys stay as they are.
            keep: Indices of further messages that come out unchanged.
            **options: As for `compress`.

        Raises:
            InputError: A message is not of that form, there is no text in them, there is no message of an index in
                ``keep``, or an option is not possible.
            BudgetError: The protected text alone is longer than the budget.
        """
        chosen = self._options(options)
        with _stopwatch() as clock:
            laid_out = messages_layout(messages, keep, chosen.compress_instructions, chosen.compress_query)
            if not laid_out.layout.text.strip():
                raise InputError("There is no text in the messages: there is nothing to compress.")
            reading = self._read(laid_out.layout, chosen, lambda texts: rebuild(laid_out, messages, texts))
        return reading.decide(chosen, {"parse": clock.seconds})

    def compress_batch(
        self, prompts: Iterable[str | Prompt], **options: Unpack[CompressionOptions]
    ) -> list[CompressionResult]:
        """Shortens several prompts with the same options: the same results as one by one.

        Each prompt's windows form batches of their own. On a CPU that costs little, and a result can never depend on
        what happens to be compressed beside it.
        """
        return [self.compress(prompt, **options) for prompt in prompts]

    def calibrate(
        self,
        examples: Sequence[Example],
        reader: Reader,
        min_quality: float = 0.98,
        confidence: float = 0.95,
        **options: Unpack[CompressionOptions],
    ) -> "Compressor":
        """Finds how much has to be kept for a task, by asking a reader.

        Args:
            examples: Prompts with the right answers.
            reader: What reads the compressed prompts.
            min_quality: Of the answers that are right with the whole prompt, the share that must stay right.
            confidence: How sure that is to be.
            **options: As for `compress`, without a budget.

        Returns:
            A compressor with the same model that keeps as much as was found where a call names no budget; its
            ``calibration`` has the evidence. See `calibration.calibrate`.
        """
        found = calibrate(self, examples, reader, min_quality=min_quality, confidence=confidence, **options)
        return Compressor(self._pruner, found)

    def _options(self, given: CompressionOptions) -> Options:
        if self.calibration and given.get("keep_rate") is None and given.get("target_tokens") is None:
            given = {**given, "keep_rate": self.calibration.keep_rate}
        return Options(**given)

    def _read(self, layout: Layout, options: Options, rebuilder: Rebuild | None = None) -> "_Reading":
        if options.compress_instructions and layout.instructions:
            layout = replace(layout, instructions=None)
        text = layout.text
        query = options.query or (text[slice(*layout.query)] if layout.query else "")
        protect = user_spans(text, options.protect)
        marked = [
            (start + first, start + last)
            for start, end in layout.segments
            for first, last in protected_spans(text[start:end])
        ]
        if options.query and not options.compress_query and (at := text.rfind(options.query)) >= 0:
            protect.append((at, at + len(options.query)))
        document = Document.of(layout, protect, marked, keep_every_segment=rebuilder is not None)
        return _Reading(document, get_counter(options.tokenizer), self._pruner, query, rebuilder)


class _Reading:
    """A prompt that has been read: what there is to decide about it. Scores are made when they are first needed."""

    def __init__(
        self, document: Document, counter: TokenCounter, pruner: Pruner, query: str, rebuilder: Rebuild | None
    ) -> None:
        self._document = document
        self._counter = counter
        self._pruner = pruner
        self._query = query
        self._rebuild = rebuilder
        self._encode_seconds = 0.0

        # The same few masks are asked for again and again: what must stay, and what the budget leaves.
        @lru_cache(maxsize=16)
        def count(packed: bytes) -> int:
            segments = kept_spans(document, np.frombuffer(packed, dtype=bool))
            return sum(counter.count(join_spans(document.layout.text, spans)) for spans in segments if spans)

        self._count_packed = count

    def decide(self, options: Options, timings: Mapping[str, float]) -> CompressionResult:
        """Applies a budget."""
        encoded_before = self._encode_seconds
        with _stopwatch() as clock:
            least = self._least_shots(options)
            least_mask = self._document.close(self._nothing, least)
            protected_tokens = self._count(least_mask)
            budget = self._budget(options, protected_tokens)
            if self._original_tokens <= budget:
                result = self._unchanged(budget, protected_tokens)
            elif protected_tokens > budget and options.on_overflow == "raise":
                raise BudgetError(budget, protected_tokens)
            else:
                if protected_tokens > budget:
                    logger.warning(
                        "The protected text has %d tokens, more than the budget of %d: only it is left.",
                        protected_tokens,
                        budget,
                    )
                if protected_tokens >= budget or not len(self._document.offsets):
                    mask, alive = least_mask, least
                else:
                    mask, alive = self._choose_units(options, budget, least)
                result = self._assemble(mask, alive, budget, protected_tokens)
        encode = self._encode_seconds - encoded_before
        stages = {**timings, "encode": encode, "decide": clock.seconds - encode}
        return replace(result, timings=stages, _again=self._again(options))

    def _again(self, options: Options) -> Callable[..., CompressionResult]:
        def again(*, keep_rate: float | None, target_tokens: int | None) -> CompressionResult:
            return self.decide(replace(options, keep_rate=keep_rate, target_tokens=target_tokens), {})

        return again

    def _budget(self, options: Options, protected_tokens: int) -> int:
        if options.target_tokens is not None:
            return options.target_tokens
        free = max(self._original_tokens - protected_tokens, 0)
        return min(protected_tokens + int((options.keep_rate or 1) * free), self._original_tokens)

    # What is read once.

    @cached_property
    def _nothing(self) -> BoolArray:
        return np.zeros(len(self._document.offsets), dtype=bool)

    @cached_property
    def _original_tokens(self) -> int:
        text = self._document.layout.text
        return sum(self._counter.count(text[start:end]) for start, end in self._document.layout.segments)

    @cached_property
    def _costs(self) -> npt.NDArray[np.float64]:
        """``[N]``, tokens of each unit with the white space before it, scaled to add up to those of the text."""
        text, offsets = self._document.layout.text, self._document.offsets
        before = [0, *offsets[:-1, 1].tolist()]
        pieces = [text[start:end] for start, end in zip(before, offsets[:, 1].tolist(), strict=True)]
        costs = np.array(self._counter.count_each(pieces), dtype=np.float64)
        costs *= self._original_tokens / max(costs.sum(), 1)
        return costs

    @cached_property
    def _encoding(self) -> Encoding:
        document = self._document
        with _stopwatch() as clock:
            encoding = self._pruner.encode(document.layout.text, document.offsets, document.blocks(), self._query)
        self._encode_seconds += clock.seconds
        return encoding

    @cached_property
    def _utilities(self) -> npt.NDArray[np.float32]:
        """``[S]``, each shot's utility for the query; 0 where there is none, and no retriever's score."""
        shots = self._document.layout.shots
        found = retrieval_utilities([shot.score for shot in shots])
        if not shots or not self._query:
            return found
        encoding = self._encoding
        with _stopwatch() as clock:
            scores = self._pruner.shot_scores(encoding, self._document.shot_of_unit, len(shots))
        self._encode_seconds += clock.seconds
        return scores + found

    @cached_property
    def _shot_order(self) -> npt.NDArray[np.int64]:
        layout = self._document.layout
        answers = [layout.text[slice(*shot.answer)] if shot.answer else None for shot in layout.shots]
        vectors = self._pruner.shot_vectors(self._encoding, self._document.shot_of_unit, len(layout.shots))
        return rank_shots(self._utilities, vectors, answers)

    # The shot level.

    def _least_shots(self, options: Options) -> BoolArray:
        """``[S]``, the shots that stay whatever the budget."""
        if not options.shot_level:
            return np.ones_like(self._document.pinned)
        least = self._document.pinned.copy()
        if options.min_shots and len(least):
            least[self._shot_order[: options.min_shots]] = True
        return least

    def _choose_shots(self, options: Options, budget: int, least: BoolArray) -> BoolArray:
        """``[S]``, the shots that stay at this budget."""
        document = self._document
        if not options.shot_level or not len(least):
            return least
        costs = self._shot_costs()
        in_shots = document.shot_of_unit >= 0
        other = self._costs[self._free(np.zeros_like(least)) & ~in_shots].sum()
        room = budget - self._costs[document.protected].sum()
        share = READABLE_SHARE if options.token_level else 1.0
        alive = choose_shots(self._shot_order, costs, room, other, least, share)
        # Costs of units are estimates: give up shots until what stays with them fits.
        for shot in self._shot_order[::-1]:
            if self._count(document.close(self._nothing, alive)) <= budget:
                break
            alive[shot] = least[shot]
        return alive

    def _shot_costs(self) -> ShotCosts:
        document, shots = self._document, len(self._document.layout.shots)
        in_shots = document.shot_of_unit >= 0
        free = self._free(np.ones(shots, dtype=bool))

        def per_shot(units: BoolArray) -> npt.NDArray[np.float64]:
            return np.bincount(document.shot_of_unit[units], self._costs[units], minlength=shots).astype(np.float64)

        return ShotCosts(per_shot(in_shots & ~free), per_shot(in_shots & free))

    def _free(self, alive: BoolArray) -> BoolArray:
        """``[N]``, the units that are decided one by one when these shots stay."""
        document = self._document
        stays = np.append(alive, True)[document.shot_of_unit]
        free: BoolArray = document.free & stays
        return free

    # The token level.

    def _choose_units(self, options: Options, budget: int, least: BoolArray) -> tuple[BoolArray, BoolArray]:
        """The retention mask ``[N]`` and the shots that stay ``[S]``."""
        document = self._document
        alive = self._choose_shots(options, budget, least)
        if options.token_level:
            task = self._denoising(options, alive, budget)
            if options.shot_level and (starved := self._starved(task, alive, least, budget)).any():
                alive = alive & ~starved
                task = self._denoising(options, alive, budget)
            ranked, guess = task.ranked(options.steps)
        else:
            ranked, guess = self._in_reading_order(alive, budget)
        kept = fit_budget(
            lambda mask: self._count(document.close(mask, alive)), ranked, guess, budget, len(document.offsets)
        )
        return document.close(kept, alive), alive

    def _starved(self, task: "_Denoising", alive: BoolArray, least: BoolArray, budget: int) -> BoolArray:
        """``[S]``, shots of which one step would leave too little to read: their tokens had better go to others."""
        document, free = self._document, task.free
        above = free & (task.marginals > budget_threshold(task.marginals[free], task.costs[free], task.budget))
        in_shot = free & (document.shot_of_unit >= 0)
        total = np.bincount(document.shot_of_unit[in_shot], task.costs[in_shot], minlength=len(alive))
        kept = np.bincount(document.shot_of_unit[in_shot & above], task.costs[in_shot & above], minlength=len(alive))
        starved = (total > 0) & (kept < READABLE_SHARE * total) & alive & ~least
        # Never so many that the rest could not fill the budget: the best of them stay.
        for shot in self._shot_order[starved[self._shot_order]]:
            rest = alive & ~starved
            if task.costs[self._free(rest)].sum() >= budget - self._count(document.close(self._nothing, rest)):
                break
            starved[shot] = False
        # Some tokenizers count more tokens in less text.
        fits = self._count(document.close(self._nothing, alive & ~starved)) <= budget
        return starved if fits else np.zeros_like(starved)

    def _in_reading_order(self, alive: BoolArray, budget: int) -> tuple[npt.NDArray[np.int64], int]:
        """Free units, shot by shot with the best first and outside shots before all, and about how many fit."""
        place = np.empty(len(alive) + 1)
        place[self._shot_order if len(alive) else []] = np.arange(len(alive))
        place[-1] = -1
        free = np.flatnonzero(self._free(alive))
        ranked = free[np.argsort(place[self._document.shot_of_unit[free]], kind="stable")]
        room = budget - self._count(self._document.close(self._nothing, alive))
        return ranked, int(np.searchsorted(np.cumsum(self._costs[ranked]), room, side="right"))

    def _denoising(self, options: Options, alive: BoolArray, budget: int) -> "_Denoising":
        document = self._document
        free = self._free(alive)
        room = budget - self._count(document.close(self._nothing, alive))
        in_dropped = ~np.append(alive, True)[document.shot_of_unit]
        with_shot = float(self._costs[document.kept_with_shot & ~in_dropped].sum())
        rate = (room + with_shot) / max(self._costs[free].sum() + with_shot, 1)
        predict = self._pruner.predictor(self._encoding, min(max(rate, 0.01), 1.0))
        bias = unit_bias(self._utilities, document.shot_of_unit) if options.shot_level else 0.0
        states = np.where(in_dropped, DROP, np.where(free, UNDECIDED, KEEP))
        return _Denoising(
            lambda states, noise: predict(states, noise) + bias,
            self._costs,
            float(room),
            states,
        )

    # Back to text.

    def _count(self, mask: BoolArray) -> int:
        """Tokens of the text that a closed mask gives."""
        return self._count_packed(mask.tobytes())

    def _unchanged(self, budget: int, protected_tokens: int) -> CompressionResult:
        layout = self._document.layout
        segments = [layout.text[start:end] for start, end in layout.segments]
        return CompressionResult(
            source=layout.text,
            text=layout.text,
            spans=[(0, len(layout.text))],
            budget=budget,
            original_tokens=self._original_tokens,
            compressed_tokens=self._original_tokens,
            protected_tokens=protected_tokens,
            counter=self._counter.name,
            shots=self._shot_results(
                [(0, len(layout.text))],
                np.ones_like(self._document.pinned),
                np.zeros(len(layout.shots), dtype=np.float32),
            ),
            messages=self._rebuild(segments) if self._rebuild else None,
        )

    def _assemble(self, mask: BoolArray, alive: BoolArray, budget: int, protected_tokens: int) -> CompressionResult:
        layout = self._document.layout
        spans = kept_spans(self._document, mask)
        texts = [join_spans(layout.text, inside) if inside else None for inside in spans]
        left = [text for text in texts if text is not None]
        flat = [span for inside in spans for span in inside]
        return CompressionResult(
            source=layout.text,
            text="\n\n".join(left),
            spans=flat,
            budget=budget,
            original_tokens=self._original_tokens,
            compressed_tokens=self._count(mask),
            protected_tokens=protected_tokens,
            counter=self._counter.name,
            shots=self._shot_results(flat, alive, self._utilities),
            messages=self._rebuild(texts) if self._rebuild else None,
        )

    def _shot_results(
        self, spans: Sequence[Span], alive: BoolArray, utilities: npt.NDArray[np.float32]
    ) -> list[ShotResult]:
        text = self._document.layout.text
        results = []
        for number, shot in enumerate(self._document.layout.shots):
            inside = clip_spans(spans, shot.span)
            original = self._counter.count(text[slice(*shot.span)])
            left = join_spans(text, inside)
            fate: Literal["kept", "shortened", "dropped"] = "shortened"
            if not alive[number]:
                fate = "dropped"
            elif inside == [shot.span]:
                fate = "kept"
            score, count = round(float(utilities[number]), 4), self._counter.count(left) if left else 0
            results.append(ShotResult(shot.span, score, fate, original, count, left))
        return results


@dataclass(frozen=True)
class _Denoising:
    """What the sampler is given; see `sample_mask`."""

    predict: Predict
    costs: npt.NDArray[np.float64]
    budget: float
    states: npt.NDArray[np.int64]

    @property
    def free(self) -> BoolArray:
        free: BoolArray = self.states == UNDECIDED
        return free

    @cached_property
    def marginals(self) -> npt.NDArray[np.floating]:
        """``[N]``, the logits with nothing decided."""
        return self.predict(self.states, 1.0)

    def ranked(self, steps: int) -> tuple[npt.NDArray[np.int64], int]:
        """Free units, best first, and how many of them the sampler keeps."""
        sample = sample_mask(self.predict, self.costs, self.budget, self.states, steps=steps, marginals=self.marginals)
        free = np.flatnonzero(self.free)
        return free[np.argsort(-sample.margins[free], kind="stable")], int(sample.mask[free].sum())


class _Clock:
    seconds = 0.0


@contextmanager
def _stopwatch() -> Iterator[_Clock]:
    clock = _Clock()
    began = time.perf_counter()
    try:
        yield clock
    finally:
        clock.seconds = time.perf_counter() - began
