"""The OpenAI-compatible face (document S1): inference, models, and files of requests (batches).

Called by `app`. Must not know other dialects.
"""
