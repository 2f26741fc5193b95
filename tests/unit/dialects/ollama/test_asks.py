"""Requests of Ollama's clients in OpenAI's shapes."""

import json

import pytest

from remuda.core.ask import UNTOLD, Operation
from remuda.core.faults import InvalidJson, InvalidRequest, NotOffered
from remuda.dialects.ollama.asks import MAX_STOPS, READERS, SHORTEST, OllamaAsk, Shape
from remuda.dialects.ollama.context import Said, context_of

USER = {"role": "user", "content": "Hello"}
SAID = [USER]
STREAMED = {"stream": True, "stream_options": {"include_usage": True}}
PNG = "iVBORw0KGgo="


def read(shape: Shape, **fields: object) -> OllamaAsk:
    return READERS[shape](json.dumps({"model": "m", **fields}).encode())


def body(shape: Shape, **fields: object) -> dict[str, object]:
    return json.loads(read(shape, **fields).body)


def chat(**fields: object) -> dict[str, object]:
    return body(Shape.CHAT, messages=SAID, stream=False, **fields)


def messages(*given: dict[str, object]) -> list[dict[str, object]]:
    return body(Shape.CHAT, messages=given)["messages"]


def test_a_chat_is_streamed_unless_it_says_otherwise():
    streamed, whole = read(Shape.CHAT, messages=SAID), read(Shape.CHAT, messages=SAID, stream=False)
    assert json.loads(streamed.body) == {"model": "m", "messages": SAID} | STREAMED
    assert json.loads(whole.body) == {"model": "m", "messages": SAID}
    assert (streamed.is_streamed, streamed.wants_usage, streamed.has_lines) == (True, True, True)
    assert (whole.is_streamed, whole.has_lines, whole.operation) == (False, False, Operation.CHAT)


@pytest.mark.parametrize(
    ("options", "made"),
    [
        ({"num_predict": 5}, {"max_tokens": 5}),
        ({"num_predict": 0}, {"max_tokens": 0}),
        ({"num_predict": 2.0, "top_k": 7.9, "seed": -1.5}, {"max_tokens": 2, "top_k": 7, "seed": -1}),
        ({"num_predict": -1.0, "repeat_last_n": 1e2}, {"repeat_last_n": 100}),
        ({"num_predict": -1}, {}),
        ({"num_predict": -2}, {}),
        ({"temperature": 0}, {"temperature": 0}),
        ({"top_p": 0.5, "top_k": 7, "min_p": 0.1}, {"top_p": 0.5, "top_k": 7, "min_p": 0.1}),
        ({"seed": 42, "stop": ["a", "b"]}, {"seed": 42, "stop": ["a", "b"]}),
        ({"stop": "a"}, {"stop": "a"}),
        ({"stop": []}, {}),
        ({"repeat_penalty": 1.1, "repeat_last_n": 64}, {"repeat_penalty": 1.1, "repeat_last_n": 64}),
        ({"presence_penalty": 1, "frequency_penalty": 2}, {"presence_penalty": 1, "frequency_penalty": 2}),
        ({"num_ctx": 4096, "num_gpu": 1, "temperature": None}, {}),
        (None, {}),
    ],
)
def test_options(options, made):
    assert chat(options=options) == {"model": "m", "messages": SAID} | made


@pytest.mark.parametrize(("bound", "is_unbounded"), [(None, False), (0, False), (5, False), (-1, True)])
def test_that_there_is_to_be_no_bound_is_known(bound, is_unbounded):
    assert read(Shape.CHAT, messages=SAID, options={"num_predict": bound}).is_unbounded is is_unbounded


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ({"format": "json"}, {"response_format": {"type": "json_object"}}),
        (
            {"format": {"type": "object"}},
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "answer", "strict": True, "schema": {"type": "object"}},
                }
            },
        ),
        ({"format": ""}, {}),
        ({"format": None}, {}),
        ({"think": True}, {"chat_template_kwargs": {"enable_thinking": True}}),
        ({"think": False}, {"chat_template_kwargs": {"enable_thinking": False}}),
        ({"think": "low"}, {"chat_template_kwargs": {"enable_thinking": True, "reasoning_effort": "low"}}),
        ({"tools": [{"type": "function"}]}, {"tools": [{"type": "function"}]}),
        ({"tools": []}, {}),
        ({"logprobs": True, "top_logprobs": 3}, {"logprobs": True, "top_logprobs": 3}),
        ({"keep_alive": "5m"}, {}),
        ({"keep_alive": -1}, {}),
    ],
)
def test_fields(given, made):
    assert chat(**given) == {"model": "m", "messages": SAID} | made


def test_pictures_become_parts():
    [said] = messages({"role": "user", "content": "What is it?", "images": [PNG, "/9j/4AAQ"]})
    text, png, jpeg = said["content"]
    assert text == {"type": "text", "text": "What is it?"}
    assert png == {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
    assert jpeg["image_url"]["url"].startswith("data:image/jpeg;base64,/9j/")


def test_calls_become_texts_and_get_ids_that_their_answers_name():
    def call(name: str, **arguments: object) -> dict[str, object]:
        return {"function": {"name": name, "arguments": arguments}}

    made = messages(
        USER,
        {"role": "assistant", "thinking": "hm", "tool_calls": [call("a", x=1), call("b"), call("a", x=2)]},
        {"role": "tool", "tool_name": "b", "content": "of b"},
        {"role": "tool", "tool_name": "a", "content": "first of a"},
        {"role": "tool", "content": "the one that is left"},
        {"role": "tool", "content": "of nothing"},
    )
    assert made[1]["content"] == ""
    assert made[1]["reasoning_content"] == "hm"
    calls = [(each["id"], each["type"], each["function"]["arguments"]) for each in made[1]["tool_calls"]]
    assert calls == [
        ("call_0", "function", '{"x":1}'),
        ("call_1", "function", "{}"),
        ("call_2", "function", '{"x":2}'),
    ]
    assert [each["tool_call_id"] for each in made[2:]] == ["call_1", "call_0", "call_2", "call_0"]
    assert made[2]["name"] == "b"


def test_ids_of_the_clients_own_are_kept():
    made = messages(
        {"role": "assistant", "tool_calls": [{"id": "mine", "function": {"name": "a", "arguments": '{"x": 1}'}}]},
        {"role": "tool", "tool_call_id": "mine", "content": "of a"},
        {"role": "tool", "tool_call_id": "other", "content": "of another"},
    )
    assert made[0]["tool_calls"][0]["id"] == "mine"
    assert made[0]["tool_calls"][0]["function"]["arguments"] == '{"x": 1}'
    assert [each["tool_call_id"] for each in made[1:]] == ["mine", "other"]


def test_a_prompt_goes_through_the_template_as_a_message():
    ask = read(Shape.GENERATE, prompt="Hello", system="Be kind", images=[PNG])
    system, user = json.loads(ask.body)["messages"]
    assert (ask.operation, system) == (Operation.CHAT, {"role": "system", "content": "Be kind"})
    assert [part["type"] for part in user["content"]] == ["text", "image_url"]


def test_a_raw_prompt_goes_as_it_is():
    ask = read(Shape.GENERATE, prompt="Hello", raw=True, options={"num_predict": 2})
    assert ask.operation is Operation.COMPLETION
    assert json.loads(ask.body) == {"model": "m", "prompt": "Hello", "max_tokens": 2} | STREAMED


@pytest.mark.parametrize(
    ("shape", "fields"),
    [
        (Shape.CHAT, {}),
        (Shape.CHAT, {"messages": []}),
        (Shape.GENERATE, {}),
        (Shape.GENERATE, {"prompt": "", "keep_alive": "5m"}),
    ],
)
def test_nothing_to_answer_means_load(shape, fields):
    ask = read(shape, **fields)
    assert (ask.is_load, ask.is_streamed, ask.has_lines) == (True, False, True)
    assert json.loads(ask.body)["max_tokens"] == 1
    assert not read(shape, stream=False, **fields).has_lines


def test_unloading_is_not_offered_but_by_ollama_itself():
    for shape in (Shape.GENERATE, Shape.CHAT):
        fault = read(shape, keep_alive=0).untranslatable
        assert isinstance(fault, NotOffered)
        assert "idle_unload_s" in fault.message


@pytest.mark.parametrize(
    ("shape", "fields", "is_list"),
    [
        (Shape.EMBED, {"input": "a"}, False),
        (Shape.EMBED, {"input": ["a", "b"], "truncate": True}, True),
        (Shape.EMBEDDINGS, {"prompt": "a"}, False),
        (Shape.EMBEDDINGS, {"input": ["a"]}, True),
    ],
)
def test_texts_to_embed(shape, fields, is_list):  # S4: both take a text or a list
    ask = read(shape, **fields)
    assert (ask.operation, ask.is_list, ask.is_streamed) == (Operation.EMBEDDING, is_list, False)
    assert json.loads(ask.body) == {"model": "m", "input": fields.get("input", fields.get("prompt"))}
    assert body(Shape.EMBED, input="a", dimensions=8)["dimensions"] == 8


@pytest.mark.parametrize("fields", [{}, {"input": ""}, {"input": []}, {"input": None}, {"prompt": ""}, {"prompt": []}])
@pytest.mark.parametrize("shape", [Shape.EMBED, Shape.EMBEDDINGS])
def test_without_a_text_the_model_is_loaded(shape, fields):  # as Ollama has it
    ask = read(shape, **fields)
    assert (ask.operation, ask.is_load) == (Operation.EMBEDDING, True)
    assert json.loads(ask.body) == {"model": "m", "input": SHORTEST}
    assert not read(shape, input=[""], prompt=[""]).is_load, "that is a text"


@pytest.mark.parametrize(
    ("shape", "fields", "parameter"),
    [
        (Shape.CHAT, {"model": ""}, "model"),
        (Shape.CHAT, {"model": "m" * 257}, "model"),
        (Shape.CHAT, {"model": 1}, "model"),
        (Shape.CHAT, {"messages": "Hello"}, "messages"),
        (Shape.CHAT, {"messages": [{"role": 1}]}, "messages[0].role"),
        (Shape.CHAT, {"messages": SAID, "options": {"top_k": "x"}}, "options.top_k"),
        (Shape.CHAT, {"messages": SAID, "node_id": 3}, "node_id"),
        (Shape.CHAT, {"messages": SAID, "options": {"num_predict": "2"}}, "options.num_predict"),
        (Shape.EMBED, {"input": [1]}, "input[0]"),
        (Shape.EMBEDDINGS, {"prompt": {}}, "prompt"),
    ],
)
def test_what_cannot_be_is_refused_and_named(shape, fields, parameter):
    with pytest.raises(InvalidRequest) as caught:
        read(shape, **fields)
    assert caught.value.parameter == parameter
    assert parameter in caught.value.message


@pytest.mark.parametrize(
    ("shape", "fields", "parameter"),
    [
        (Shape.CHAT, {"messages": SAID, "format": "xml"}, "format"),
        (Shape.CHAT, {"messages": SAID, "think": "deeply"}, "think"),
        (Shape.CHAT, {"messages": [{"role": "user", "images": ["http://x/y.png"]}]}, "messages[0].images"),
        (Shape.CHAT, {"messages": SAID, "options": {"stop": ["x"] * (MAX_STOPS + 1)}}, "options.stop"),
        (Shape.GENERATE, {"prompt": "x", "suffix": "y", "format": "json"}, "format"),
        (Shape.GENERATE, {"prompt": "x", "suffix": "y", "images": [PNG]}, "images"),
        (Shape.GENERATE, {"prompt": "x", "raw": True, "suffix": "y"}, "suffix"),
        (Shape.GENERATE, {"prompt": "x", "raw": True, "context": [1]}, "context"),
        (Shape.GENERATE, {"prompt": "x", "template": "y"}, "template"),
        (Shape.GENERATE, {"prompt": "x", "context": [1]}, "context"),
        (Shape.GENERATE, {"prompt": "x", "raw": True, "system": "y"}, "system"),
        (Shape.GENERATE, {"prompt": "x", "raw": True, "think": True}, "think"),
    ],
)
def test_what_only_ollama_can_be_asked_is_read_with_what_others_say_to_it(shape, fields, parameter):
    ask = read(shape, **fields)
    assert isinstance(ask.untranslatable, InvalidRequest)
    assert ask.untranslatable.parameter == parameter
    assert parameter in ask.untranslatable.message
    assert (ask.is_streamed, ask.has_lines, ask.model) == (True, True, "m")
    assert json.loads(ask.body)["prompt"] == fields.get("prompt", "")


def test_the_middle_of_a_text_is_a_completion():
    ask = read(Shape.GENERATE, prompt="a", suffix="z", system="s", think=False, options={"num_predict": 3})
    assert ask.operation is Operation.COMPLETION
    made = json.loads(ask.body)
    assert (made["prompt"], made["suffix"], made["max_tokens"]) == ("a", "z", 3)
    assert (ask.said, ask.is_ollamas) == (None, True)


def test_a_context_of_ours_is_the_conversation_before_the_prompt():
    context = context_of([Said("system", "s"), Said("user", "a"), Said("assistant", "b")])
    ask = read(Shape.GENERATE, prompt="c", context=context)
    assert [(each["role"], each["content"]) for each in json.loads(ask.body)["messages"]] == [
        ("system", "s"),
        ("user", "a"),
        ("assistant", "b"),
        ("user", "c"),
    ]
    assert ask.said == [("system", "s"), ("user", "a"), ("assistant", "b"), ("user", "c")]
    assert not ask.is_ollamas, "it means nothing to Ollama itself"
    anew = read(Shape.GENERATE, prompt="c", context=context, system="t")
    assert [each.text for each in anew.said or ()] == ["t", "a", "b", "c"]
    assert read(Shape.GENERATE, prompt="c", context=[]).is_ollamas


def test_older_embeddings_in_our_own_extension_are_not_ollamas():
    assert read(Shape.EMBEDDINGS, prompt="a").is_ollamas
    assert read(Shape.EMBEDDINGS).is_ollamas
    for fields in ({"prompt": ["a"]}, {"input": "a"}, {"prompt": []}, {"input": ""}):
        assert not read(Shape.EMBEDDINGS, **fields).is_ollamas
    assert read(Shape.EMBED, input=["a"]).is_ollamas


def test_a_body_that_is_no_json_or_lacks_its_model_is_refused():
    for given in (b"", b"{", b'{"model": "m"', b"\xff"):
        with pytest.raises(InvalidJson):
            READERS[Shape.CHAT](given)
    for given in (b"[]", b"{}"):
        with pytest.raises(InvalidRequest):
            READERS[Shape.CHAT](given)


@pytest.mark.parametrize(
    ("options", "told", "context"),
    [
        (None, UNTOLD, None),
        ({"top_k": 1}, UNTOLD, None),
        ({"temperature": 0.2, "num_predict": 5, "num_ctx": 2048}, ("", 0.2, 5), 2048),
        ({"num_predict": -1, "num_ctx": 0}, UNTOLD, None),
    ],
)
def test_the_journal_is_told_how_it_was_asked(options, told, context):
    for fields in ({"messages": SAID}, {"messages": [{**USER, "images": ["http://x"]}]}):
        ask = read(Shape.CHAT, options=options, **fields)
        assert (ask.told, ask.context_length) == (told, context)
        assert "num_ctx" not in json.loads(ask.body)
