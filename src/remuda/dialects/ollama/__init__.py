"""Ollama's own API (document S4): chat, generate, embeddings, lists, and a clear word for what is not offered.

Asks are translated into OpenAI's shapes, which every engine here speaks, and answers back. Called by `app`. Must not
know other dialects.
"""
