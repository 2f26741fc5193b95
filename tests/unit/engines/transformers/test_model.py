"""The real torch with our own tiny models."""

import json
import math
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from remuda.engines.transformers.asked import Chat, Refused, Wish
from remuda.engines.transformers.model import TorchModel, Unloadable
from remuda.engines.transformers.speaking import pieces

pytestmark = [pytest.mark.engine, pytest.mark.xdist_group("transformers")]

CONFIG: dict[str, Any] = {
    "name": "m",
    "slots": 1,
    "embeds": None,
    "context": None,
    "batch": 16,
    "threads": 1,
    "device": "cpu",
}
HELLO = Chat([{"role": "user", "content": "Hello"}])
GREEDY = Wish(temperature=0, max_tokens=40)


def loaded(folder: Path, told: list[float] | None = None, **config: Any) -> TorchModel:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of libraries that are imported here for the first time
        return TorchModel({**CONFIG, **config}, folder, [].append if told is None else told.append)


@pytest.fixture(scope="module")
def told() -> list[float]:
    return []


@pytest.fixture(scope="module")
def chat(chat_folder: Path, told: list[float]) -> TorchModel:
    return loaded(chat_folder, told)


@pytest.fixture(scope="module")
def embed(embed_folder: Path) -> TorchModel:
    return loaded(embed_folder)


def said(model: TorchModel, prompt: list[int], wish: Wish, seed: int | None = None) -> str:
    return "".join(piece.text for piece in pieces(model, prompt, wish, seed, lambda: False))


def test_a_load_tells_how_far_it_is(chat: TorchModel, told: list[float]) -> None:
    assert told == sorted(told)
    assert told[-1] == 1.0
    assert len(told) > 5
    assert (chat.name, chat.slots, chat.context, chat.embeds) == ("m", 1, 2048, False)


def test_a_greedy_answer(chat: TorchModel) -> None:
    prompt = chat.chat_tokens(HELLO)
    assert said(chat, prompt, GREEDY) == "Hello! I am a tiny language model. How can I help you?"
    assert said(chat, prompt, Wish(temperature=0, stop=("language",))) == "Hello! I am a tiny "


def test_a_long_prompt_is_read_in_steps_to_the_same_end(chat: TorchModel, chat_folder: Path) -> None:
    messages = [{"role": "user", "content": "What is Remuda? " * 12}]
    prompt = chat.chat_tokens(Chat(messages))
    assert len(prompt) > 3 * CONFIG["batch"]
    at_once = loaded(chat_folder, batch=2048)
    assert said(chat, prompt, GREEDY) == said(at_once, prompt, GREEDY)


def test_a_long_prompt_can_be_given_up_between_steps(chat: TorchModel) -> None:
    asked: list[bool] = []

    def is_given_up() -> bool:
        asked.append(True)
        return len(asked) > 2

    assert list(chat.answer([5] * 200, GREEDY, None, is_given_up)) == []
    assert len(asked) == 3


def test_chance_can_be_repeated(chat: TorchModel) -> None:
    prompt, hot = chat.text_tokens("Once upon a time"), Wish(temperature=1.5, max_tokens=30)
    first = said(chat, prompt, hot, seed=3)
    assert said(chat, prompt, hot, seed=3) == first
    assert {said(chat, prompt, hot, seed=seed) for seed in range(4, 8)} != {first}
    assert said(chat, prompt, hot, seed=-1)
    assert said(chat, prompt, hot, seed=None)


@pytest.mark.parametrize("wish", [{"top_p": 0.0}, {"top_k": 1}])
def test_the_narrowest_choice_is_the_greedy_one(chat: TorchModel, wish: dict[str, Any]) -> None:
    prompt = chat.chat_tokens(HELLO)
    narrow = Wish(temperature=1.5, max_tokens=40, **wish)
    assert said(chat, prompt, narrow, seed=3) == said(chat, prompt, GREEDY)


def test_penalties_keep_from_repeating(chat: TorchModel) -> None:
    prompt = chat.text_tokens("llama llama llama llama llama llama llama llama")
    plain = list(chat.answer(prompt, GREEDY, None, iter([False] * 60 + [True]).__next__))
    wish = Wish(temperature=0, presence_penalty=2.0, frequency_penalty=2.0)
    varied = list(chat.answer(prompt, wish, None, iter([False] * 60 + [True]).__next__))
    assert len(set(varied)) / len(varied) > len(set(plain)) / len(plain)


def test_templates_and_their_refusals(chat: TorchModel) -> None:
    thinking = chat.chat_tokens(Chat(HELLO.messages, {"enable_thinking": True}))
    assert len(thinking) > len(chat.chat_tokens(HELLO))
    with pytest.raises(Refused, match="chat template refuses these messages"):
        chat.chat_tokens(Chat([{"role": "user", "content": 7}]))
    for name in ("chat_template", "conversation", "truncation"):
        with pytest.raises(Refused, match=f"^chat_template_kwargs cannot set {name}"):
            chat.chat_tokens(Chat(HELLO.messages, {name: "x"}))


def test_a_model_without_a_template_does_not_chat(chat_folder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(chat_folder, tmp_path / "m"))
    file = folder / "tokenizer_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "chat_template": None}))
    model = loaded(folder)
    with pytest.raises(Refused) as caught:
        model.chat_tokens(HELLO)
    assert caught.value.error["code"] == "not_offered"
    assert model.text_tokens("Once")


def test_texts_and_tokens(chat: TorchModel) -> None:
    tokens = chat.text_tokens("Héllo 🐎")
    assert chat.text_of(tokens) == "Héllo 🐎"
    assert chat.text_tokens([1, 2]) == [1, 2]
    assert len(chat.text_tokens("")) == 1
    with pytest.raises(Refused, match="from 0 to 1023"):
        chat.text_tokens([1024])


def test_vectors(embed: TorchModel) -> None:
    assert embed.embeds
    a, b, c = (embed.vector(embed.text_tokens(text)) for text in ("a llama", "a llama", "the gateway is closed"))
    assert len(a) == 128
    assert math.isclose(sum(x * x for x in a), 1.0, rel_tol=1e-5)
    assert a == b
    assert sum(x * y for x, y in zip(a, c, strict=True)) < 0.9
    with pytest.raises(Refused):
        embed.chat_tokens(HELLO)


@pytest.mark.parametrize(
    ("pooling", "fails"),
    [("pooling_mode_cls_token", False), ("pooling_mode_lasttoken", False), ("pooling_mode_max_tokens", True)],
)
def test_ways_of_pooling(embed: TorchModel, embed_folder: Path, tmp_path: Path, pooling: str, fails: bool) -> None:
    folder = Path(shutil.copytree(embed_folder, tmp_path / "m"))
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({pooling: True}))
    if fails:
        with pytest.raises(Unloadable, match="pooling_mode_max_tokens"):
            loaded(folder)
    else:
        tokens = embed.text_tokens("a llama")
        assert loaded(folder).vector(tokens) != embed.vector(tokens)


@pytest.fixture
def with_code(chat_folder: Path, tmp_path: Path) -> Iterator[Path]:
    """A model that brings code which would leave a file behind."""
    folder = Path(shutil.copytree(chat_folder, tmp_path / "m"))
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "mine", "auto_map": {"AutoConfig": "mine.Mine", "AutoModelForCausalLM": "mine.Mine"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "mine.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Mine: ...\n")
    yield folder
    assert not (tmp_path / "ran").exists()


def test_code_that_comes_with_a_model_is_never_run(with_code: Path) -> None:
    with pytest.raises(Unloadable, match="it needs code of its own to be run, which this engine never does"):
        loaded(with_code)


_SIZES = {"vocab_size": 1024, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "gpt2": {"vocab_size": 1024, "n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": 128},
    "gemma3_text": {**_SIZES, "num_key_value_heads": 2, "head_dim": 16, "intermediate_size": 64, "sliding_window": 16},
    "mamba": {"vocab_size": 1024, "hidden_size": 64, "num_hidden_layers": 2, "state_size": 8},
}
"""With learned positions, with a window over the last tokens, and without attention."""


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_other_architectures_say_what_transformers_own_loop_says(kind: str, chat_folder: Path, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import torch
        import transformers

        torch.manual_seed(1)
        theirs = transformers.AutoModelForCausalLM.from_config(
            transformers.AutoConfig.for_model(kind, **ARCHITECTURES[kind])
        ).eval()
        theirs.save_pretrained(tmp_path)
        for name in ("tokenizer.json", "tokenizer_config.json"):
            shutil.copy(chat_folder / name, tmp_path)
        ours = loaded(tmp_path)
        prompt = ours.text_tokens("Once upon a time there was a llama named Priya who lived in a garden of flowers")
        assert len(prompt) > CONFIG["batch"], "it is read in steps"
        said = list(pieces(ours, prompt, Wish(temperature=0, max_tokens=24), None, lambda: False))
        expected = theirs.generate(torch.tensor([prompt]), max_new_tokens=24, do_sample=False, pad_token_id=0)[0]
    assert "".join(piece.text for piece in said) == ours.text_of(expected[len(prompt) :].tolist())


def test_a_model_of_another_kind_is_refused(chat_folder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(chat_folder, tmp_path / "m"))
    config = {"model_type": "t5", "architectures": ["T5ForConditionalGeneration"]}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(Unloadable, match="it is no decoder-only language model"):
        loaded(folder)
