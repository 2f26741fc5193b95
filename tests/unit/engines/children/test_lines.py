"""What a child says."""

from pathlib import Path

import pytest

from remuda.core.address import Address
from remuda.engines.children.lines import (
    MAX_REASON_CHARS,
    address_of,
    progress_of,
    reason_ended,
    reason_not_loaded,
    state_of,
)
from remuda.engines.children.parent import FAILED
from remuda.engines.launch import LoadProgress, Stage

LOADING = b'cmd_child_to_router:state:{"state":"loading","payload":{"stages":%b,"current":"%b","value":%b}}'
MODEL = Path("/srv/models/m.gguf")


@pytest.mark.parametrize(
    ("line", "progress"),
    [
        (LOADING % (b'["text_model"]', b"text_model", b"0.38"), LoadProgress(Stage.LOADING_WEIGHTS, 38)),
        (b"log line, no end" + LOADING % (b'["a","b"]', b"b", b"0.5"), LoadProgress(Stage.LOADING_WEIGHTS, 75)),
        (LOADING % (b'["text_model"]', b"text_model", b"1.0"), LoadProgress(Stage.WARMING_UP, 100)),
        (LOADING % (b'["text_model"]', b"text_model", b"7"), LoadProgress(Stage.WARMING_UP, 100)),
        (LOADING % (b'["text_model"]', b"text_model", b"-3"), LoadProgress(Stage.LOADING_WEIGHTS, 0)),
        (LOADING % (b"[]", b"new", b"0.5"), LoadProgress(Stage.LOADING_WEIGHTS, 50)),
        (LOADING % (b"[]", b"new", b'"x"'), None),
        (LOADING % (b"[]", b"new", b"true"), None),
        (b'cmd_child_to_router:state:{"state":"ready","payload":{}}', LoadProgress(Stage.READY, 100)),
        (b'cmd_child_to_router:state:{"state":"sleeping"}', None),
    ],
)
def test_progress(line: bytes, progress: LoadProgress | None) -> None:
    state = state_of(line)
    assert state is not None
    assert progress_of(state) == progress


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"a log line",
        b"cmd_child_to_router:state:",
        b"cmd_child_to_router:state:{",
        b"cmd_child_to_router:state:[1]",
        b'cmd_child_to_router:state:{"state":1}',
    ],
)
def test_lines_that_tell_no_state(line: bytes) -> None:
    assert state_of(line) is None
    assert address_of(line) is None


def test_addresses() -> None:
    assert address_of(b"remuda:listening:unix:///run/x/1.sock") == Address("localhost", 80, socket_path="/run/x/1.sock")
    assert address_of(b"remuda:listening:http://127.0.0.1:4711\r") == Address("127.0.0.1", 4711)
    assert address_of(b"remuda:listening:http://127.0.0.1") is None


@pytest.mark.parametrize(
    ("log", "code", "reason"),
    [
        (["0.01 W srv: hm", "0.02 E gguf_init: bad magic"], 1, "bad magic"),
        (
            [
                "0.00.010.154 E llama_model_load_from_file_impl: failed to load model",
                "0.00.010.544 E srv    load_model: no room for '/srv/models/m.gguf' beside /etc/secret/other.bin",
                "0.00.011.807 E srv          init: exiting due to model loading error",
            ],
            1,
            "no room for 'm.gguf' beside other.bin",
        ),
        (["0.01 E x: failed to load model, '/srv/models/m.gguf'"], 1, "failed to load model, 'm.gguf'"),
        (["noise", f"{FAILED}ImportError: no module"], 3, "ImportError: no module"),
        ([], -11, "the engine was ended by signal 11"),
        (["noise"], 2, "the engine ended with status 2"),
        ([], 0, "the engine ended"),
        ([], None, "the engine ended"),
    ],
)
def test_reasons_of_a_failed_load(log: list[str], code: int | None, reason: str) -> None:
    assert reason_not_loaded(log, MODEL, code) == reason


@pytest.mark.parametrize(
    ("log", "code", "reason"),
    [
        (["0.1 E srv    send_error: task id = 0, error: request too long"], -11, "the engine was ended by signal 11"),
        (
            ["/build/x/ggml.c:123: GGML_ASSERT(a < b) failed", "more"],
            -6,
            "the engine was ended by signal 6: ggml.c:123: GGML_ASSERT(a < b) failed",
        ),
        ([], 1, "the engine ended with status 1"),
    ],
)
def test_reasons_of_an_end(log: list[str], code: int, reason: str) -> None:
    assert reason_ended(log, MODEL, code) == reason


def test_a_reason_is_bounded() -> None:
    assert len(reason_not_loaded(["0.1 E f: " + "x" * 5000], MODEL, 1)) == MAX_REASON_CHARS
