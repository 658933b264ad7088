"""Retrieval and chat in LlamaIndex's own engines, with the bundled model and without a network."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from llama_index.core import VectorStoreIndex
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.chat_engine import ContextChatEngine
from llama_index.core.llms import ChatMessage, MockLLM
from llama_index.core.memory import Memory
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.schema import Document, NodeRelationship, NodeWithScore
from pydantic import PrivateAttr
from sqlalchemy.ext.asyncio import create_async_engine

from diffumask_core.model.pretrained import load_pruner
from diffumask_core.tokens import get_counter
from diffumask_integrations.llama_index import DiffuMaskMemoryBlock, DiffuMaskNodePostprocessor

QUESTION = "Who designed the bridge to Skarholm?"
DOCUMENTS = {
    "bridge.txt": "The bridge to Skarholm was designed by Ingrid Falk, an engineer from Trondheim who had built two "
    "dams before. Work on it began in 1984 and took four winters, since the current between the piers is strong and "
    "the weather left the crews only a few calm weeks in a year. It was opened in the autumn of 1988.",
    "ferry.txt": "Before there was a bridge to Skarholm, a ferry ran twice a day. It carried eleven cars and, in "
    "summer, a great many bicycles, and it was late so often that the islanders set their clocks by the tide instead. "
    "The last captain keeps its bell in his garden.",
    "fishing.txt": "Cod and herring were salted in long wooden sheds which the wind blew through from two sides. Most "
    "families on the island had a share in a boat, and those who had none mended nets for the others in the winter.",
    "school.txt": "The school of the island has nineteen pupils and two teachers, who take turns at the piano. Its "
    "roof was paid for by the sale of a whale's jaw that had stood at the harbour since the days of the whalers.",
    "bakery.txt": "Bread is baked twice a week from barley and rye. Many bakers let the dough rest overnight before "
    "it goes into the oven, and the first loaf is given to whoever comes by on foot.",
}


class BundledEmbedding(BaseEmbedding):
    """The sentence encoder that comes with the bundled model."""

    def _get_text_embedding(self, text: str) -> list[float]:
        vector: list[float] = load_pruner().embed([text])[0].tolist()
        return vector

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)


@pytest.fixture(scope="module")
def index() -> VectorStoreIndex:
    documents = [Document(text=text, metadata={"file": name}) for name, text in DOCUMENTS.items()]
    return VectorStoreIndex.from_documents(
        documents, embed_model=BundledEmbedding(), transformations=[SentenceSplitter(chunk_size=200, chunk_overlap=0)]
    )


@pytest.fixture(scope="module")
def postprocessor() -> DiffuMaskNodePostprocessor:
    return DiffuMaskNodePostprocessor(target_tokens=90)


def tokens(nodes: list[NodeWithScore]) -> int:
    return get_counter("gpt-4o").count("\n\n".join(item.get_content() for item in nodes))


async def test_query_engine(index: VectorStoreIndex, postprocessor: DiffuMaskNodePostprocessor) -> None:
    retriever = index.as_retriever(similarity_top_k=5)
    plain = RetrieverQueryEngine.from_args(retriever, llm=MockLLM())
    compressing = RetrieverQueryEngine.from_args(retriever, llm=MockLLM(), node_postprocessors=[postprocessor])
    before, after = plain.query(QUESTION), compressing.query(QUESTION)

    # The mock LLM answers with its prompt.
    assert len(str(after)) < len(str(before)) / 2
    assert "Ingrid Falk" in str(after)
    assert f"Query: {QUESTION}" in str(after)
    assert "file: bridge.txt" in str(after)
    assert 0 < tokens(after.source_nodes) <= 90 < tokens(before.source_nodes)
    found = {item.node_id: item for item in before.source_nodes}
    assert [item.node_id for item in after.source_nodes] == [
        node_id for node_id in found if node_id in {item.node_id for item in after.source_nodes}
    ]
    for item in after.source_nodes:
        original = found[item.node_id]
        assert item.score == original.score
        assert item.metadata == original.metadata
        assert item.node.relationships[NodeRelationship.SOURCE] == original.node.relationships[NodeRelationship.SOURCE]
    assert str(await compressing.aquery(QUESTION)) == str(after)
    # What is stored is as it was.
    assert [item.text for item in plain.query(QUESTION).source_nodes] == [item.text for item in before.source_nodes]


@pytest.fixture
async def memory() -> AsyncIterator[Memory]:
    engine = create_async_engine("sqlite+aiosqlite:///:memory:")
    yield Memory.from_defaults(
        async_engine=engine,
        token_limit=130,
        token_flush_size=20,
        chat_history_token_ratio=0.5,
        memory_blocks=[DiffuMaskMemoryBlock()],
    )
    await engine.dispose()


class BriefLLM(MockLLM):
    """Answers in one sentence, and remembers what it read."""

    _read: list[str] = PrivateAttr(default_factory=list)

    @property
    def read(self) -> list[str]:
        return self._read

    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> Any:
        self._read.append(prompt)
        return super().complete("That is what the passages say about the island.", formatted, **kwargs)


async def test_chat_engine(index: VectorStoreIndex, postprocessor: DiffuMaskNodePostprocessor, memory: Memory) -> None:
    llm = BriefLLM()
    engine = ContextChatEngine.from_defaults(
        retriever=index.as_retriever(similarity_top_k=4), llm=llm, memory=memory, node_postprocessors=[postprocessor]
    )
    await engine.achat("My grandmother Solveig was the last captain's sister. Was the ferry ever on time?")
    for topic in ("the school", "bread", "the harbour", "the winter"):
        await memory.aput_messages(
            [
                ChatMessage(role="user", content=f"And what is there to be told about {topic} in those years?"),
                ChatMessage(role="assistant", content=f"There is a great deal that could be told about {topic}."),
            ]
        )
    response = await engine.achat("What did I say about my grandmother?")

    assert tokens(response.source_nodes) <= 90
    assert "Solveig" in llm.read[-1]
    # She has long fallen out of short-term memory.
    assert "Solveig" not in str(await memory.sql_store.get_messages(memory.session_id))
    assert memory._estimate_token_count(await memory.aget()) <= 130
