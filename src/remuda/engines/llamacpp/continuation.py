"""A stream of llama.cpp's that another server with the same model can continue, should its own break off.

The other server renders the conversation's prompt, as the first one did, and completes it together with the text that
was sent already. Its answer, a text completion, is rewritten into events of the stream that broke off. The engine ends
each event at a token's end, holds back what may become a stop word or is half a character, and penalties look at the
prompt as well: without chance in the choice of tokens the text is the one that would have come.

Where none of the answer had been sent yet (the engine's stream begins before it has read the prompt), the whole request
is simply sent again. That suits every request; the other way suits those that `continued_ask.is_exact` lets through.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from remuda.core.ask import Operation
from remuda.core.faults import NotOffered
from remuda.engines.body import fields_of
from remuda.engines.llamacpp.chunks import LOST, ODD, Choice, Chunk, decode_chunk, is_event, plain_text
from remuda.engines.llamacpp.continued_ask import check_plain, count_of, limit_of, rendered, rest_of, token_count
from remuda.engines.protocol import Outgoing, StreamTranslator
from remuda.wire.sse import DONE, EventSplitter, data_of, event_of

DEFAULT_MAX_BYTES: Final = 256 * 1024
"""Of the text sent; a stream that has said more cannot be continued."""
HELD_BYTES: Final = 1024 * 1024
"""An event longer than this is passed on as it comes, and its stream cannot be continued."""


class KeptStream:
    """One stream, with what it takes to continue it; a `Continuation`."""

    __slots__ = (
        "_body",
        "_cached",
        "_counted",
        "_ends_here",
        "_finish",
        "_has_begun",
        "_has_usage",
        "_inner",
        "_is_again",
        "_is_exact",
        "_is_raw",
        "_make_inner",
        "_max_bytes",
        "_opening",
        "_operation",
        "_path",
        "_prompt",
        "_roles",
        "_sent",
        "_splitter",
        "_tokens_before",
    )

    def __init__(
        self,
        operation: Operation,
        path: str,
        body: bytes,
        *,
        is_exact: bool,
        max_bytes: int,
        inner: Callable[[], StreamTranslator] | None = None,
    ) -> None:
        self._operation = operation
        self._path = path
        self._body = body
        """The request as it was sent."""
        self._is_exact = is_exact
        self._max_bytes = max_bytes
        self._make_inner = inner
        self._inner = None if inner is None else inner()
        """What the engine's events go through first."""
        self._splitter = EventSplitter()
        self._sent: bytearray | None = bytearray()
        """The text that has been passed on; None: this stream cannot be continued any more."""
        self._opening = b""
        """The first event's data: what it says of itself, the continuation says too."""
        self._roles = 0
        """The choices that have been introduced, as the bits of a number."""
        self._has_begun = False
        """Some of the answer itself has been passed on."""
        self._finish = ""
        self._has_usage = False
        self._prompt: int | None = None
        """Tokens of the prompt, as the first server counted them."""
        self._cached = 0
        self._counted = 0
        """Events with text so far: at least one token each."""
        self._tokens_before = 0
        self._is_again = False
        """The whole request has been sent again, and this is the answer to it."""
        self._is_raw = False
        """What comes now is the completion of what was sent."""
        self._ends_here = False

    @property
    def can_continue(self) -> bool:
        """Whether the stream can be continued where it stands."""
        return self._sent is not None

    def feed(self, data: bytes) -> bytes:
        """Whole events of the answer, as they are but for those of a continuation."""
        if self._inner is not None:
            data = self._inner.feed(data)
        is_first = not (self._is_raw or self._is_again)
        if is_first and self._sent is None:
            return data
        splitter = self._splitter
        began_whole = not splitter.carry
        if is_first and began_whole and self._opening and (text := plain_text(data)):
            self._keep(text)
            return data
        events = splitter.feed(data)
        if is_first:
            for event in events:
                self._note(event)
        else:
            events = list(map(self._rewritten, events))
        if len(splitter.carry) > HELD_BYTES:
            self._give_up()
        if self._sent is None and (is_first or len(splitter.carry) > HELD_BYTES):
            return b"".join(events) + splitter.rest()
        return data if is_first and began_whole and not splitter.carry else b"".join(events)

    def end(self) -> bytes:
        """What is left when the stream is over: the end of the answer where the continuation consists of that alone."""
        if self._ends_here:
            return self._ending()
        said = b""
        if self._inner is not None:
            inner, self._inner = self._inner, None
            said = self.feed(inner.end())
        rest = self._splitter.rest()
        if not is_event(rest):
            return said + rest
        if self._is_raw or self._is_again:
            return said + self._rewritten(rest.rstrip(b"\r\n") + b"\n\n")
        self._note(rest)
        return said + rest

    def asks(self, answers: Sequence[bytes]) -> Outgoing | None:
        """What to ask another server next: the prompt, how many tokens were sent already, the rest of the answer."""
        self._splitter = EventSplitter()  # half an event has not been passed on
        sent = self._sent
        if sent is None:
            raise NotOffered("this stream cannot be continued")
        if self._finish:
            self._ends_here = True
            return None
        if not self._has_begun:
            self._is_again, self._prompt = True, None
            self._inner = None if self._make_inner is None else self._make_inner()
            return Outgoing(path=self._path, body=self._body, is_streamed=True, may_emit_progress=True)
        fields = fields_of(self._body)
        said = list(answers)
        if self._operation is Operation.CHAT:
            if not said:
                check_plain(fields)
                return Outgoing(path="/apply-template", body=self._body, is_streamed=False)
            prompt = rendered(said.pop(0))
        else:
            prompt = msgspec.json.decode(fields["prompt"], type=str)
        try:
            text = sent.decode()
        except UnicodeDecodeError:
            raise NotOffered("what the model's server has said is no text") from None
        tokens, limit = self._counted, limit_of(fields)
        if limit is not None:
            if not said:
                return count_of(text)
            tokens = max(tokens, token_count(said.pop(0)))
            if tokens >= limit:
                self._ends_here, self._counted = True, limit
                return None
        self._is_raw, self._is_again, self._inner = True, False, None
        self._tokens_before = tokens
        return rest_of(fields, prompt + text, None if limit is None else limit - tokens)

    # The first stream

    def _note(self, event: bytes) -> None:
        """Keep what has to be known of an event that is passed on."""
        data = data_of(event)
        if not data or data in (b"[DONE]", b"null"):
            return
        try:
            chunk = decode_chunk(data)
        except ODD:
            self._give_up()
            return
        if chunk.error is not None:
            self._failed()
            return
        if not self._opening:
            self._opening = data
        if chunk.prompt_progress is not None:
            if self._prompt is None:
                self._prompt, self._cached = chunk.prompt_progress.total, chunk.prompt_progress.cache
        else:
            for choice in chunk.choices:
                self._note_choice(choice)
            self._has_usage = self._has_usage or chunk.usage is not None

    def _note_choice(self, choice: Choice) -> None:
        delta = choice.delta
        if delta.role is not None:
            self._roles |= 1 << choice.index
        if delta.reasoning_content or delta.tool_calls or delta.refusal:
            self._has_begun = True
            self._give_up()
        self._keep((choice.text or delta.content or "").encode())
        self._finish = choice.finish_reason or self._finish

    def _keep(self, text: bytes) -> None:
        if not text:
            return
        self._has_begun = True
        self._counted += 1
        sent = self._sent
        if sent is not None:
            sent += text
            if not self._is_exact or len(sent) > self._max_bytes or LOST in text:
                self._give_up()

    def _failed(self) -> None:
        """The engine says that it has failed; as long as nothing of the answer is there, another one may do it all."""
        if self._has_begun:
            self._give_up()

    def _give_up(self) -> None:
        """It cannot be continued from here on: let go of what that would have taken."""
        self._sent = None
        self._body = b""

    # What continues it

    def _rewritten(self, event: bytes) -> bytes:
        """An event of another server as one of this stream."""
        data = data_of(event)
        if not data or data in (b"[DONE]", b"null"):
            return event
        try:
            chunk = decode_chunk(data)
        except ODD:
            self._give_up()
            return event
        if chunk.error is not None:
            self._failed()
            return event
        return self._of_completion(chunk) if self._is_raw else self._of_same(event, data, chunk)

    def _of_same(self, event: bytes, data: bytes, chunk: Chunk) -> bytes:
        """An event of the answer to the same request, under the name that the stream has already."""
        if chunk.prompt_progress is None and chunk.choices and all(map(self._is_introduction, chunk.choices)):
            return b""
        named = self._named()
        self._note(event)
        if not named:
            return event
        return event_of(
            msgspec.json.encode(
                msgspec.json.decode(data) | {name: named[name] for name in ("id", "created") if name in named}
            )
        )

    def _is_introduction(self, choice: Choice) -> bool:
        """Whether it says nothing but whose words come, and that has been said."""
        delta = choice.delta
        is_bare = not (delta.content or delta.reasoning_content or delta.tool_calls or choice.finish_reason)
        return is_bare and delta.role is not None and bool(self._roles >> choice.index & 1)

    def _of_completion(self, chunk: Chunk) -> bytes:
        """The events that an event of the text completion stands for."""
        if chunk.prompt_progress is not None:
            return b""
        events = b""
        for choice in chunk.choices:
            if choice.text:
                self._keep(choice.text.encode())
                events += self._event([self._choice(choice.text, None)])
            if choice.finish_reason:
                self._finish = choice.finish_reason
                events += self._finished(choice.finish_reason, chunk)
        return events

    def _finished(self, reason: str, chunk: Chunk) -> bytes:
        """The end of the answer, with the usage of all of it."""
        total: dict[str, Any] | None = None
        verbose = {} if chunk.verbose is None else {"__verbose": chunk.verbose}
        usage = chunk.usage
        if usage is not None:
            self._has_usage = True
            prompt, completion = usage.prompt_tokens or 0, usage.completion_tokens or 0
            total = self._usage(completion + (self._tokens_before if self._prompt is None else prompt - self._prompt))
        if self._operation is Operation.COMPLETION:
            return self._event([self._choice("", reason)], total, **verbose)
        end = self._event([self._choice(None, reason)], **verbose)
        return end if total is None else end + self._event([], total)

    def _ending(self) -> bytes:
        """What was still to come when the answer itself was through."""
        events = b""
        if not self._finish:
            self._finish = "length"
            if self._operation is Operation.COMPLETION:
                self._has_usage = True
                events = self._event([self._choice("", "length")], self._usage(self._counted))
            else:
                events = self._event([self._choice(None, "length")])
        if not self._has_usage and self._operation is Operation.CHAT:
            # Where it stopped by itself, the token that says so counts too.
            events += self._event([], self._usage(self._counted + (self._finish == "stop")))
        return events + DONE

    def _usage(self, completion: int) -> dict[str, Any]:
        prompt = self._prompt or 0
        return {
            "completion_tokens": completion,
            "prompt_tokens": prompt,
            "total_tokens": prompt + completion,
            "prompt_tokens_details": {"cached_tokens": self._cached},
        }

    def _choice(self, text: str | None, finish_reason: str | None) -> dict[str, Any]:
        if self._operation is Operation.COMPLETION:
            return {"text": text or "", "index": 0, "logprobs": None, "finish_reason": finish_reason}
        delta = {} if text is None else {"content": text}
        return {"finish_reason": finish_reason, "index": 0, "delta": delta}

    def _event(self, choices: list[dict[str, Any]], usage: dict[str, Any] | None = None, **more: Any) -> bytes:
        chunk = {"choices": choices, **self._named(), **more}
        if usage is not None:
            chunk["usage"] = usage
        return event_of(msgspec.json.encode(chunk))

    def _named(self) -> dict[str, Any]:
        """What every event of the stream says of it: its id, its model and so on."""
        if not self._opening:
            return {}
        said: dict[str, Any] = msgspec.json.decode(self._opening)
        for name in ("choices", "prompt_progress", "usage", "timings", "__verbose"):
            said.pop(name, None)
        return said
