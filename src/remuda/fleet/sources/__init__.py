"""Where knowledge of the fleet comes from: each source watches one kind of server and announces changes.

A source never writes the registry; it calls `announce(change)` and the registry's one loop applies it.
"""
