"""The public entry: a compressor loads a model, checks options, lays a prompt out and calls the pipeline."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial
from os import PathLike
from typing import Any, Unpack

from diffumask_core import pipeline
from diffumask_core.calibration import Calibration, Example, calibrate
from diffumask_core.conversation.aging import Aging, Amount
from diffumask_core.conversation.conversation import DEFAULT_KEEP_RATE, Conversation, Restore
from diffumask_core.errors import InputError, kind_of
from diffumask_core.model.cache import EncodingCache
from diffumask_core.model.pretrained import Runtime, load_pruner
from diffumask_core.model.pruner import Pruner
from diffumask_core.options import CompressionOptions, Options, check_names
from diffumask_core.prompt.messages import messages_layout, rebuild
from diffumask_core.prompt.parse import parse_layout
from diffumask_core.prompt.prompt import Prompt
from diffumask_core.readers import Reader
from diffumask_core.result import CompressionResult
from diffumask_core.scoring.scores import score


class Compressor:
    """Shortens prompts within a token budget.

    A compressor has no state of its own besides its model and calibration: the same input gives the same output, alone
    or in a batch, and many threads may use one.
    """

    def __init__(self, pruner: Pruner, calibration: Calibration | None = None) -> None:
        """Makes a compressor.

        Args:
            pruner: Its model.
            calibration: The evidence of how much to keep, for calls that name no budget; see `calibrate`.
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
            cache: The store of what has been read, so that the same exemplar, passage or message is encoded once.

        Raises:
            InputError: A runtime that cannot run on the device.
            ModelError: There is no such model, it is incomplete or of another version, or its runtime is not installed.
        """
        return cls(load_pruner(model, device, runtime, threads, cache))

    def with_cache(self, cache: EncodingCache) -> "Compressor":
        """A compressor with the same model and calibration, which keeps in a cache what the model has read.

        Args:
            cache: Where windows that have been read are kept, in place of any cache of this compressor.
        """
        pruner = self._pruner
        return Compressor(Pruner(pruner.network, pruner.tokenizer, cache, pruner.lines), self.calibration)

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
        if isinstance(prompt, Prompt):
            layout = prompt.layout
        elif isinstance(prompt, str):
            layout = parse_layout(prompt)
        else:
            raise InputError(
                f"This is {kind_of(prompt)}, which cannot be compressed here: pass a string or a Prompt; for a list of "
                "chat messages call compress_messages."
            )
        if not layout.text:
            raise InputError("The text is empty: there is nothing to compress.")
        return pipeline.compress(layout, chosen, self._pruner)

    def compress_messages(
        self,
        messages: Sequence[Mapping[str, Any]],
        *,
        keep: Collection[int] = (),
        **options: Unpack[CompressionOptions],
    ) -> CompressionResult:
        """Shortens a conversation; the result has ``messages`` of the same shape.

        System messages and the last user message come out unchanged. Past turns (a user message and all up to the
        next one, with their tool calls) are shots; what is not text is not touched.

        Args:
            messages: Dicts in the format of OpenAI's chat, OpenAI's Responses or Anthropic's messages; each says by its
                shape which. Other keys stay as they are.
            keep: Indices of further messages that come out unchanged.
            **options: As for `compress`.

        Raises:
            InputError: A message is not of that form, there is no text in them, there is no message of an index in
                ``keep``, or an option is not possible.
            BudgetError: The protected text alone is longer than the budget.
        """
        chosen = self._options(options)
        laid_out = messages_layout(messages, keep, chosen.compress_instructions, chosen.compress_query)
        if not laid_out.layout.text.strip():
            raise InputError("There is no text in the messages: there is nothing to compress.")
        return pipeline.compress(laid_out.layout, chosen, self._pruner, partial(rebuild, laid_out, messages))

    def conversation(
        self,
        *,
        keep: Amount = ("messages", 2),
        trigger: Amount | Sequence[Amount] | None = None,
        exclude_tools: Collection[str] = (),
        restore: Restore = False,
        context_tokens: int | None = None,
        **options: Unpack[CompressionOptions],
    ) -> Conversation:
        """A conversation that grows, such as that of an agent, whose old messages are shortened once each.

        Args:
            keep: How much of its end stays as it is: ``("messages", 2)``, ``("tokens", 4000)``, or
                ``("fraction", 0.2)`` of a context window.
            trigger: From when on messages are shortened: an amount such as ``("tokens", 8000)``, or a list of amounts
                of which one must be reached. The original messages are counted, so that it stays on once it is on.
            exclude_tools: Names of tools whose results stay; shell patterns such as ``"read_*"`` too.
            restore: Whether marks have names, by which `Conversation.restore` gives back what was left out;
                ``"whole"`` for one name at the end of each shortened result of a tool, which stands for all of it, and
                which no other text has.
            context_tokens: The size of the context window of which fractions are meant.
            **options: As for `compress`, but for ``query``. A keep rate is that of what becomes old, on average, 0.3
                where nothing else is said; a number of tokens is that of each old message.

        Raises:
            InputError: An option is not possible.
        """
        given: CompressionOptions = {"on_overflow": "best_effort", **options}
        if self.calibration is None and given.get("keep_rate") is None and given.get("target_tokens") is None:
            given = {**given, "keep_rate": DEFAULT_KEEP_RATE}
        aging = Aging.of(keep, trigger, context_tokens)
        return Conversation(self._pruner, self._options(given), aging, exclude_tools, restore)

    def compress_batch(
        self, prompts: Iterable[str | Prompt], **options: Unpack[CompressionOptions]
    ) -> list[CompressionResult]:
        """Shortens several prompts with the same options: the same results as one by one.

        Each prompt's windows form batches of their own. On a CPU that costs little, and a result can never depend on
        what happens to be compressed beside it.
        """
        return [self.compress(prompt, **options) for prompt in prompts]

    def rank_shots(self, prompt: Prompt, query: str = "") -> list[int]:
        """Ranks the shots of a prompt by their use for a query, by what each adds to better shots, and by its label.

        Args:
            prompt: The prompt, with its shots.
            query: What the shots are read for. When empty, the query of the prompt, if there is one.

        Returns:
            The numbers of all shots, from the shot to keep longest to the shot to drop first. Where shots have labels,
            a shot of each label comes before the second shot of any label; copies of other shots come last.

        Raises:
            InputError: The query is not a string.
        """
        options = Options(keep_rate=1.0, query=query)
        if not prompt.layout.shots:
            return []
        order: list[int] = score(pipeline.read_prompt(prompt.layout, options), self._pruner).order.tolist()
        return order

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
        check_names(given)
        if self.calibration and given.get("keep_rate") is None and given.get("target_tokens") is None:
            given = {**given, "keep_rate": self.calibration.keep_rate}
        return Options(**given)
