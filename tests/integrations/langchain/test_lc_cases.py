"""Prompts as LangChain's templates make them, with the bundled model: what must come out."""

import pytest
from langchain_core.prompts import ChatPromptTemplate, PromptTemplate

from diffumask_integrations.langchain import DiffuMaskCompressor

HARBOUR = (
    "The harbour of Vik was rebuilt between 1921 and 1934 after the great storm had destroyed the old piers. The work "
    "was led by an engineer named Osvald Brekke, who had come from the capital and stayed for the rest of his life. "
)


@pytest.mark.parametrize(
    "human",
    [
        "Context:\n{context}\n\nQuestion: {question}",
        "<context>\n{context}\n</context>\n\n{question}",
        "{question}\n\nDocuments:\n{context}",
        "Use the following context to answer.\n\n{context}\n\nQuestion: {question}\nHelpful Answer:",
    ],
)
@pytest.mark.parametrize("question", ["Who led the work?", "When was the harbour rebuilt, and why?"])
def test_the_context_of_a_chat_prompt_is_shortened(human: str, question: str) -> None:
    prompt = ChatPromptTemplate.from_messages([("system", "Answer from the context."), ("human", human)])
    value = (prompt | DiffuMaskCompressor(keep_rate=0.3)).invoke({"context": HARBOUR * 4, "question": question})
    system, last = value.to_messages()
    assert system.content == "Answer from the context."
    assert question in last.content
    assert len(last.content) < 0.6 * len(4 * HARBOUR)


@pytest.mark.parametrize("text", ["Hello there", "Do not delete the database.", "ok"])
def test_a_short_prompt_comes_back_as_it_was(text: str) -> None:
    assert DiffuMaskCompressor(keep_rate=0.4).invoke(text) == text


@pytest.mark.parametrize("template", ["Summarize this in French:\n\n{text}", "{text}\n\nWho led the work?"])
def test_the_task_of_a_plain_template_stays(template: str) -> None:
    value = (PromptTemplate.from_template(template) | DiffuMaskCompressor(keep_rate=0.3)).invoke({"text": HARBOUR * 2})
    task = template.replace("{text}", "").strip()
    assert task in value.to_string()
    assert len(value.to_string()) < len(2 * HARBOUR)
