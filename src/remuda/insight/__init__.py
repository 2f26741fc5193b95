"""What the journal tells: the log, analytics, cost, budgets, alerts, suggestions, export.

Called by `dialects/observe` and by `app`. Reads and writes through named functions of `store`; knows neither HTTP nor
the request's way: what it has to learn at once it is handed as a sink of records, what must be committed with them as a
hook of the journal's ledger.
"""
