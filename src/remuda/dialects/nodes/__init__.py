"""Document S4 (Aivonx) beyond Ollama's own API: the pool of nodes, how it stands, who gets a request, and logging in.

Called by `app`. Must not know other dialects. What it manages is handed in: a *herd* of nodes (`herd.py`).
"""
