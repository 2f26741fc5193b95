"""Durable asynchronous work: what is accepted is done, whatever dies in between.

A *task* is an ask and a row of the store, committed before it is acknowledged. A *worker* claims tasks with leases that
it keeps by *heartbeats*, and has each answered by a *runner*: the gateway in the same process, or one that is asked
over HTTP. How a task ended is committed together with its journal record, and only by the claim that still holds: asked
of an engine at least once, it has effects exactly once.

A *batch* is a file of asks. Its lines become tasks, some hundred at a time, and what comes of them is written into
files of results; how far each of these has come is moved on in the transaction that does it. *Files* lie in the data
folder.

A *comparison* asks two models the same; each *run* of it is a task, one after another. Every step is a transaction that
holds the comparison's row.

Called by `dialects/tasks`, `dialects/openai` and `dialects/observe` (submit, look up, watch) and `app` (wiring). It
knows the gateway and the store, and no dialect: a task's row has the path of a route and the body for it.
"""
