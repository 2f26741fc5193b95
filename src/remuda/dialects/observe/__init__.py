"""Document S3: the journal and what it tells. Reads `insight`, which knows neither HTTP nor the document's words.

Paths: `/proxy/v1/chat/completions` and, below `/api`, `logs`, `analytics`, `alerts`, `budgets`, `export` and others.
"""
