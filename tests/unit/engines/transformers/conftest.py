from pathlib import Path

import pytest

from remuda.engines.tiny import CHAT, EMBED
from tests.fixtures.converted import need_transformers, write_converted


@pytest.fixture(scope="session")
def chat_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped chat model in transformers' format."""
    need_transformers()
    return write_converted(CHAT, tmp_path_factory.mktemp("transformers") / "tiny-chat")


@pytest.fixture(scope="session")
def embed_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped embedding model in transformers' format."""
    need_transformers()
    return write_converted(EMBED, tmp_path_factory.mktemp("transformers") / "tiny-embed", embeds=True)
