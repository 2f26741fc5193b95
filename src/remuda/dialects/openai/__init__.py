"""The OpenAI-compatible face (document S1): chat, completions, embeddings, responses, rerank and models.

Called by `app`. Must not know other dialects.
"""
