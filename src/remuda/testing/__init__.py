"""The workshop, shipped: what a test, a demonstration or a benchmark needs in place of the outside world.

A *fake* here is a real server on a real socket, never a patched name. It answers correctly until it is told to
misbehave, and it keeps a record of what it *saw*: which requests came, which of them it *completed*, which the client
*aborted*, and which a fault of its own *dropped*. Its words:

- *behaviour*: how fast and in what shape it answers, and the *fault* it commits (`behaviour`);
- *answer*: what it has to say, dialect by dialect, as values (`answers`);
- *script*: the steps in which an answer's bytes go out, faults included, as values (`script`);
- *gate*: where an answer waits until the test lets it pass (`gate`);
- the server that performs the script, runnable as `python -m remuda.testing.upstream` (`upstream`);
- a clock that only moves when told (`clock`).

Nothing in the product imports this room, and importing it starts nothing.
"""
