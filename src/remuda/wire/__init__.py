"""Codecs without I/O: HTTP/1.1 heads, server-sent events, posted forms, GGUF headers.

Bytes in, values out. Whatever way the bytes of a message are split over several calls, the same events come out;
property tests hold every codec to that. Called by all rooms above; knows none of them.
"""
