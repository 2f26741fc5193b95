"""llama.cpp: its HTTP server's words and faults (`adapter`), and one child process of it per model (`process`).

The child is either `xllamacpp` inside `child.py` or the user's own `llama-server`; both report how a load goes by the
same lines on standard output.
"""
