"""With chat models that answer, fail, hang and refuse as they are told."""

import math
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, GenericFakeChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult

from diffumask_core import DataError, InputError
from diffumask_core.errors import ReaderBudgetError, ReaderError
from diffumask_core.readers import Cost, PaidReader, Question
from diffumask_integrations.langchain import ChatModelReader

PROMPT = "Q: fish\nA: good\n\nQ: soup\nA: bad"
LABELS = ("good", "bad")
NEVER_GIVEN = math.log(1e-4)


class Scripted(BaseChatModel):
    """Replies as a function of the prompt does, and counts how often it is asked."""

    reply: Callable[[str], AIMessage | str]
    asked: list[str]
    temperature: float = 0.0

    @property
    def _llm_type(self) -> str:
        return "scripted"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"temperature": self.temperature}

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        [message] = messages
        self.asked.append(str(message.text))
        reply = self.reply(str(message.text))
        return ChatResult(
            generations=[ChatGeneration(message=reply if isinstance(reply, AIMessage) else AIMessage(reply))]
        )


def scripted(reply: Callable[[str], AIMessage | str], **options: Any) -> Scripted:
    return Scripted(reply=reply, asked=[], **options)


def words(text: str) -> int:
    return len(text.split())


def reader(model: BaseChatModel, **options: Any) -> ChatModelReader:
    return ChatModelReader(model, **{"tokenizer": words, "progress": False, **options})


def ask(query: str, answer: str = "good", labels: Sequence[str] = LABELS) -> Question:
    return Question(PROMPT, f"Q: {query}\nA:", answer, tuple(labels))


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tenacity.nap.time", SimpleNamespace(sleep=lambda seconds: None))


def by_query(replies: dict[str, str]) -> Callable[[str], str]:
    return lambda prompt: replies[prompt.rpartition("Q: ")[2].partition("\n")[0]]


def test_answers_are_in_the_order_of_the_questions() -> None:
    replies = {"a": "good", "b": "The answer is **bad**.", "c": "GOOD!", "d": "Label: bad"}

    def later(prompt: str) -> str:
        time.sleep(0.02 if "Q: a" in prompt else 0)
        return by_query(replies)(prompt)

    model = scripted(later)
    assert reader(model).answers([ask(query) for query in "abcd"]) == ["good", "bad", "good", "bad"]
    assert sorted(model.asked) == [f"{PROMPT}\n\nQ: {query}\nA:" for query in "abcd"]


def test_any_chat_model_will_do() -> None:
    model = GenericFakeChatModel(messages=iter([AIMessage("It takes 4 * 9 = 36 boxes. The answer is 36.")]))
    chat = reader(model)
    assert isinstance(chat, PaidReader)
    assert chat.name == "generic-fake-chat-model"
    assert chat.answers([Question("", "How many?", "36")]) == ["36"]
    assert chat.log_probabilities([Question("", "How many?", "36"), Question("", "How many?", "35")]) == [
        0.0,
        pytest.approx(NEVER_GIVEN),
    ]


@pytest.mark.parametrize(
    "reply", ["", "I'm sorry, but I cannot help with that.", "\x00", "good and bad", "@@@@", "A: ", "{'a': [1"]
)
def test_refusals_and_nonsense_are_no_answers(reply: str) -> None:
    chat = reader(scripted(lambda prompt: reply))
    assert chat.answers([ask("a")]) == [""]
    assert chat.log_probabilities([ask("a")]) == [pytest.approx(NEVER_GIVEN)]


def test_content_in_blocks() -> None:
    blocks: list[str | dict[Any, Any]] = [{"type": "text", "text": "go"}, {"type": "text", "text": "od"}]
    assert reader(scripted(lambda prompt: AIMessage(blocks))).answers([ask("a")]) == ["good"]


def test_calls_run_at_once_but_no_more_than_allowed() -> None:
    running, most = 0, 0
    lock = threading.Lock()

    def busy(prompt: str) -> str:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.02)
        with lock:
            running -= 1
        return "good"

    reader(scripted(busy), max_concurrency=3).answers([ask(str(number)) for number in range(12)])
    assert most == 3


# What was asked is not asked again.


def test_the_same_text_is_asked_once() -> None:
    model = scripted(lambda prompt: "good")
    chat = reader(model)
    assert chat.answers([ask("a"), ask("b"), ask("a", "bad"), ask("a", "bad", ["bad"])]) == ["good", "good", "good", ""]
    chat.log_probabilities([ask("b", "bad"), ask("a")])
    assert len(model.asked) == 2
    assert chat.spent.calls == 2


def test_a_file_keeps_replies_for_the_next_run(tmp_path: Path) -> None:
    file = tmp_path / "replies.db"
    first, second = (scripted(lambda prompt: "good") for _ in range(2))
    reader(first, cache=file).answers([ask("a"), ask("b")])
    again = reader(second, cache=file)
    assert again.estimate([ask("a"), ask("b")]) == Cost(0, 0)
    assert again.answers([ask("a"), ask("b"), ask("c")]) == ["good"] * 3
    assert len(second.asked) == 1
    other = scripted(lambda prompt: "bad", temperature=1.0)
    assert reader(other, cache=file).answers([ask("a")]) == ["bad"]
    (tmp_path / "notes.txt").write_text("no database " * 99)
    with pytest.raises(DataError, match=r"notes\.txt"):
        reader(first, cache=tmp_path / "notes.txt")


# What fails.


def test_a_call_that_fails_is_made_again() -> None:
    failures = iter([ConnectionError("reset"), ValueError("overloaded")])

    def flaky(prompt: str) -> str:
        for error in failures:
            raise error
        return "good"

    model = scripted(flaky)
    chat = reader(model, max_attempts=3)
    assert chat.answers([ask("a")]) == ["good"]
    assert len(model.asked) == chat.spent.calls == 3


class StatusError(Exception):
    """As OpenAI's and Anthropic's clients raise it."""

    def __init__(self, status: int) -> None:
        super().__init__(f"refused with {status}")
        self.status_code = status


class GoogleError(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(f"refused with {status}")
        self.code = status


class ResponseError(Exception):
    """As httpx and requests raise it."""

    def __init__(self, status: int) -> None:
        super().__init__(f"refused with {status}")
        self.response = SimpleNamespace(status_code=status)


def wrapped_refused(status: int) -> Exception:
    error = RuntimeError(f"refused with {status}")
    error.__cause__ = StatusError(status)
    return error


KINDS = [StatusError, GoogleError, ResponseError, wrapped_refused]


def failing(make_error: Callable[[int], Exception], status: int) -> Scripted:
    def reply(prompt: str) -> str:
        raise make_error(status)

    return scripted(reply)


@pytest.mark.parametrize("make_error", KINDS)
@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422])
def test_a_call_that_is_refused_is_not_made_again(make_error: Callable[[int], Exception], status: int) -> None:
    model = failing(make_error, status)
    with pytest.raises(ReaderError, match=f"scripted refuses a call .*refused with {status}.*check the key"):
        reader(model, max_attempts=4).answers([ask("a")])
    assert len(model.asked) == 1


@pytest.mark.parametrize("make_error", KINDS)
@pytest.mark.parametrize("status", [408, 409, 429, 500, 503, 529])
def test_a_call_that_may_pass_later_is_made_again(make_error: Callable[[int], Exception], status: int) -> None:
    model = failing(make_error, status)
    with pytest.raises(ReaderError, match=f"no reply in 3 attempts .*refused with {status}"):
        reader(model, max_attempts=3).answers([ask("a")])
    assert len(model.asked) == 3


def test_a_code_that_is_no_status_says_nothing() -> None:
    def reply(prompt: str) -> str:
        error = ConnectionError("reset")
        error.code = "connection_reset"  # type: ignore[attr-defined]
        error.response = None  # type: ignore[attr-defined]
        raise error

    model = scripted(reply)
    with pytest.raises(ReaderError, match="in 2 attempts"):
        reader(model, max_attempts=2).answers([ask("a")])


def test_a_refused_call_can_be_skipped() -> None:
    model = failing(StatusError, 400)
    assert reader(model, on_error="skip").answers([ask("a")]) == [""]
    assert len(model.asked) == 1


def test_what_is_finished_outlives_a_failure(tmp_path: Path) -> None:
    broken = True

    def reply(prompt: str) -> str:
        if broken and "Q: c" in prompt:
            raise ConnectionError("no route")
        return "good"

    model = scripted(reply)
    chat = reader(model, cache=tmp_path / "replies.db", max_attempts=2, max_concurrency=1)
    with pytest.raises(ReaderError, match=r"scripted gave no reply in 2 attempts \(ConnectionError: no route\).*'Q: c"):
        chat.answers([ask(query) for query in "abcd"])
    asked = len(model.asked)
    broken = False
    assert chat.answers([ask(query) for query in "abcd"]) == ["good"] * 4
    assert len(model.asked) - asked <= 2


def test_what_fails_can_be_skipped(caplog: pytest.LogCaptureFixture) -> None:
    def reply(prompt: str) -> str:
        if "Q: b" in prompt:
            raise ValueError("filtered")
        return "good"

    chat = reader(scripted(reply), max_attempts=2, on_error="skip")
    assert chat.answers([ask(query) for query in "abc"]) == ["good", "", "good"]
    assert "filtered" in caplog.text
    assert chat.estimate([ask(query) for query in "abc"]).calls == 1


def test_a_call_that_hangs_is_given_up_and_its_late_reply_is_kept() -> None:
    goes_on = threading.Event()

    def hang(prompt: str) -> str:
        if "Q: b" in prompt:
            goes_on.wait(20)
        return "good"

    model = scripted(hang)
    chat = reader(model, timeout=0.05, max_attempts=2)
    with pytest.raises(ReaderError, match=r"TimeoutError: no reply within 0\.05 s"):
        chat.answers([ask("a"), ask("b")])
    assert chat.answers([ask("a")]) == ["good"]
    goes_on.set()
    for _ in range(200):
        if not chat.estimate([ask("b")]).calls:
            break
        time.sleep(0.01)
    assert chat.answers([ask("b")]) == ["good"]
    assert len(model.asked) == 3


# What it costs.


def test_the_cost_is_told_before() -> None:
    chat = reader(scripted(lambda prompt: "good"))
    text = words(f"{PROMPT}\n\nQ: a\nA:")
    labelled, solved = ask("a"), ask("b", labels=())
    assert chat.estimate([labelled, labelled]) == Cost(1, text + 10)
    assert chat.estimate([labelled, solved]) == Cost(2, 2 * text + 260)
    assert chat.spent == Cost(0, 0)
    chat.answers([labelled])
    assert chat.spent == Cost(1, text + 1)
    assert chat.estimate([labelled, solved]) == Cost(1, text + 250)


def test_the_tokens_that_the_provider_counts() -> None:
    usage = {"input_tokens": 70, "output_tokens": 7, "total_tokens": 77}
    chat = reader(scripted(lambda prompt: AIMessage("good", usage_metadata=usage)))
    chat.answers([ask("a"), ask("b")])
    assert chat.spent == Cost(2, 154)


# A call is expected to take 21 tokens, and takes 12: two that are under way fit into 60, or four one after the other.
@pytest.mark.parametrize(("limit", "allowed", "possible"), [("max_calls", 3, {3}), ("max_tokens", 60, {2, 3, 4})])
def test_a_limit_is_kept_and_what_was_paid_for_too(limit: str, allowed: int, possible: set[int]) -> None:
    model = scripted(lambda prompt: "good")
    chat = reader(model, **{limit: allowed})
    questions = [ask(str(number)) for number in range(8)]
    with pytest.raises(ReaderBudgetError, match=f"{limit}={allowed}") as caught:
        chat.answers(questions)
    assert caught.value.allowed == allowed
    made = len(model.asked)
    assert made in possible
    assert chat.spent.calls == made
    assert chat.estimate(questions).calls == 8 - made
    kept = [question for question in questions if not chat.estimate([question]).calls]
    assert chat.answers(kept) == ["good"] * made


def test_calls_that_fail_count() -> None:
    def fail(prompt: str) -> str:
        raise ConnectionError("down")

    chat = reader(scripted(fail), max_calls=2, max_attempts=5, on_error="skip")
    with pytest.raises(ReaderBudgetError):
        chat.answers([ask("a")])
    assert chat.spent.calls == 2


# Log-probabilities.


def reported(*tokens: tuple[str, float, dict[str, float]]) -> AIMessage:
    content = [
        {
            "token": token,
            "logprob": value,
            "bytes": None,
            "top_logprobs": [{"token": other, "logprob": found} for other, found in alternatives.items()],
        }
        for token, value, alternatives in tokens
    ]
    return AIMessage("".join(token for token, _, _ in tokens), response_metadata={"logprobs": {"content": content}})


def test_log_probabilities_of_the_answers_tokens() -> None:
    reply = reported(
        ("The", -0.1, {}),
        (" answer is", -0.2, {}),
        (" go", -0.5, {" ba": -1.5, " x": -0.9, " ": -0.7}),
        ("od", -0.25, {"bye": -2.0}),
        (".", -0.05, {}),
    )
    chat = reader(scripted(lambda prompt: reply))
    given, other, never = chat.log_probabilities([ask("a"), ask("a", "bad"), ask("a", "so so", [*LABELS, "so so"])])
    assert given == pytest.approx(-0.75)
    assert other == pytest.approx(-1.5)
    assert never == pytest.approx(NEVER_GIVEN)


def test_no_log_probability_is_below_the_floor() -> None:
    chat = reader(scripted(lambda prompt: reported(("good", -50.0, {"bad": -60.0}))))
    assert chat.log_probabilities([ask("a"), ask("a", "bad")]) == pytest.approx([NEVER_GIVEN] * 2)


@pytest.mark.parametrize("logprobs", [None, [], "none", {}, {"content": None}, {"content": [{"text": "good"}]}])
def test_log_probabilities_in_another_form_are_none(logprobs: object) -> None:
    chat = reader(scripted(lambda prompt: AIMessage("good", response_metadata={"logprobs": logprobs})))
    assert chat.log_probabilities([ask("a"), ask("a", "bad")]) == [0.0, pytest.approx(NEVER_GIVEN)]


# Progress and arguments.


def test_progress_on_a_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    reader(scripted(lambda prompt: "good"), progress=True).answers([ask("a"), ask("b")])
    seen = capsys.readouterr()
    assert "scripted" in seen.err
    assert seen.out == ""
    reader(scripted(lambda prompt: "good")).answers([ask("a")])
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("option", ["max_calls", "max_tokens", "max_concurrency", "max_attempts"])
def test_impossible_numbers(option: str) -> None:
    with pytest.raises(InputError, match=f"{option}=0"):
        reader(scripted(lambda prompt: ""), **{option: 0})


def test_no_questions() -> None:
    chat = reader(scripted(lambda prompt: ""))
    assert chat.answers([]) == []
    assert chat.log_probabilities([]) == []
    assert chat.estimate([]) == Cost(0, 0)
