"""Starts a child for a transformers model."""

import asyncio
import importlib.util
import json
import os
import sys
from typing import Final

from remuda.engines.children.parent import KEY_VARIABLE
from remuda.engines.children.process import ChildLauncher, Command, Listening, cores, environment_of_child
from remuda.engines.launch import LoadFailed, LocalModel, Stamp
from remuda.engines.transformers.folder import FolderError, check_folder, stamp_of_folder

NOT_INSTALLED: Final = "the transformers engine is not installed: pip install 'remuda[transformers]'"
_CHILD: Final = "remuda.engines.transformers.child"
"""The child's program; imported here, it would bring a web server with it."""
_PARTS: Final = ("torch", "transformers")
_OF_THE_HUB: Final = "HF_TOKEN"
"""The one secret that a child may get: the user's own for a model of the hub that they have named."""


def is_installed() -> bool:
    """Whether what the extra brings is there. Looks for it without loading it, which would take seconds."""
    return all(importlib.util.find_spec(part) is not None for part in _PARTS)


class TransformersLauncher(ChildLauncher):
    """Starts children that compute with torch."""

    mark = "t"

    async def stamp(self, model: LocalModel) -> Stamp:
        """What `model`'s files look like now; those of a model of the hub are the hub's matter."""
        return () if model.hub_name else await asyncio.to_thread(stamp_of_folder, model.path)

    async def check(self, model: LocalModel) -> None:
        """Raise LoadFailed where the extra is not installed, or `model`'s files are not whole."""
        if not is_installed():
            raise LoadFailed(NOT_INSTALLED)
        if model.hub_name is None:
            try:
                await asyncio.to_thread(check_folder, model.path)
            except FolderError as error:
                raise LoadFailed(str(error)) from None

    async def _command(self, model: LocalModel, listening: Listening) -> Command:
        await self.check(model)
        settings = model.settings
        config = {
            "parent": os.getpid(),
            "folder": str(model.path),
            "hub_name": model.hub_name,
            "name": model.name,
            "socket": str(listening.socket_path) if listening.socket_path else None,
            "embeds": settings.embeds,
            "batch": settings.batch,
            "slots": settings.slots,
            "context": settings.context,
            "threads": settings.threads or cores(),
            "device": settings.device,
        }
        environment = {**environment_of_child(), "HF_HUB_DISABLE_TELEMETRY": "1", "TOKENIZERS_PARALLELISM": "false"}
        if model.hub_name is None:
            environment["HF_HUB_OFFLINE"] = "1"
        elif token := os.environ.get(_OF_THE_HUB):
            environment[_OF_THE_HUB] = token
        if listening.api_key:
            environment[KEY_VARIABLE] = listening.api_key
        # -P: a file in the working directory must not stand in for a module of ours.
        return Command([sys.executable, "-P", "-m", _CHILD, json.dumps(config)], environment, address=None)
