"""Prompts that the journal has kept whole, to be asked again."""

import re
from typing import Any, Final

from sqlalchemy import func, select

from remuda.core.comparison import Prompt
from remuda.store.database import Store
from remuda.store.schema import journal, journal_content

LOOKED_AT: Final = 5
"""Times as many prompts as are wanted that are looked at."""
REDACTED: Final = "***"
"""Stands for what was redacted; a text that has it was perhaps cut off before, at another length."""
_ROLE: Final = re.compile(r"(?:^|\n\n)(system|developer|user|assistant|tool): ")
_PIECE: Final = re.compile(r"\[(?:image_url|input_audio|file|input_image|input_file|image|document)\]")


async def stored_prompts(store: Store, model: str, last: int, *, cut_chars: int, max_chars: int) -> list[Prompt]:
    """The newest `last` prompts to a model that can be asked again and have at most `max_chars`, oldest first.

    Left out are those of just `cut_chars`, where the journal cuts them off, those of which something was redacted, and
    those with pictures and the like or with results of tools. What comparisons asked is no traffic.
    """
    query = (
        select(journal_content.c.prompt_text)
        .join(journal, journal.c.id == journal_content.c.journal_id)
        .where(
            journal.c.model == model,
            journal.c.operation == "chat",
            journal.c.dialect != "comparisons",
            journal.c.fault == "",
            func.length(journal_content.c.prompt_text) <= max_chars,
            func.length(journal_content.c.prompt_text) != cut_chars,
        )
        .order_by(journal.c.id.desc())
        .limit(last * LOOKED_AT)
    )
    texts = await store.read(lambda connection: list(connection.execute(query).scalars()))
    found = [prompt for text in texts if (prompt := prompt_from(text)) is not None]
    return list(reversed(found[:last]))


def prompt_from(text: str) -> Prompt | None:
    """The prompt that the journal keeps as `text`: its messages each after their role, but a user's single one as it
    is. None where it cannot be asked again."""
    if not text.strip() or REDACTED in text or _PIECE.search(text):
        return None
    pieces = _ROLE.split(text)
    if len(pieces) == 1:
        return text
    if pieces[0].strip():
        return None  # its beginning is missing
    messages: list[dict[str, Any]] = [
        {"role": role, "content": content} for role, content in zip(pieces[1::2], pieces[2::2], strict=True)
    ]
    roles = {message["role"] for message in messages}
    return None if "tool" in roles or messages[-1]["role"] == "assistant" else messages
