"""With tiny random models: what they say is noise, but the same noise alone and in a batch."""

from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from diffumask_core import InputError, ModelError
from diffumask_core.readers import CausalLMReader, Question
from diffumask_core.readers.answers import final_answer

SHOTS = "Q: fish\nA: good\n\nQ: cold soup\nA: bad"
QUESTIONS = [
    Question(SHOTS, "Q: the soup was cold\nA:", "bad", ("good", "bad", "so so")),
    Question("", "Q: fish\nA:", "good", ("good", "bad", "so so")),
    Question(SHOTS[:15], "Q: burnt fish, and a rude waiter\nA:", "so so", ("so so", "bad")),
    Question(SHOTS, "Q: x\nA: ", "a longer answer than that of the others", ("bad", "good")),
]


@pytest.fixture(scope="module")
def words() -> PreTrainedTokenizerFast:
    """As GPT-2's, without its merges: a token for each byte."""
    names = ["<pad>", "<end>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tokenizer = Tokenizer(models.BPE({name: number for number, name in enumerate(names)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<end>")


@pytest.fixture(scope="module", params=["learned positions", "rotary positions"])
def model(request: pytest.FixtureRequest, words: PreTrainedTokenizerFast) -> Any:
    torch.manual_seed(0)
    if request.param == "learned positions":
        sizes = {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 300}
        made = GPT2LMHeadModel(GPT2Config(vocab_size=len(words), initializer_range=0.5, **sizes))
    else:
        made = LlamaForCausalLM(
            LlamaConfig(
                vocab_size=len(words),
                hidden_size=16,
                intermediate_size=32,
                num_hidden_layers=2,
                num_attention_heads=2,
                max_position_embeddings=300,
                initializer_range=0.5,
            )
        )
    made.generation_config.eos_token_id = words.eos_token_id
    return made.eval()


@torch.inference_mode()
def log_likelihood(model: Any, words: PreTrainedTokenizerFast, before: str, answer: str) -> float:
    """Token by token, without a batch."""
    ids = words(before)["input_ids"]
    total = 0.0
    for token in words(f" {answer}")["input_ids"]:
        total += float(model(torch.tensor([ids])).logits[0, -1].log_softmax(-1)[token])
        ids = [*ids, token]
    return total


def text(question: Question) -> str:
    return f"{question.prompt}\n\n{question.query}".strip()


@pytest.mark.parametrize("batch_size", [1, 3])
def test_log_likelihoods_are_those_of_one_text_alone(
    model: Any, words: PreTrainedTokenizerFast, batch_size: int
) -> None:
    reader = CausalLMReader(model, words, batch_size=batch_size)
    expected = [log_likelihood(model, words, text(question), question.answer) for question in QUESTIONS]
    assert reader.log_probabilities(QUESTIONS) == pytest.approx(expected, abs=1e-3)


def test_the_likeliest_label(model: Any, words: PreTrainedTokenizerFast) -> None:
    expected = [
        max(question.labels, key=lambda label: log_likelihood(model, words, text(question), label))
        for question in QUESTIONS
    ]
    assert CausalLMReader(model, words, batch_size=4).answers(QUESTIONS) == expected


@torch.inference_mode()
def written(model: Any, words: PreTrainedTokenizerFast, before: str, most: int) -> str:
    ids = words(before)["input_ids"]
    start = len(ids)
    for _ in range(most):
        token = int(model(torch.tensor([ids])).logits[0, -1].argmax())
        if token == words.eos_token_id:
            break
        ids = [*ids, token]
    text: str = words.decode(ids[start:])
    return text


def test_writing_takes_the_likeliest_token(model: Any, words: PreTrainedTokenizerFast) -> None:
    open_ended = [Question(question.prompt, question.query, "") for question in QUESTIONS]
    reader = CausalLMReader(model, words, batch_size=4, max_new_tokens=8)
    expected = [final_answer(written(model, words, text(question), 8).partition("\n\n")[0]) for question in QUESTIONS]
    assert reader.answers(open_ended) == expected
    assert any(expected)
    mixed = [QUESTIONS[0], open_ended[1], QUESTIONS[2]]
    assert reader.answers(mixed) == [reader.answers([question])[0] for question in mixed]


def test_writing_ends_at_a_blank_line(model: Any, words: PreTrainedTokenizerFast, monkeypatch: Any) -> None:
    calls = []
    generate = model.generate

    def told(**options: Any) -> Any:
        calls.append(options)
        rows = [words("good\n\nQ: more")["input_ids"]] * len(options["input_ids"])
        return torch.cat([options["input_ids"], torch.tensor(rows)], dim=1)

    monkeypatch.setattr(model, "generate", told)
    assert CausalLMReader(model, words, max_new_tokens=9).answers([Question(SHOTS, "Q: fish\nA:", "")]) == ["good"]
    [options] = calls
    monkeypatch.setattr(model, "generate", generate)
    stops = {**options, "stop_strings": [written(model, words, f"{SHOTS}\n\nQ: fish\nA:", 3)[-1]]}
    assert model.generate(**stops).shape[1] <= options["input_ids"].shape[1] + 3


def test_a_prompt_that_is_too_long(model: Any, words: PreTrainedTokenizerFast) -> None:
    reader = CausalLMReader(model, words, max_new_tokens=10)
    query = "Q: " + "x " * 145 + "A:"
    assert len(reader.log_probabilities([Question("", query, "y")])) == 1
    with pytest.raises(InputError, match="at most 300, 10 of them for its answer"):
        reader.answers([Question("", query, "y")])
    with pytest.raises(InputError, match="at most 300: give it fewer shots"):
        reader.log_probabilities([Question(query, query, "y")])


def test_a_question_without_words(model: Any, words: PreTrainedTokenizerFast) -> None:
    with pytest.raises(InputError, match="nothing before the answer 'bad'"):
        CausalLMReader(model, words).log_probabilities([Question("", " ", "bad")])


def test_from_a_folder(model: Any, words: PreTrainedTokenizerFast, tmp_path: Path) -> None:
    folder = tmp_path / "tiny-lm"
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    reader = CausalLMReader.from_pretrained(folder, batch_size=2)
    assert reader.name == "tiny-lm"
    expected = CausalLMReader(model, words).log_probabilities(QUESTIONS)
    assert reader.log_probabilities(QUESTIONS) == pytest.approx(expected, abs=1e-4)
    with pytest.raises(ModelError, match="no causal language model"):
        CausalLMReader.from_pretrained(tmp_path / "nothing")


def test_nothing_to_read(model: Any, words: PreTrainedTokenizerFast) -> None:
    reader = CausalLMReader(model, words)
    assert reader.answers([]) == []
    assert reader.log_probabilities([]) == []
