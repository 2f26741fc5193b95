"""Options that several subcommands share, and the settings they lead to."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from remuda.app.settings import Settings

Config = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="Settings file. Default: remuda.yaml here or in the data folder."),
]
Data = Annotated[Path | None, typer.Option("--data", metavar="DIR", help="Folder for all that is kept.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def settings_from(config: Path | None, **given: Any) -> "Settings":
    """The settings, with what the command line gave on top; raises SettingsError.

    `given` holds values by the option's name, `None` or empty where the option was not used.
    """
    from remuda.app.settings import Override, load

    overrides = [
        Override(_SETTINGS[name], "--" + name.replace("_", "-"), value)
        for name, value in given.items()
        if value is not None and value != []
    ]
    return load(config, overrides)


_SETTINGS: dict[str, tuple[str, ...]] = {
    "data": ("data_dir",),
    "host": ("server", "host"),
    "port": ("server", "port"),
    "tls_cert": ("server", "tls_cert"),
    "tls_key": ("server", "tls_key"),
    "model": ("models", "paths"),
    "llama_server": ("llamacpp", "llama_server"),
    "upstream": ("upstreams",),
    "gateway": ("tasks", "gateway"),
    "concurrency": ("tasks", "workers"),
    "log_level": ("log", "level"),
    "log_format": ("log", "format"),
}
"""The setting that each option gives."""
