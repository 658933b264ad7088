"""A chat model as a reader of prompts: asked concurrently, within a limit of cost, and never twice the same."""

import hashlib
import json
import logging
import math
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from itertools import accumulate
from os import PathLike
from threading import Thread
from typing import Any, Literal

from pydantic import BaseModel, ValidationError
from tqdm import tqdm

from diffumask_core.errors import InputError, ReaderBudgetError, ReaderError
from diffumask_core.extras import needs_extra
from diffumask_core.readers.answers import final_answer, full_text, is_right, normalise
from diffumask_core.readers.cache import ReplyCache
from diffumask_core.readers.cost import Cost, Meter
from diffumask_core.readers.likelihood import Token, label_shares
from diffumask_core.readers.protocol import Question
from diffumask_core.tokens import TokenizerLike, get_counter

with needs_extra("langchain"):
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessage
    from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential_jitter

logger = logging.getLogger("diffumask")

# What a reply is expected to have: a label, or a solution step by step.
_LABEL_TOKENS = 10
_SOLUTION_TOKENS = 250
# Where replies are limited: what a label may have beside its own tokens, and the most of a solution.
_MORE_THAN_A_LABEL = 2
_LONGEST_SOLUTION = 512
# Answers of a server that another attempt may change: a timeout, a conflict, too early, too many requests.
_PASSING = (408, 409, 425, 429)
# The log-probability of an answer that the model did not give.
_NOT_GIVEN = math.log(1e-4)


class _Reply(BaseModel):
    text: str
    tokens: list[Token] = []


class ChatModelReader:
    """Answers as a LangChain chat model does that is given the prompt and the query as one message.

    Replies are kept by model and text: in memory, or in a file, so that a run that was cut off, by an error or by a
    limit, asks for the rest only. Calls that fail or time out are made again after a while, but not calls that
    the server refuses: for a wrong key, an unknown model or a bad request.

    Attributes:
        name: What figures are told under: the model's name.
    """

    def __init__(
        self,
        model: BaseChatModel,
        *,
        cache: str | PathLike[str] | None = None,
        max_calls: int | None = None,
        max_tokens: int | None = None,
        max_concurrency: int = 8,
        timeout: float = 60,
        max_attempts: int = 4,
        on_error: Literal["raise", "skip"] = "raise",
        limit_replies: bool = False,
        tokenizer: TokenizerLike = "gpt-4o",
        progress: bool = True,
    ) -> None:
        """Takes a chat model. Set its temperature to 0, so that what is measured is the prompts.

        Args:
            model: The model, with its parameters. For log-probabilities let it report them, as with
                ``ChatOpenAI(logprobs=True, top_logprobs=5)``.
            cache: An SQLite file for the replies; in memory by default.
            max_calls: The most calls, with those that fail.
            max_tokens: The most tokens read and written. A call is not made when it is expected to exceed them; the
                replies that are under way then may still be longer than expected.
            max_concurrency: The most calls at once.
            timeout: Seconds after which a call counts as failed.
            max_attempts: How often a call is made until it succeeds.
            on_error: What to do about a question without a reply after that: ``"raise"`` a `ReaderError`, or
                ``"skip"`` it, which counts as no answer, with a warning in the log.
            limit_replies: Whether a reply ends behind a label, where there are labels, or else after 512 tokens at the
                latest. For servers that take OpenAI's ``max_tokens``.
            tokenizer: What counts the tokens of a call that is to be made, or whose reply does not tell them.
            progress: Whether a bar on standard error shows how many calls are made, where that is a terminal.

        Raises:
            DataError: The cache cannot be used.
            InputError: A number is not possible.
        """
        limits = {"max_calls": max_calls, "max_tokens": max_tokens}
        for name, value in {**limits, "max_concurrency": max_concurrency, "max_attempts": max_attempts}.items():
            if value is not None and value < 1:
                raise InputError(f"{name}={value!r} is not possible: pass a number of at least 1.")
        self.name: str = getattr(model, "model_name", None) or getattr(model, "model", None) or model._llm_type
        self._model = model
        address = getattr(model, "openai_api_base", None)
        self._who = f"{self.name} at {address}" if address else self.name
        identity = [self.name, dict(model._identifying_params), *([address] if address else [])]
        self._identity = json.dumps(identity, sort_keys=True, default=str)
        self._cache = ReplyCache(cache)
        self._meter = Meter(max_calls, max_tokens)
        self._max_concurrency = max_concurrency
        self._timeout = timeout
        self._max_attempts = max_attempts
        self._skip_errors = on_error == "skip"
        self._limit_replies = limit_replies
        self._counter = get_counter(tokenizer)
        self._progress = progress

    @property
    def spent(self) -> Cost:
        """The calls and tokens so far."""
        return self._meter.spent

    def estimate(self, questions: Sequence[Question]) -> Cost:
        """What it would cost to ask these: the calls if none fails, and the tokens if replies are as long as usual.

        Questions with the same text are asked once, and those whose replies are kept not again.
        """
        expected = [self._expected(question) for question in self._missing(questions).values()]
        return Cost(len(expected), sum(expected))

    def answers(self, questions: Sequence[Question]) -> list[str]:
        """The answer in the model's reply to each question; an empty one where it names none.

        Where there are labels and the model reports the log-probabilities of its tokens, that is the likeliest label.

        Raises:
            ReaderBudgetError: There is more to ask than a limit allows.
            ReaderError: A call failed again and again.
        """
        return [_answer(question, reply) for question, reply in zip(questions, self._replies(questions), strict=True)]

    def log_probabilities(self, questions: Sequence[Question]) -> list[float]:
        """The log-probability of each question's right answer, as far as the model tells it.

        Where the model reports the log-probabilities of its tokens: that of the right label; without labels those of
        the answer's tokens when the answer is right, and otherwise that of the likeliest alternative with which the
        right answer begins. Where it reports none: 0 when the answer is right. And always log(0.0001) when the right
        answer is not among what it reports.

        Raises:
            ReaderBudgetError: There is more to ask than a limit allows.
            ReaderError: A call failed again and again.
        """
        return [
            _log_probability(question, reply)
            for question, reply in zip(questions, self._replies(questions), strict=True)
        ]

    def _replies(self, questions: Sequence[Question]) -> list[_Reply]:
        missing = self._missing(questions)
        skipped: set[str] = set()
        with ThreadPoolExecutor(self._max_concurrency) as pool:
            asked = {pool.submit(self._ask, key, question): key for key, question in missing.items()}
            try:
                for done in tqdm(
                    as_completed(asked),
                    total=len(asked),
                    desc=self.name,
                    unit="call",
                    leave=False,
                    disable=None if self._progress and asked else True,
                ):
                    try:
                        done.result()
                    except ReaderError as error:
                        if isinstance(error, ReaderBudgetError) or not self._skip_errors:
                            raise
                        logger.warning("%s", error)
                        skipped.add(asked[done])
            except BaseException:
                # What is under way is waited for and kept.
                pool.shutdown(cancel_futures=True)
                raise
        return [_Reply(text="") if key in skipped else self._kept(key) for key in map(self._key, questions)]

    def _missing(self, questions: Sequence[Question]) -> dict[str, Question]:
        """Questions without a reply, each once, by their key."""
        keyed = {self._key(question): question for question in questions}
        return {key: question for key, question in keyed.items() if self._cache.get(key) is None}

    def _kept(self, key: str) -> _Reply:
        return _Reply.model_validate_json(self._cache.get(key) or "")

    def _key(self, question: Question) -> str:
        limit = self._limit(question) or ""
        return hashlib.sha256(f"{self._identity}{limit}\n{full_text(question)}".encode()).hexdigest()

    def _limit(self, question: Question) -> dict[str, Any]:
        """The parameters of a call that bound its reply."""
        if not self._limit_replies:
            return {}
        labels = [self._counter.count(label) + _MORE_THAN_A_LABEL for label in question.labels]
        # By the name that all such servers know: LangChain's own argument is sent as max_completion_tokens.
        return {"extra_body": {"max_tokens": max(labels, default=_LONGEST_SOLUTION)}}

    def _expected(self, question: Question) -> int:
        return self._counter.count(full_text(question)) + (_LABEL_TOKENS if question.labels else _SOLUTION_TOKENS)

    def _ask(self, key: str, question: Question) -> None:
        """Asks, again if need be, and keeps the reply."""
        attempts = Retrying(
            retry=retry_if_exception(_may_pass),
            stop=stop_after_attempt(self._max_attempts),
            wait=wait_exponential_jitter(max=60),
            reraise=True,
        )
        expected = self._expected(question)
        text = full_text(question)

        def call() -> None:
            message = self._model.invoke(text, **self._limit(question))
            reply = _reply(message)
            self._cache.put(key, reply.model_dump_json(exclude_defaults=True))
            usage = message.usage_metadata
            taken = usage["total_tokens"] if usage else self._counter.count(text) + self._counter.count(reply.text)
            self._meter.settle(expected, taken)

        def attempt() -> None:
            self._meter.reserve(expected)
            _within(self._timeout, call)

        try:
            attempts(attempt)
        except ReaderBudgetError:
            raise
        except Exception as error:
            what = f"({type(error).__name__}: {error}) to the query {question.query[:80]!r}"
            if not _may_pass(error):
                raise ReaderError(
                    f"{self._who} refuses a call {what}, and would refuse it again: check the key, the model's name "
                    "and its parameters. Replies that are finished are kept."
                ) from error
            raise ReaderError(
                f"{self._who} gave no reply in {self._max_attempts} attempts {what}. Replies that are finished are "
                'kept: ask again, or pass on_error="skip" to count such a question as not answered.'
            ) from error


def _may_pass(error: BaseException) -> bool:
    """Whether another attempt may succeed: no limit is reached, and no server has refused the call as it is."""
    status = _status(error)
    refused = status is not None and 400 <= status < 500 and status not in _PASSING
    return not refused and not isinstance(error, ReaderBudgetError)


def _status(error: BaseException | None) -> int | None:
    """The HTTP status that a provider's error, or an error that caused it, was raised for; None where none is told."""
    while error is not None:
        response = getattr(error, "response", None)
        # OpenAI, Anthropic and Cohere; Google; clients that raise the errors of httpx or requests.
        for holder, name in ((error, "status_code"), (error, "code"), (response, "status_code")):
            status = getattr(holder, name, None)
            if isinstance(status, int):
                return status
        error = error.__cause__
    return None


def _within(seconds: float, call: Callable[[], None]) -> None:
    """Waits for a call no longer than that. It cannot be stopped, but what it still brings is kept."""
    outcome: Future[None] = Future()

    def run() -> None:
        try:
            call()
            outcome.set_result(None)
        except BaseException as error:
            outcome.set_exception(error)

    # Not one of a pool: Python waits for those at its end.
    Thread(target=run, daemon=True).start()
    try:
        outcome.result(seconds)
    except TimeoutError as error:
        raise error if outcome.done() else TimeoutError(f"no reply within {seconds:g} s") from None


def _reply(message: AIMessage) -> _Reply:
    text = str(message.text)
    logprobs = message.response_metadata.get("logprobs")
    try:
        reply = _Reply(text=text, tokens=logprobs["content"] if isinstance(logprobs, dict) else [])
    except (KeyError, ValidationError):
        return _Reply(text=text)  # reported in another form
    for token in reply.tokens:
        # Most of twenty are less likely than that, and would fill the cache.
        token.top_logprobs = [other for other in token.top_logprobs if other.logprob > _NOT_GIVEN]
    return reply


def _answer(question: Question, reply: _Reply) -> str:
    shares = label_shares(question.labels, reply.tokens)
    return max(shares, key=shares.__getitem__) if shares else final_answer(reply.text, question.labels)


def _log_probability(question: Question, reply: _Reply) -> float:
    if shares := label_shares(question.labels, reply.tokens):
        share = sum(share for label, share in shares.items() if is_right(label, question))
        return max(math.log(share), _NOT_GIVEN) if share else _NOT_GIVEN
    answer = final_answer(reply.text, question.labels)
    right = is_right(answer, question)
    if not reply.tokens:
        return 0.0 if right else _NOT_GIVEN
    told = _tokens_of(answer, reply.tokens)
    if right:
        return max(sum(token.logprob for token in told), _NOT_GIVEN)
    wanted = normalise(question.answer)
    begins = [
        other.logprob
        for other in (told[0].top_logprobs if told else [])
        if (words := normalise(other.token)) and wanted.startswith(words)
    ]
    return max([_NOT_GIVEN, *begins])


def _tokens_of(answer: str, tokens: Sequence[Token]) -> list[Token]:
    """The tokens in which an answer is written, where it stands last."""
    ends = list(accumulate(len(token.token) for token in tokens))
    starts = [0, *ends][:-1]
    written = "".join(token.token for token in tokens)
    first = written.casefold().rfind(answer.casefold()) if answer else -1
    if first < 0:
        return []
    last = first + len(answer)
    return [token for start, end, token in zip(starts, ends, tokens, strict=True) if start < last and end > first]
