"""Prompt templates that are compressed once, when a chain is built."""

from collections.abc import Iterable
from typing import Any, TypeVar, Unpack

import regex

from diffumask_core import Compressor, InputError
from diffumask_core.errors import kind_of
from diffumask_core.extras import needs_extra
from diffumask_core.options import CompressionOptions
from diffumask_integrations.langchain.messages import put_back, to_openai
from diffumask_integrations.settings import load_compressor

with needs_extra("langchain"):
    from langchain_core.messages import BaseMessage
    from langchain_core.prompts import (
        AIMessagePromptTemplate,
        BasePromptTemplate,
        ChatMessagePromptTemplate,
        ChatPromptTemplate,
        FewShotChatMessagePromptTemplate,
        FewShotPromptTemplate,
        HumanMessagePromptTemplate,
        PromptTemplate,
        SystemMessagePromptTemplate,
    )

_Prompt = TypeVar("_Prompt", bound=BasePromptTemplate[Any])
_FewShot = FewShotPromptTemplate | FewShotChatMessagePromptTemplate
_MessagePrompt = (
    HumanMessagePromptTemplate | AIMessagePromptTemplate | SystemMessagePromptTemplate | ChatMessagePromptTemplate
)
_Dict = dict[str, Any]

# From a brace to the one that closes it: a variable, or what escaped braces enclose, such as JSON. And whole words with
# a brace, so that no two braces come together that were apart.
_BRACES = [regex.compile(r"\{(?:[^{}]++|(?R))*+\}"), regex.compile(r"\S*[{}]\S*")]
# A string in a statement may hold what would end the statement.
_CODE = r"""(?:"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|.)*?"""
_SYNTAX = {
    "f-string": _BRACES,
    # After a change of delimiters all the rest.
    "mustache": [*_BRACES, regex.compile(r"\{\{=.*|\{\{.*?\}\}", regex.DOTALL)],
    "jinja2": [
        *_BRACES,
        regex.compile(
            rf"""\{{%-?\s*raw\s*-?%\}}.*?\{{%-?\s*endraw\s*-?%\}}|\{{\#.*?\#\}}|\{{%{_CODE}%\}}|\{{\{{{_CODE}\}}\}}""",
            regex.DOTALL,
        ),
    ],
}


def compress_template(
    prompt: _Prompt,
    *,
    model: str | None = None,
    compressor: Compressor | None = None,
    **options: Unpack[CompressionOptions],
) -> _Prompt:
    """Shortens a prompt template, so that every call of it saves tokens without a compression.

    Variables and the syntax of the template stay, whatever its format. Examples of few-shot templates are left out or
    have their inputs shortened: the last value of an example is the reply, which is whole or gone unless
    ``compress_rationales`` is given. The prefix and the suffix, system messages and the last human message stay unless
    ``compress_instructions`` and ``compress_query`` are given. Examples that a selector chooses, and messages that a
    placeholder stands for, are not known yet and not touched.

    Tokens are those of the template: its text with the names of variables, and the values of its examples.

    Args:
        prompt: A `PromptTemplate`, `FewShotPromptTemplate`, `ChatPromptTemplate` or
            `FewShotChatMessagePromptTemplate`; it stays as it is.
        model: A folder with a model; the bundled one by default.
        compressor: A loaded compressor, in place of ``model``.
        **options: As for `Compressor.compress`.

    Returns:
        A copy of the same class, with the same variables.

    Raises:
        InputError: The template is of another class, there is no text in it, or an option is not possible.
        BudgetError: What has to stay is longer than the budget.
    """
    loaded = compressor or load_compressor(model)

    def shorten(messages: list[_Dict]) -> list[_Dict]:
        syntax = [found for message in messages for found in message.get("syntax", ())]
        options["protect"] = [*options.get("protect", ()), *syntax]
        keep = [index for index, message in enumerate(messages) if message.get("stays")]
        return loaded.compress_messages(messages, keep=keep, **options).messages or []

    match prompt:
        case PromptTemplate():
            options["protect"] = [*options.get("protect", ()), *_syntax(prompt.template, prompt.template_format)]
            return prompt.model_copy(update={"template": loaded.compress(prompt.template, **options).text})
        case FewShotPromptTemplate():
            prefix, *turns, suffix = shorten(_few_shot_messages(prompt))
            update = {"prefix": prefix["content"], "examples": _examples(prompt, turns), "suffix": suffix["content"]}
            return prompt.model_copy(update=update)
        case FewShotChatMessagePromptTemplate():
            return prompt.model_copy(update={"examples": _examples(prompt, shorten(_turns(prompt)))})
        case ChatPromptTemplate():
            read = [{**part, "of": number} for number, each in enumerate(prompt.messages) for part in _read(each)]
            left: list[list[_Dict]] = [[] for _ in prompt.messages]
            for part in shorten(read):
                left[part["of"]].append(part)
            rewritten = [
                new for each, parts in zip(prompt.messages, left, strict=True) for new in _rewrite(each, parts)
            ]
            return prompt.model_copy(update={"messages": rewritten})
    raise InputError(
        f"This is {kind_of(prompt)}, which cannot be compressed: pass a PromptTemplate, a FewShotPromptTemplate, a "
        "ChatPromptTemplate or a FewShotChatMessagePromptTemplate."
    )


def _syntax(template: str, template_format: str) -> list[str]:
    return [found for pattern in _SYNTAX[template_format] for found in pattern.findall(template)]


# Few-shot templates: each example is a turn, of which the last value is the reply.


def _few_shot_messages(prompt: FewShotPromptTemplate) -> list[_Dict]:
    # LangChain formats the examples together with the rest, so there is syntax in them too.
    texts = [prompt.prefix, prompt.suffix]
    texts += [value for example in prompt.examples or () for value in example.values() if isinstance(value, str)]
    syntax = [found for text in texts for found in _syntax(text, prompt.template_format)]
    return [
        {"role": "system", "content": prompt.prefix, "syntax": syntax},
        *_turns(prompt),
        {"role": "user", "content": prompt.suffix},
    ]


def _turns(prompt: _FewShot) -> list[_Dict]:
    messages = []
    for number, example in enumerate(prompt.examples or ()):
        shown = [name for name in example if name in prompt.example_prompt.input_variables]
        names = [name for name in shown if isinstance(example[name], str) and example[name].strip()]
        for role, said in (("user", names[:-1]), ("assistant", names[-1:])):
            content = [{"type": "text", "text": example[name]} for name in said]
            messages.append(
                {"role": role, "name": f"example_{role}", "content": content, "example": number, "names": said}
            )
    return messages


def _examples(prompt: _FewShot, turns: Iterable[_Dict]) -> list[_Dict] | None:
    """The examples that are left, with what is left of their values; None where there is a selector."""
    if prompt.examples is None:
        return None
    left: dict[int, _Dict] = {}
    for message in turns:
        texts = [part["text"] for part in message["content"]]
        example = left.setdefault(message["example"], dict(prompt.examples[message["example"]]))
        example.update(zip(message["names"], texts, strict=True))
    return list(left.values())


# What a chat prompt is made of: messages, their templates, few-shot templates, placeholders.


def _read(each: object) -> list[_Dict]:
    """The messages that it gives, as far as they are known; what stays is not dropped even when it has no text."""
    if isinstance(each, BaseMessage):
        return to_openai([each])
    if isinstance(each, FewShotChatMessagePromptTemplate) and each.examples is not None:
        return _turns(each)
    if not isinstance(each, _MessagePrompt):
        # It may give a whole conversation: what stands before it is no part of the last turn.
        return [{"role": "user", "content": "", "stays": True}]
    prompts = _prompts(each)
    texts = [prompt for prompt in prompts if isinstance(prompt, PromptTemplate)]
    message = {
        "role": _role(each),
        "content": [
            {"type": "text", "text": prompt.template} if isinstance(prompt, PromptTemplate) else {"type": "other"}
            for prompt in prompts
        ],
        "syntax": [found for text in texts for found in _syntax(text.template, text.template_format)],
        "stays": len(texts) < len(prompts),
    }
    return [message]


def _rewrite(each: Any, left: list[_Dict]) -> list[Any]:
    """What becomes of it when these messages are left of those it gives; nothing where it was dropped."""
    if isinstance(each, BaseMessage):
        return put_back([each], left)
    if isinstance(each, FewShotChatMessagePromptTemplate) and each.examples is not None:
        return [each.model_copy(update={"examples": _examples(each, left)})]
    if isinstance(each, _MessagePrompt) and left:
        prompts = [
            prompt.model_copy(update={"template": part["text"]}) if part["type"] == "text" else prompt
            for prompt, part in zip(_prompts(each), left[0]["content"], strict=True)
        ]
        return [each.model_copy(update={"prompt": prompts if isinstance(each.prompt, list) else prompts[0]})]
    return [each] if any(message.get("stays") for message in _read(each)) else []


def _prompts(each: _MessagePrompt) -> list[Any]:
    return each.prompt if isinstance(each.prompt, list) else [each.prompt]


def _role(each: _MessagePrompt) -> str:
    match each:
        case HumanMessagePromptTemplate():
            return "user"
        case AIMessagePromptTemplate():
            return "assistant"
        case SystemMessagePromptTemplate():
            return "system"
        case _:
            return each.role
