"""How to speak to, and start, the servers that run models: one file or folder each, behind small Protocols.

Words: an *engine* is a kind of server (llama.cpp, transformers, Ollama, OpenAI-like); a *local model* is a file or
folder this machine can serve; a *launcher* starts one engine process for one local model. Called by `fleet` and
`gateway`; must not know either.
"""
