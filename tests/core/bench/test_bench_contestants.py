"""What is measured, with the tiny model and networks as tiny."""

import sys
from pathlib import Path
from typing import Any

import pytest

from diffumask_core.bench.contestants import MANY_STEPS, ColdStart, DiffuMask, EncoderPass, Removal
from diffumask_core.bench.peers import ClassifierPass, LLMLingua2, Shape
from diffumask_core.bench.prompts import Case
from diffumask_core.errors import MissingExtraError, ModelError
from diffumask_core.model.inputs import WindowBatch
from diffumask_core.model.network import FloatArray
from diffumask_core.model.torch_network import TorchNetwork
from diffumask_core.units.words import split_words

PROMPTS = Case("two", shots=6, prompts=2).texts(0)
BERT = Shape("bert", layers=1, width=8, heads=1, positions=512, vocabulary=31_000)
XLM_R = Shape("xlm-roberta", layers=1, width=8, heads=1, positions=514, vocabulary=31_000)


def test_whole_calls(model_folder: Path) -> None:
    figures = DiffuMask("ours", str(model_folder), steps=4).load()(PROMPTS)()
    assert 0 < figures["outside_encoder"] < 1


def test_first_call_of_a_fresh_process() -> None:
    figures = ColdStart("ours", None).load()(PROMPTS[:1])()
    assert (figures.get("megabytes", 0) > 20) == (sys.platform in ("linux", "darwin"))


def test_the_encoder_alone_reads_what_a_call_reads(model_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[list[list[int]]] = []
    encode = TorchNetwork.encode

    def recorded(network: TorchNetwork, batch: WindowBatch) -> FloatArray:
        read.append(batch.input_ids.tolist())
        return encode(network, batch)

    monkeypatch.setattr(TorchNetwork, "encode", recorded)
    DiffuMask("ours", str(model_folder)).load()(PROMPTS)()
    by_a_call = list(read)
    run = EncoderPass("encoder", str(model_folder)).load()(PROMPTS)
    read.clear()
    run()
    assert read == by_a_call


@pytest.mark.parametrize("contestant", [DiffuMask, ColdStart, EncoderPass])
def test_no_such_model(contestant: type[EncoderPass]) -> None:
    with pytest.raises(ModelError):
        contestant("ours", "no such!").load()


def test_one_at_a_time_takes_a_call_for_each_unit(model_folder: Path) -> None:
    prompts = Case("two", shots=1, prompts=2).texts(0)
    counts = [len(split_words(prompt)) for prompt in prompts]
    one_by_one = Removal("", str(model_folder), sequential=True).load()(prompts)
    in_parallel = Removal("", str(model_folder), sequential=False).load()(prompts)
    assert one_by_one()["calls"] == sum(count - int(0.4 * count) for count in counts)
    assert 2 <= in_parallel()["calls"] <= MANY_STEPS * 2


class TestPeers:
    @pytest.fixture
    def read(self, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, tuple[int, ...]]]:
        """The networks that are made, and the shapes of what they read."""
        seen: list[tuple[Any, tuple[int, ...]]] = []
        make = Shape.network

        def network(shape: Shape) -> Any:
            made = make(shape)
            made.register_forward_pre_hook(
                lambda _, __, given: seen.append((made, tuple(given["input_ids"].shape))), with_kwargs=True
            )
            return made

        monkeypatch.setattr(Shape, "network", network)
        return seen

    @pytest.mark.parametrize("shape", [BERT, XLM_R])
    def test_llmlingua_reads_all_prompts_in_full_chunks(self, shape: Shape, read: list[Any]) -> None:
        run = LLMLingua2("peer", shape).load()(PROMPTS)
        run()
        [(network, (chunks, tokens))] = read
        assert tokens == 512
        # Some 800 tokens a prompt: two chunks.
        assert chunks == 2 * len(PROMPTS)
        # llmlingua adds tokens of its own.
        assert network.get_input_embeddings().num_embeddings == shape.vocabulary + 100

    def test_one_pass_over_windows_as_ours(self, read: list[Any], model_folder: Path) -> None:
        run = ClassifierPass("pass", BERT, str(model_folder)).load()(PROMPTS)
        run()
        [(_, (windows, tokens))] = read
        assert windows > len(PROMPTS)
        assert tokens <= 128  # the tiny model's window

    @pytest.mark.parametrize(("package", "extra"), [("llmlingua", "bench"), ("torch", "bench")])
    def test_what_is_not_installed(self, package: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, package, None)
        contestant = LLMLingua2("peer", BERT) if package == "llmlingua" else ClassifierPass("pass", BERT, None)
        with pytest.raises(MissingExtraError, match=rf"{package} is not installed, .*diffumask\[{extra}\]"):
            contestant.load()
