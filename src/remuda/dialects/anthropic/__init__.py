"""Anthropic's Messages API, translated to and from the chats that engines take.

Called by `app`. Must not know other dialects.
"""
