"""Calls that are not inference: asking servers what they offer, telling webhooks, and later downloads.

Called by `fleet`, `app` and what else needs a general HTTP client. Must not know asks, models or replicas.
"""
