"""The request's way: accept, authenticate, limit, route, forward, relay, record.

`pipeline.py` shows the steps in order; each step is one file. `lane.py` takes inference requests off uvicorn's own
HTTP protocol (the *fast lane*, ADR 0001); `upstream.py` is the other side, connections to the servers that answer.
Once an upstream answers, its connection is spliced to the client's by callbacks: no task runs per chunk.

Words: an *exchange* is one lane request on a client's connection; an *answer* is what an upstream sends back.
Called by `app`. Must not know dialects (they are handed in as *faces*), SQL, or how engines are started.
"""
