"""A model at an OpenAI-compatible server that goes on after a text, without a chat template around it.

In context a small model learns from exemplars far better that way: a chat template makes it talk about them.
"""

from typing import Any

from diffumask_core.extras import needs_extra

with needs_extra("langchain", "the reader text:MODEL"):
    from langchain_core.callbacks import CallbackManagerForLLMRun
    from langchain_core.messages import AIMessage, BaseMessage
    from langchain_core.outputs import ChatGeneration, ChatResult

# The user's own package, as for any chat model: without it the reader's name is refused.
from langchain_openai import ChatOpenAI

# As many alternatives as llama.cpp and OpenAI report at most.
_ALTERNATIVES = 20
# What is written after some exemplars ends where another one begins; a blank line alone may part two steps.
_ENDS = ["\n\nQ", "\nQuestion:", "\nQ:"]


class ContinuingModel(ChatOpenAI):
    """Asks the completions endpoint what follows the last message, and reports it as a chat model reports a reply."""

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        answer = self.root_client.completions.create(
            model=self.model_name,
            prompt=messages[-1].text,
            temperature=0,
            logprobs=_ALTERNATIVES,
            stop=stop or _ENDS,
            **kwargs,
        )
        choice = answer.choices[0]
        reported = _tokens(choice.logprobs) if choice.logprobs else []
        message = AIMessage(choice.text, response_metadata={"logprobs": {"content": reported}})
        return ChatResult(generations=[ChatGeneration(message=message)])


def _tokens(logprobs: Any) -> list[dict[str, Any]]:
    """The tokens with their alternatives, in the form of chat completions, which llama.cpp gives here too."""
    if content := getattr(logprobs, "content", None):
        return list(content)
    rows = zip(logprobs.tokens or [], logprobs.token_logprobs or [], logprobs.top_logprobs or [], strict=False)
    return [
        {
            "token": token,
            "logprob": value,
            "top_logprobs": [{"token": other, "logprob": its} for other, its in (others or {}).items()],
        }
        for token, value, others in rows
        if value is not None
    ]
