"""A stand-in for a user's `llama-server`: its options, its way to report a load, the little HTTP asked of it.

`--stand-in WORD` chooses what it does: `reports` (state lines, as when started by a router), `silent` (health only),
`refuses` (ends with an error), `deaf` (as silent, and ends neither with its input nor when
asked to), `careless` (as silent, and does not end with its input).
"""

import argparse
import asyncio
import json
import os
import signal
import sys
from pathlib import Path


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    for word in ("model", "alias", "host", "pooling", "chat-template-kwargs", "stand-in"):
        parser.add_argument(f"--{word}")
    for word in ("port", "parallel", "ctx-size", "batch-size", "ubatch-size", "threads", "n-gpu-layers"):
        parser.add_argument(f"--{word}", type=int)
    for word in ("jinja", "slots", "metrics", "offline", "embeddings", "reranking"):
        parser.add_argument(f"--{word}", action="store_true")
    return parser.parse_args()


def report(state: str, payload: object) -> None:
    print("cmd_child_to_router:state:" + json.dumps({"state": state, "payload": payload}), flush=True)


class StandIn:
    def __init__(self, chosen: argparse.Namespace) -> None:
        self.chosen = chosen
        self.is_loaded = False

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        path = head.split()[1]
        key = os.environ.get("LLAMA_API_KEY")
        if not self.is_loaded:
            status, body = 503, {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}
        elif key and path != "/health" and f"bearer {key}".lower() not in head.lower():
            status, body = 401, {"error": {"code": 401, "message": "Invalid API Key", "type": "authentication_error"}}
        elif path == "/props":
            chosen = self.chosen
            per_slot = chosen.ctx_size // chosen.parallel
            body = {"total_slots": chosen.parallel, "default_generation_settings": {"n_ctx": per_slot}}
            status = 200
        elif path == "/seen":
            names = [name for name in os.environ if "SECRET" in name or name.startswith("REMUDA")]
            status, body = 200, {"arguments": sys.argv[1:], "environment": names}
        else:
            status, body = 200, {"status": "ok"}
        text = json.dumps(body).encode()
        writer.write(b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\n" % status)
        writer.write(b"Content-Length: %d\r\nConnection: close\r\n\r\n%b" % (len(text), text))
        await writer.drain()
        writer.close()

    async def serve(self) -> None:
        chosen = self.chosen
        if chosen.host.endswith(".sock"):
            await asyncio.start_unix_server(self.answer, chosen.host)
        else:
            await asyncio.start_server(self.answer, chosen.host, chosen.port)
        reports = chosen.stand_in == "reports" and os.environ.get("LLAMA_SERVER_ROUTER_PORT")
        if reports:
            for value in (0.0, 0.5, 1.0):
                report("loading", {"stages": ["text_model"], "current": "text_model", "value": value})
        self.is_loaded = True
        if reports:
            report("ready", {})
        if chosen.stand_in in ("deaf", "careless"):
            if chosen.stand_in == "deaf":
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
            await asyncio.Event().wait()
        await asyncio.to_thread(sys.stdin.buffer.read)


def main() -> None:
    chosen = options()
    if chosen.stand_in == "refuses":
        sys.stderr.write(f"0.00.100.000 E srv    load_model: failed to load model, '{chosen.model}'\n")
        sys.stderr.write(f"0.00.100.000 E llama_model_load: unknown architecture in {Path(chosen.model)}\n")
        sys.exit(1)
    asyncio.run(StandIn(chosen).serve())


if __name__ == "__main__":
    main()
