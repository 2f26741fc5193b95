"""What happens becomes metrics and log lines here, and only here.

Words: a *metric* is a row of the catalogue, the one table that says what is measured, under which labels and in which
buckets; *folding* adds finished records to plain integers, off the request's way; a *reading* is asked for its value
when somebody scrapes; *redaction* takes whatever looks like a key out of a log line. Called by `app`, which hands
`Metrics.observe` and `AccessLog` to the gateway as sinks. Must not know HTTP, the gateway or the fleet: their numbers
are handed in as readings.
"""
