"""Document S4 (Aivonx) beyond Ollama's own API: the pool of nodes, how it stands, and who gets a request.

Called by `app`. Must not know other dialects. What it manages is handed in: a *herd* of nodes (`herd.py`).
"""
