"""The words and the pure rules: asks, faults, callers, keys, usage, records.

Nothing here does I/O, reads a clock or knows HTTP; every other room may import it and it imports none of them.
Words: an *ask* is one inference request free of its dialect; a *fault* is what went wrong, free of its rendering; a
*caller* is who asks; a *record* is what the journal keeps of one request.
"""
