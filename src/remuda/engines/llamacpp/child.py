"""The child process: one llama.cpp engine through `xllamacpp`, until its parent is gone.

Started as `python -m remuda.engines.llamacpp.child <json>` with standard input held open by the parent (the engine
stops at its end). On standard output come the engine's own state lines and, once it serves, one line of ours with its
address; on standard error its log. Imports of Remuda only what every child has: it must start fast and hold little.
"""

import json
import os
import sys
from typing import Any

from remuda.engines.children.parent import FAILED, KEY_VARIABLE, LISTENING, die_with_parent, watch


def set_if_present(target: Any, name: str, value: Any) -> None:
    """Set a parameter that the pinned engine has and another version may not."""
    if hasattr(target, name):
        setattr(target, name, value)


def parameters(engine: Any, config: dict[str, Any]) -> Any:
    """The engine's parameters for `config`; `engine` is the xllamacpp module."""
    params = engine.CommonParams()
    params.model.path = config["model"]
    params.hostnames = [config["socket"] or "127.0.0.1"]
    params.port = 0
    params.n_parallel = config["slots"]
    params.n_ctx = config["slots"] * config["context"]
    params.n_batch = config["batch"]
    params.n_ubatch = config["batch"]
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = config["threads"]
    wanted = {
        "model_alias": {config["name"]},
        "n_gpu_layers": config["gpu_layers"],
        "use_jinja": True,
        # The template's own default: llama.cpp would switch thinking on wherever a template knows the word.
        "enable_reasoning": 0,
        "endpoint_slots": True,
        "endpoint_metrics": True,
        "endpoint_props": False,
        "ui": False,
        "offline": True,
        "verbosity": 2,
        # With a buffer of its own for each slot, the engine reads texts of unequal length in steps of equal length and
        # pools the last step of each alone: a text's vector would depend on what is read beside it.
        "kv_unified": config["pooling"] is not None,
        "cache_ram_mib": config["prompt_cache_mib"],
        "embedding": config["pooling"] is not None,
    }
    for name, value in wanted.items():
        set_if_present(params, name, value)
    if config["pooling"] is not None:
        params.pooling_type = getattr(engine.llama_pooling_type, f"LLAMA_POOLING_TYPE_{config['pooling']}")
    if key := os.environ.get(KEY_VARIABLE):
        params.api_keys = [key]
    # Reading the file instead of mapping it: the progress reported is then that of the load itself.
    set_if_present(params, "load_mode", engine.llama_load_mode.LLAMA_LOAD_MODE_NONE)
    return params


def main() -> None:
    """Start the engine, tell where it listens, and stay until the parent ends."""
    config = json.loads(sys.argv[1])
    parent = config["parent"]
    die_with_parent(parent)
    # The engine turns descriptor 1 over to its log once it is ready: our own line goes by a copy made before.
    report = os.dup(1)
    os.environ["LLAMA_SERVER_ROUTER_PORT"] = "1"
    try:
        import xllamacpp as engine

        server = engine.Server(parameters(engine, config))
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent gets it as a reason and this process ends
        sys.stderr.write(f"\n{FAILED}{type(error).__name__}: {error}\n")
        # An ordinary exit, not os._exit: only then does the engine's log, which has a thread of its own, write all it
        # knows about the reason.
        sys.exit(3)
    os.write(report, f"\n{LISTENING}{server.listening_address}\n".encode())
    watch(parent)
    os._exit(0)


if __name__ == "__main__":
    main()
