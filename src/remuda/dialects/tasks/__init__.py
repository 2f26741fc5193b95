"""The face of document S2: prompts are accepted at once and answered later.

`POST /generate` makes a task, `/status`, `/result` and `/stream` tell of it, and beyond the document `/tasks` lists,
cancels and retries. Everything is done by `jobs`; here are the shapes, the words for errors and the rate limit of the
document's routes.
"""
