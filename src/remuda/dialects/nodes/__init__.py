"""The face for those who run the herd, as document S4 has it: users and their tokens.

Called by `app`. Must not know other dialects. Errors are Django REST framework's: `{"detail": "a sentence"}`.
"""
