"""The node postprocessor: what must survive, the budget, and what a framework may hand over."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.events import BaseEvent
from llama_index.core.schema import (
    BaseNode,
    Document,
    ImageNode,
    IndexNode,
    MediaResource,
    MetadataMode,
    Node,
    NodeRelationship,
    NodeWithScore,
    QueryBundle,
    RelatedNodeInfo,
    TextNode,
)
from pydantic import PrivateAttr, ValidationError

from diffumask_core import BudgetError, Compressor, ModelError
from diffumask_core.tokens import get_counter
from diffumask_integrations.llama_index import (
    CompressionEndEvent,
    CompressionStartEvent,
    DiffuMaskNodePostprocessor,
)

QUESTION = "When did the ferry to Skarholm stop?"
PASSAGES = [
    "The ferry to Skarholm ran twice a day until the bridge was opened in the autumn of 1988.",
    "Cod and herring were salted in long wooden sheds which the wind blew through from two sides.",
    "A bridge of four spans has joined the island with the coast since 1988, and a bus goes over it hourly.",
    "The lighthouse keeper painted the door green, since that was the only colour which the shop had.",
]


def count_words(text: str) -> int:
    return len(text.split())


def text_of(node: BaseNode) -> str:
    return node.get_content(MetadataMode.NONE)


def scored(texts: list[str], scores: list[float | None] | None = None) -> list[NodeWithScore]:
    return [
        NodeWithScore(node=TextNode(text=text, id_=f"node-{number}"), score=scores[number] if scores else None)
        for number, text in enumerate(texts)
    ]


@pytest.fixture
def postprocessor(compressor: Compressor) -> DiffuMaskNodePostprocessor:
    return DiffuMaskNodePostprocessor(compressor=compressor, target_tokens=30, tokenizer=count_words)


# Generated node lists.

WORDS = ["the", "a", "of", "Harbour", "keeper", "rope", "cod,", "lantern", "1988", "3.5", "north", "ferry", "wind."]
texts = st.lists(st.sampled_from(WORDS), min_size=1, max_size=40).map(" ".join)
metadata = st.dictionaries(st.sampled_from(["file", "page", "author"]), st.integers() | st.text(max_size=5), max_size=3)
related = st.builds(RelatedNodeInfo, node_id=st.text(min_size=1, max_size=5))
relationships = st.dictionaries(
    st.sampled_from([NodeRelationship.SOURCE, NodeRelationship.NEXT, NodeRelationship.PARENT]), related, max_size=2
)


@st.composite
def nodes(draw: st.DrawFn) -> BaseNode:
    text = draw(texts)
    shared: dict[str, Any] = {
        "metadata": draw(metadata),
        "relationships": draw(relationships),
        "excluded_llm_metadata_keys": draw(st.sampled_from([[], ["page"]])),
        "embedding": draw(st.none() | st.just([0.5, 0.25])),
    }
    match draw(st.sampled_from(["text", "document", "node", "index", "image", "captioned", "blank"])):
        case "text":
            return TextNode(text=text, start_char_idx=7, end_char_idx=7 + len(text), mimetype="text/html", **shared)
        case "document":
            return Document(text=text, text_template="{content}", **shared)
        case "node":
            resource = MediaResource(text=text, mimetype="text/markdown", embeddings={"dense": [1.0]})
            return Node(text_resource=resource, **shared)
        case "index":
            return IndexNode(text=text, index_id="chapter", **shared)
        case "image":
            return ImageNode(image="aW1hZ2U=", **shared)
        case "captioned":
            return ImageNode(image="aW1hZ2U=", text=text, **shared)
        case _:
            return Document(text_resource=MediaResource(text=draw(st.sampled_from(["", " \n"]))), **shared)


node_lists = st.lists(
    st.builds(NodeWithScore, node=nodes(), score=st.none() | st.floats(-1, 1, allow_nan=False)), max_size=7
)
budgets = st.builds(lambda tokens: {"target_tokens": tokens}, st.integers(1, 120)) | st.builds(
    lambda rate: {"keep_rate": rate}, st.sampled_from([0.1, 0.3, 0.5, 0.8, 1.0])
)


def all_but_text(item: NodeWithScore) -> dict[str, Any]:
    plain = item.model_dump(exclude={"node": {"text": True, "text_resource": {"text"}}})
    return {**plain, "kind": type(item.node), "relationships": item.node.relationships}


@settings(max_examples=60, deadline=None)
@given(given_nodes=node_lists, budget=budgets, query=st.sampled_from(["", "  ", "Where is the ferry?", "ferry"]))
def test_only_texts_change(
    compressor: Compressor, given_nodes: list[NodeWithScore], budget: dict[str, Any], query: str
) -> None:
    before = [item.model_dump() for item in given_nodes]
    originals = {item.node_id: item for item in given_nodes}
    postprocessor = DiffuMaskNodePostprocessor(compressor=compressor, tokenizer=count_words, **budget)

    left = postprocessor.postprocess_nodes(given_nodes, QueryBundle(query))

    assert [item.model_dump() for item in given_nodes] == before
    ids = [item.node_id for item in left]
    assert ids == [node_id for node_id in originals if node_id in set(ids)]
    for item in left:
        original = originals[item.node_id]
        assert all_but_text(item) == all_but_text(original)
        if text_of(original.node).strip():
            assert text_of(item.node).strip()
        else:
            assert item is original
    assert {item.node_id for item in given_nodes if not text_of(item.node).strip()} <= set(ids)
    words = sum(count_words(text_of(item.node)) for item in given_nodes)
    # So few words are not shortened by a rate.
    rate = 1 if words <= 50 else budget.get("keep_rate", 1)
    limit = budget.get("target_tokens") or int(rate * words)
    assert sum(count_words(text_of(item.node)) for item in left) <= limit


@settings(max_examples=15, deadline=None)
@given(given_nodes=node_lists, target=st.integers(5, 60))
def test_the_joined_texts_fit_an_llm_s_tokens(
    compressor: Compressor, given_nodes: list[NodeWithScore], target: int
) -> None:
    postprocessor = DiffuMaskNodePostprocessor(compressor=compressor, target_tokens=target)
    left = postprocessor.postprocess_nodes(given_nodes, query_str=QUESTION)
    joined = "\n\n".join(text_of(item.node) for item in left if text_of(item.node).strip())
    assert get_counter("gpt-4o").count(joined) <= target


# Single cases.


def test_a_copy_is_its_own(postprocessor: DiffuMaskNodePostprocessor) -> None:
    source = scored([" ".join(PASSAGES)])
    source[0].node.metadata["file"] = "ferry.txt"
    copied = postprocessor.postprocess_nodes(source)[0]
    copied.node.metadata["seen"] = True
    copied.node.excluded_llm_metadata_keys.append("seen")
    copied.node.relationships[NodeRelationship.NEXT] = RelatedNodeInfo(node_id="other")
    copied.score = 1.0
    assert source[0].node.metadata == {"file": "ferry.txt"}
    assert source[0].node.excluded_llm_metadata_keys == []
    assert source[0].node.relationships == {}
    assert source[0].score is None


def test_an_object_behind_an_index_node_is_not_copied(postprocessor: DiffuMaskNodePostprocessor) -> None:
    behind = object()
    node = IndexNode(text=" ".join(PASSAGES), index_id="harbour", obj=behind)
    left = postprocessor.postprocess_nodes([NodeWithScore(node=node)])[0].node
    assert isinstance(left, IndexNode)
    assert left.obj is behind
    assert left.index_id == "harbour"


def test_within_the_budget_texts_come_back_as_they_were(compressor: Compressor) -> None:
    postprocessor = DiffuMaskNodePostprocessor(compressor=compressor, target_tokens=500)
    source = scored([f"  {passage}\n" for passage in PASSAGES])
    assert postprocessor.postprocess_nodes(source, query_str=QUESTION) == source


def test_metadata_is_neither_read_nor_counted(postprocessor: DiffuMaskNodePostprocessor) -> None:
    plain, described = scored(PASSAGES), scored(PASSAGES)
    for item in described:
        item.node.metadata["summary"] = "one two three four five six seven eight nine ten"
    left = [postprocessor.postprocess_nodes(source, query_str=QUESTION) for source in (plain, described)]
    assert [text_of(item.node) for item in left[0]] == [text_of(item.node) for item in left[1]]


def test_scores_share_the_budget(compressor: Compressor) -> None:
    postprocessor = DiffuMaskNodePostprocessor(
        compressor=compressor, target_tokens=24, tokenizer=count_words, token_level=False
    )
    for best in range(len(PASSAGES)):
        scores: list[float | None] = [0.9 if number == best else 0.1 for number in range(len(PASSAGES))]
        left = postprocessor.postprocess_nodes(scored(PASSAGES, scores))
        assert PASSAGES[best] in [text_of(item.node) for item in left]


@pytest.mark.parametrize("score", [float("nan"), float("inf"), None])
def test_a_score_that_is_none_is_no_obstacle(postprocessor: DiffuMaskNodePostprocessor, score: float | None) -> None:
    left = postprocessor.postprocess_nodes(scored(PASSAGES, [score, 0.5, 0.4, 0.3]))
    assert left
    assert sum(count_words(text_of(item.node)) for item in left) <= 30


def test_a_passage_that_repeats_the_query_is_not_protected(compressor: Compressor) -> None:
    postprocessor = DiffuMaskNodePostprocessor(compressor=compressor, target_tokens=5, tokenizer=count_words)
    source = scored([f"{QUESTION} That was asked often.", *PASSAGES])
    left = postprocessor.postprocess_nodes(source, query_str=QUESTION)
    assert sum(count_words(text_of(item.node)) for item in left) <= 5


def test_nothing_to_compress_passes(postprocessor: DiffuMaskNodePostprocessor) -> None:
    image = NodeWithScore(node=ImageNode(image="aW1hZ2U="), score=0.4)
    assert postprocessor.postprocess_nodes([]) == []
    assert postprocessor.postprocess_nodes([image], query_str=QUESTION) == [image]


def test_an_empty_query_is_said_in_the_log(
    postprocessor: DiffuMaskNodePostprocessor, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="diffumask"):
        without = postprocessor.postprocess_nodes(scored(PASSAGES))
        assert not caplog.records
        assert postprocessor.postprocess_nodes(scored(PASSAGES), QueryBundle("")) == without
    assert "The query is empty" in caplog.text


def test_protected_text_beyond_the_budget(compressor: Compressor, caplog: pytest.LogCaptureFixture) -> None:
    options: dict[str, Any] = {"compressor": compressor, "target_tokens": 2, "protect": ["until the bridge was opened"]}
    with caplog.at_level(logging.WARNING, logger="diffumask"):
        left = DiffuMaskNodePostprocessor(**options).postprocess_nodes(scored(PASSAGES))
    assert [text_of(item.node) for item in left] == ["until the bridge was opened"]
    assert "more than the budget of 2" in caplog.text
    with pytest.raises(BudgetError):
        DiffuMaskNodePostprocessor(**options, on_overflow="raise").postprocess_nodes(scored(PASSAGES))


async def test_async_gives_the_same(postprocessor: DiffuMaskNodePostprocessor) -> None:
    source = scored(PASSAGES, [0.4, 0.3, 0.2, 0.1])
    waited = await postprocessor.apostprocess_nodes(source, QueryBundle(QUESTION))
    assert waited == postprocessor.postprocess_nodes(source, QueryBundle(QUESTION))


# The component.


def test_it_is_a_component_like_the_others(model_folder: Any) -> None:
    postprocessor = DiffuMaskNodePostprocessor(model=str(model_folder), keep_rate=0.3, protect=["Skarholm"])
    assert DiffuMaskNodePostprocessor.class_name() == "DiffuMaskNodePostprocessor"
    plain = postprocessor.to_dict()
    assert plain["class_name"] == "DiffuMaskNodePostprocessor"
    for again in (
        DiffuMaskNodePostprocessor.from_dict(plain),
        DiffuMaskNodePostprocessor.from_json(postprocessor.to_json()),
    ):
        assert again.options() == postprocessor.options()
        assert again.postprocess_nodes(scored(PASSAGES)) == postprocessor.postprocess_nodes(scored(PASSAGES))


def test_wrong_settings_are_seen_at_once(compressor: Compressor) -> None:
    with pytest.raises(ValidationError, match=r"keep_rate=1\.5 is not a share"):
        DiffuMaskNodePostprocessor(compressor=compressor, keep_rate=1.5)
    with pytest.raises(ValidationError, match="top_n"):
        DiffuMaskNodePostprocessor(compressor=compressor, top_n=3)
    with pytest.raises(ModelError, match="nowhere"):
        DiffuMaskNodePostprocessor(model="nowhere")


class Recorder(BaseEventHandler):
    _events: list[BaseEvent] = PrivateAttr(default_factory=list)

    @classmethod
    def class_name(cls) -> str:
        return "Recorder"

    def handle(self, event: BaseEvent, **kwargs: Any) -> None:
        self._events.append(event)


@pytest.fixture
def events() -> Iterator[list[BaseEvent]]:
    recorder, dispatcher = Recorder(), get_dispatcher()
    dispatcher.add_event_handler(recorder)
    yield recorder._events
    dispatcher.event_handlers.remove(recorder)


def test_events_tell_what_was_saved(postprocessor: DiffuMaskNodePostprocessor, events: list[BaseEvent]) -> None:
    source = scored(PASSAGES)
    left = postprocessor.postprocess_nodes(source, query_str=QUESTION)
    start, end = events
    assert isinstance(start, CompressionStartEvent)
    assert (start.query, start.nodes) == (QUESTION, source)
    assert isinstance(end, CompressionEndEvent)
    assert end.nodes == left
    assert end.budget == 30
    assert end.original_tokens == sum(map(count_words, PASSAGES))
    assert end.compressed_tokens == sum(count_words(text_of(item.node)) for item in left)
    assert start.span_id == end.span_id
    assert str(start.span_id).startswith("DiffuMaskNodePostprocessor._postprocess_nodes")
    assert end.marks == 0
    assert end.model_dump()["class_name"] == "CompressionEndEvent"


TABLE = "id,name,country,size\n" + "\n".join(f"{number},Port {number},NO,{number * 3}" for number in range(30))


def test_a_table_goes_by_rows_and_says_so(compressor: Compressor, events: list[BaseEvent]) -> None:
    postprocessor = DiffuMaskNodePostprocessor(compressor=compressor, keep_rate=0.5)
    (left,) = postprocessor.postprocess_nodes(scored([TABLE]), query_str="How large is port 7?")
    rows = text_of(left.node).splitlines()
    marks = [row for row in rows if row.startswith("[…")]
    assert rows[0] == "id,name,country,size"
    assert set(rows) - set(marks) < set(TABLE.splitlines())
    assert isinstance(events[1], CompressionEndEvent)
    assert events[1].marks == len(marks) > 0


async def test_events_of_async_calls(postprocessor: DiffuMaskNodePostprocessor, events: list[BaseEvent]) -> None:
    await postprocessor.apostprocess_nodes(scored(PASSAGES), query_str=QUESTION)
    assert [event.class_name() for event in events] == ["CompressionStartEvent", "CompressionEndEvent"]


def test_no_events_where_there_is_nothing_to_do(
    postprocessor: DiffuMaskNodePostprocessor, events: list[BaseEvent]
) -> None:
    postprocessor.postprocess_nodes([])
    assert events == []
