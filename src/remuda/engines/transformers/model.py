"""The one module that knows torch and transformers: loads a model, and gives tokens and vectors of it.

Decoder-only language models with a key-value cache give text, all others vectors. No code that comes with a model is
ever run (`trust_remote_code` is off), and no pickled weights are read.
"""

import inspect
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from remuda.engines.transformers.asked import Chat, Refused, Wish, not_offered
from remuda.engines.transformers.folder import context_of, embeds_text, pooling_of

_SAFE: Final = {"trust_remote_code": False, "local_files_only": True}
_TRIAL: Final = "Once upon a time there was"
_ALIKE: Final = 0.99
"""Between scores that should be the same: what is lost by rounding to 16 bits stays well above."""


class Unloadable(Exception):
    """The model cannot be loaded, with the reason in one line."""


class TorchModel:
    """A loaded model; satisfies `speaking.Model`."""

    def __init__(self, config: Mapping[str, Any], folder: Path, report: Callable[[float], None]) -> None:
        """`report` is told how much of the weights is read, from 0 to 1."""
        import torch
        import transformers

        self._torch = torch
        torch.set_num_threads(config["threads"])
        self._device = torch.device(config["device"] or _best_device(torch))
        settings = _read(transformers.AutoConfig, folder)
        self.name: str = config["name"]
        self.slots: int = config["slots"]
        self.embeds: bool = embeds_text(folder) if config["embeds"] is None else config["embeds"]
        self.context: int = context_of(settings.to_dict(), config["context"])
        self._batch: int = config["batch"]
        self._pooling = pooling_of(folder)
        kind = transformers.AutoModel if self.embeds else transformers.AutoModelForCausalLM
        self._tokenizer = _read(transformers.AutoTokenizer, folder)
        self._template_words = inspect.signature(self._tokenizer.apply_chat_template).parameters.keys()
        self._lock = threading.Lock()
        """Of the tokenizer, which must not be used by two threads at once."""
        with _watched_progress(transformers, report):
            self._model = _read(kind, folder, dtype="auto", use_safetensors=True).to(self._device).eval()
        report(1.0)
        self._defaults = getattr(self._model, "generation_config", None)
        self._ends = self._ending_tokens()
        self._last_only = (
            {"logits_to_keep": 1} if "logits_to_keep" in inspect.signature(self._model.forward).parameters else {}
        )
        self._warm_up()

    # Text to tokens and back

    def chat_tokens(self, chat: Chat) -> list[int]:
        """The prompt of a conversation, by the tokenizer's own template."""
        if self.embeds:
            raise not_offered("This model gives embeddings and no text.")
        if not getattr(self._tokenizer, "chat_template", None):
            raise not_offered("This model has no chat template: ask it for text completions.")
        if foreign := self._template_words & chat.template.keys():
            # Among these is the template itself: another's could keep this thread busy for ever.
            raise Refused(f"chat_template_kwargs cannot set {min(foreign)}.", parameter="chat_template_kwargs")
        variables = {**chat.template, "add_generation_prompt": True, "tokenize": False}
        with self._lock:
            try:
                text = self._tokenizer.apply_chat_template(chat.messages, **variables)
            except Exception as error:  # noqa: BLE001 - the template is the model's own, and so are its ways to fail
                reason = " ".join(str(error).split())[:300]
                raise Refused(
                    f"The model's chat template refuses these messages: {reason}", parameter="messages"
                ) from None
            tokens: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return tokens

    def text_tokens(self, text: str | list[int]) -> list[int]:
        """The tokens of a text, with what the tokenizer puts around one."""
        if isinstance(text, list):
            if max(text) >= len(self._tokenizer):
                raise Refused(f"This model's tokens are the numbers from 0 to {len(self._tokenizer) - 1}.")
            return text
        with self._lock:
            tokens: list[int] = self._tokenizer(text)["input_ids"]
        # A tokenizer that puts nothing around a text gives nothing for an empty one: the model needs a start.
        return tokens or [self._start()]

    def text_of(self, tokens: Sequence[int]) -> str:
        """The text of some tokens; those that only steer are left out."""
        with self._lock:
            text: str = self._tokenizer.decode(
                list(tokens), skip_special_tokens=True, clean_up_tokenization_spaces=False
            )
        return text

    # Answers

    def answer(
        self, prompt: Sequence[int], wish: Wish, seed: int | None, is_given_up: Callable[[], bool]
    ) -> Iterator[int]:
        """The tokens of an answer. A long prompt is read in steps, so that it too can be given up."""
        choose = _Chooser(self._torch, self._defaults, wish, seed)
        cache, new = None, list(prompt)
        while True:
            scores = None
            for start in range(0, len(new), self._batch):
                if is_given_up():
                    return
                scores, cache = self._step(new[start : start + self._batch], cache)
            token = choose(scores)
            if token in self._ends:
                return
            yield token
            new = [token]

    def vector(self, tokens: Sequence[int]) -> list[float]:
        """The vector of a text: its tokens' last hidden states, pooled as the model's files say (else their mean)."""
        torch = self._torch
        with torch.inference_mode():
            states = self._model(input_ids=self._tensor(tokens)).last_hidden_state[0].float()
            pooled = {"mean": lambda: states.mean(0), "cls": lambda: states[0], "last": lambda: states[-1]}
            vector = torch.nn.functional.normalize(pooled[self._pooling](), dim=0)
            numbers: list[float] = vector.cpu().tolist()
        return numbers

    def _step(self, tokens: Sequence[int], cache: Any) -> tuple[Any, Any]:
        """The scores of what follows `tokens`, and the cache with these tokens in it."""
        with self._torch.inference_mode():
            output = self._model(input_ids=self._tensor(tokens), cache=cache, use_cache=True, **self._last_only)
            return output.logits[0, -1].float().cpu(), output.cache

    def _tensor(self, tokens: Sequence[int]) -> Any:
        return self._torch.tensor([list(tokens)], device=self._device)

    def _start(self) -> int:
        known = (self._tokenizer.bos_token_id, self._tokenizer.cls_token_id, self._tokenizer.eos_token_id, 0)
        return next(token for token in known if token is not None)

    def _ending_tokens(self) -> frozenset[int]:
        named = getattr(self._defaults, "eos_token_id", None)
        ends = named if isinstance(named, list) else [named]
        return frozenset(token for token in (*ends, self._tokenizer.eos_token_id) if token is not None)

    def _warm_up(self) -> None:
        """The first step of all, which tells whether the model works as this engine needs it."""
        if self.embeds:
            if self._pooling not in ("mean", "cls", "last"):
                raise Unloadable(f"its vectors are pooled in a way that is not offered here: {self._pooling}")
            self.vector([self._start()])
            return
        tokens = self.text_tokens(_TRIAL)
        at_once, cache = self._step(tokens, None)
        if cache is None:
            raise Unloadable("its architecture keeps no cache of what it has read, which this engine needs")
        _, cache = self._step(tokens[:1], None)
        in_steps, _ = self._step(tokens[1:], cache)
        if self._torch.nn.functional.cosine_similarity(at_once, in_steps, dim=0) < _ALIKE:
            raise Unloadable("its architecture reads a text in steps otherwise than at once, which this engine does")


class _Chooser:
    """Chooses tokens by their scores, with a source of chance of its own: other answers do not disturb it."""

    def __init__(self, torch: Any, defaults: Any, wish: Wish, seed: int | None) -> None:
        self._torch = torch
        self._chance = torch.Generator()
        if seed is None:
            self._chance.seed()
        else:
            self._chance.manual_seed(seed & (2**63 - 1))
        self._temperature: float = _first(wish.temperature, getattr(defaults, "temperature", None), 1.0)
        self._top_p: float = _first(wish.top_p, getattr(defaults, "top_p", None), 1.0)
        self._top_k: int = _first(wish.top_k, getattr(defaults, "top_k", None), 0)
        self._presence, self._frequency = wish.presence_penalty, wish.frequency_penalty
        self._met: Counter[int] = Counter()

    def __call__(self, scores: Any) -> int:
        if self._met:
            scores = scores.clone()  # torch lets nobody change what a model has just put out
        for token, count in self._met.items():
            scores[token] -= self._presence + self._frequency * count
        token = int(scores.argmax()) if self._temperature == 0 else self._drawn(scores / self._temperature)
        if self._presence or self._frequency:
            self._met[token] += 1
        return token

    def _drawn(self, scores: Any) -> int:
        torch = self._torch
        ordered, tokens = scores.sort(descending=True)
        if self._top_k > 0:
            ordered, tokens = ordered[: self._top_k], tokens[: self._top_k]
        chances = ordered.softmax(-1)
        if self._top_p < 1:
            # Those that are needed to come to top_p; the likeliest always.
            before = chances.cumsum(-1) - chances
            chances = chances * (before < max(self._top_p, 1e-9))
        return int(tokens[torch.multinomial(chances, 1, generator=self._chance)])


def fetched(name: str) -> Path:
    """The folder of a model of the Hugging Face hub: from its cache on this machine, else downloaded to there."""
    import huggingface_hub
    from huggingface_hub import errors

    wanted = ["*.json", "*.safetensors", "*.jinja", "*.model", "*.txt"]
    try:
        return Path(huggingface_hub.snapshot_download(name, allow_patterns=wanted, ignore_patterns=["onnx/*"]))
    except errors.GatedRepoError:
        raise Unloadable(f"{name} is only given to those who have agreed to its terms: set HF_TOKEN") from None
    except (errors.RepositoryNotFoundError, errors.HFValidationError):
        raise Unloadable(f"the Hugging Face hub has no model {name}, and there is no such folder") from None
    except (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled, OSError):
        is_off = huggingface_hub.constants.HF_HUB_OFFLINE
        why = "is not asked (HF_HUB_OFFLINE is set)" if is_off else "cannot be reached"
        raise Unloadable(f"{name} is not on this machine, and the Hugging Face hub {why}") from None


def _read(kind: Any, folder: Path, **options: Any) -> Any:
    try:
        return kind.from_pretrained(str(folder), **_SAFE, **options)
    except ValueError as error:
        if "trust_remote_code" in str(error):
            raise Unloadable("it needs code of its own to be run, which this engine never does") from None
        if "Unrecognized configuration class" in str(error):
            raise Unloadable("it is no decoder-only language model, and this engine offers no others") from None
        raise


def _best_device(torch: Any) -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


@contextmanager
def _watched_progress(transformers: Any, report: Callable[[float], None]) -> Iterator[None]:
    """Have the bar that transformers would draw for the weights told to `report` instead, and no bar after it."""
    from tqdm import tqdm

    class Silent(tqdm):  # type: ignore[misc]
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **{**options, "disable": True})

        def __iter__(self) -> Iterator[Any]:
            items = self.iterable
            total = len(items) if hasattr(items, "__len__") else 0
            for count, item in enumerate(items):
                if total:
                    report(min(count / total, 0.99))
                yield item

    transformers.utils.logging.set_verbosity_error()
    hooked = transformers.utils.logging.set_tqdm_hook
    before = hooked(lambda factory, arguments, options: Silent(*arguments, **options))
    try:
        yield
    finally:
        hooked(before)


def _first(*values: Any) -> Any:
    return next(value for value in values if value is not None)
