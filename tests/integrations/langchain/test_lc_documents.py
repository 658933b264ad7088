import asyncio
import copy
import logging
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from langchain_classic.retrievers import ContextualCompressionRetriever
from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.language_models.fake_chat_models import FakeListChatModel
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnablePassthrough

from diffumask_core import BudgetError, Compressor
from diffumask_integrations.langchain import DiffuMaskDocumentCompressor

PASSAGES = [
    "The ferry to the island leaves the old harbour at a quarter past nine in the morning, every day of the year.",
    "Bees make honey from nectar, which they collect from the flowers of many plants, and store it in their hive.",
    "A harbour is a place on the coast where ships may find shelter from storms, and where they load and unload.",
    "The price of a ticket for the ferry is six pounds for adults and three for children under twelve years of age.",
]
QUERY = "When does the ferry leave?"


def words(text: str) -> int:
    return len(text.split())


@pytest.fixture
def documents() -> list[Document]:
    return [
        Document(page_content=text, id=f"d{number}", metadata={"source": f"{number}.txt", "pages": [number]})
        for number, text in enumerate(PASSAGES)
    ]


@pytest.mark.parametrize("target", [3, 30])
def test_one_budget_over_all_documents(compressor: Compressor, documents: list[Document], target: int) -> None:
    before = copy.deepcopy(documents)
    shortener = DiffuMaskDocumentCompressor(compressor=compressor, target_tokens=target, tokenizer=words)
    result = shortener.compress_documents(documents, QUERY)
    assert 0 < sum(words(each.page_content) for each in result) <= target
    assert documents == before
    originals = {each.id: each for each in documents}
    assert [each.id for each in result] == sorted(each.id for each in result)
    assert all(each.page_content for each in result), "a document of which nothing is left does not come back"
    for each in result:
        original = originals[each.id]
        assert each.metadata == original.metadata
        assert each.page_content == original.page_content or each.metadata is not original.metadata
        left = iter(original.page_content.split())
        assert all(any(word.startswith(kept.rstrip(".,")) for word in left) for kept in each.page_content.split())


def test_documents_within_the_budget_come_back_as_they_are(compressor: Compressor, documents: list[Document]) -> None:
    result = DiffuMaskDocumentCompressor(compressor=compressor, target_tokens=500).compress_documents(documents, QUERY)
    assert all(new is old for new, old in zip(result, documents, strict=True))


def test_async_gives_the_same(compressor: Compressor, documents: list[Document]) -> None:
    shortener = DiffuMaskDocumentCompressor(compressor=compressor, keep_rate=0.4)
    assert asyncio.run(shortener.acompress_documents(documents, QUERY)) == shortener.compress_documents(
        documents, QUERY
    )


def test_a_passage_that_repeats_the_query_can_go(compressor: Compressor, documents: list[Document]) -> None:
    documents.append(Document(page_content=f"Somebody asked: {QUERY} Nobody knew what to say to that, so we left."))
    shortener = DiffuMaskDocumentCompressor(
        compressor=compressor, target_tokens=3, tokenizer=words, on_overflow="raise"
    )
    assert sum(words(each.page_content) for each in shortener.compress_documents(documents, QUERY)) <= 3


def test_the_score_of_a_reranker_counts(compressor: Compressor, documents: list[Document]) -> None:
    shortener = DiffuMaskDocumentCompressor(compressor=compressor, target_tokens=24, tokenizer=words)
    for best in range(len(documents)):
        for number, document in enumerate(documents):
            document.metadata["relevance_score"] = 0.9 if number == best else 0.1
        assert f"d{best}" in [each.id for each in shortener.compress_documents(documents, QUERY)]


@pytest.mark.parametrize("score", [None, "high", float("nan"), True])
def test_what_is_no_score_is_not_read_as_one(compressor: Compressor, documents: list[Document], score: Any) -> None:
    shortener = DiffuMaskDocumentCompressor(compressor=compressor, keep_rate=0.3)
    expected = [each.page_content for each in shortener.compress_documents(documents, QUERY)]
    documents[1].metadata["relevance_score"] = score
    assert [each.page_content for each in shortener.compress_documents(documents, QUERY)] == expected


def test_without_metadata_and_without_text(compressor: Compressor, documents: list[Document]) -> None:
    documents[0].metadata = None  # type: ignore[assignment]
    documents.insert(1, Document(page_content="", id="empty", metadata={"image": "a.png"}))
    documents.insert(2, Document(page_content=" \n", id="blank"))
    shortener = DiffuMaskDocumentCompressor(compressor=compressor, keep_rate=0.5)
    result = {each.id: each for each in shortener.compress_documents(documents, QUERY)}
    assert result["empty"] is documents[1]
    assert result["blank"] is documents[2]
    assert documents[0].metadata is None
    assert shortener.compress_documents([], QUERY) == []
    assert shortener.compress_documents(documents[1:3], QUERY) == documents[1:3]


def test_without_a_query(compressor: Compressor, documents: list[Document], caplog: pytest.LogCaptureFixture) -> None:
    shortener = DiffuMaskDocumentCompressor(compressor=compressor, target_tokens=30, tokenizer=words)
    with caplog.at_level(logging.WARNING, "diffumask"):
        result = shortener.compress_documents(documents, " ")
    assert "The query is empty" in caplog.text
    assert 0 < sum(words(each.page_content) for each in result) <= 30


def test_misspelt_settings(compressor: Compressor) -> None:
    with pytest.raises(ValueError, match="did you mean target_tokens"):
        DiffuMaskDocumentCompressor(compressor=compressor, target_token=30)


class Shelf(BaseRetriever):
    documents: list[Document]

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
        return self.documents


def test_in_a_contextual_compression_retriever(compressor: Compressor, documents: list[Document]) -> None:
    shortener = DiffuMaskDocumentCompressor(compressor=compressor, target_tokens=30, tokenizer=words)
    retriever = ContextualCompressionRetriever(base_compressor=shortener, base_retriever=Shelf(documents=documents))
    expected = shortener.compress_documents(documents, QUERY)
    assert retriever.invoke(QUERY) == expected
    assert asyncio.run(retriever.ainvoke(QUERY)) == expected

    def join(found: list[Document]) -> str:
        return "\n\n".join(each.page_content for each in found)

    prompt = ChatPromptTemplate.from_template("{context}\n\nQuestion: {question}")
    llm = FakeListChatModel(responses=["At a quarter past nine."])
    chain = {"context": retriever | join, "question": RunnablePassthrough()} | prompt | llm
    assert chain.invoke(QUERY).content == "At a quarter past nine."


@settings(max_examples=40, deadline=None)
@given(
    texts=st.lists(st.sampled_from([*PASSAGES, "", "Short.", "Answer: 42", "See `code` here:\n```\nx = 1\n```"])),
    query=st.sampled_from([QUERY, "", "harbour"]),
    target_tokens=st.integers(1, 120),
)
def test_within_budget_and_never_out_of_order(
    compressor: Compressor, texts: list[str], query: str, target_tokens: int
) -> None:
    documents = [Document(page_content=text, metadata={"n": number}) for number, text in enumerate(texts)]
    shortener = DiffuMaskDocumentCompressor(
        compressor=compressor, target_tokens=target_tokens, tokenizer=words, on_overflow="raise"
    )
    try:
        result = shortener.compress_documents(documents, query)
    except BudgetError:
        assume(False)
    places = [each.metadata["n"] for each in result]
    assert places == sorted(set(places))
    assert set(places) >= {number for number, text in enumerate(texts) if not text}
    assert all(each.page_content.strip() or not texts[each.metadata["n"]] for each in result)
    assert sum(words(each.page_content) for each in result) <= target_tokens


@pytest.mark.parametrize(
    "content",
    [
        "\n".join(f"2026-03-{day:02} 10:00:{day:02} INFO job {day * 7} done in {day} ms" for day in range(1, 25)),
        "\n\n".join(f"def f{n}(a, b):\n    c = a + b * {n}\n    return c / {n + 1}" for n in range(1, 12)),
        "id,name,country,size\n" + "\n".join(f"{n},Port {n},NO,{n * 3}" for n in range(30)),
    ],
    ids=["log", "code", "table"],
)
def test_lines_of_a_log_code_or_a_table_stay_whole(compressor: Compressor, content: str) -> None:
    shortener = DiffuMaskDocumentCompressor(compressor=compressor, keep_rate=0.4)
    (left,) = shortener.compress_documents([Document(page_content=content, metadata={"source": "a"})], QUERY)
    lines = left.page_content.splitlines()
    assert any("left out]" in line for line in lines)
    assert {line for line in lines if "left out]" not in line} < {*content.splitlines(), ""}
    assert left.metadata == {"source": "a"}
