"""Is everything there that the settings speak of? One file a subject; each check only looks and changes nothing kept.

A *finding* is one line of the answer: ok, warn or fail, and what to do. Called by `remuda check` and `remuda doctor`.
"""
