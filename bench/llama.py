"""`python -m bench.llama MODEL PORT SLOTS CONTEXT`: llama.cpp by itself on a loopback port."""

import os
import sys
import time


def main() -> None:
    """Serve until the parent ends."""
    import xllamacpp

    model, port, slots, context = sys.argv[1], *map(int, sys.argv[2:5])
    parent = os.getppid()
    params = xllamacpp.CommonParams()
    params.model.path = model
    params.model_alias = {os.path.basename(model).removesuffix(".gguf")}
    params.hostnames = ["127.0.0.1"]
    params.port = port
    params.n_parallel = slots
    params.n_ctx = slots * context
    params.n_batch = params.n_ubatch = 256
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.use_jinja = True
    params.endpoint_slots = params.endpoint_metrics = True
    params.ui = False
    params.offline = True
    params.enable_reasoning = 0
    server = xllamacpp.Server(params)
    while os.getppid() == parent and server is not None:
        time.sleep(0.5)


if __name__ == "__main__":
    main()
