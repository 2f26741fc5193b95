"""`remuda models`: what can be asked for."""

from typing import TYPE_CHECKING, Annotated

import typer

from remuda.app.cli.options import AsJson, Config, settings_from
from remuda.app.cli.output import print_columns, print_json
from remuda.app.exits import CommandError, Exit

if TYPE_CHECKING:
    from remuda.app.settings import Settings
    from remuda.engines.launch import LocalModel

Row = tuple[str, str]


def models(
    url: Annotated[
        str | None, typer.Option("--url", metavar="URL", help="Ask this running gateway, e.g. http://127.0.0.1:7368.")
    ] = None,
    key: Annotated[
        str | None, typer.Option("--key", envvar="REMUDA_API_KEY", metavar="KEY", help="Key for the gateway.")
    ] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """List the models.

    With --url, those a running gateway offers. Without, those the settings name: what upstreams list by themselves is
    then not known.
    """
    rows = _asked(url, key) if url else _configured(settings_from(config))
    if as_json:
        print_json([{"model": name, "from": source} for name, source in rows])
    else:
        print_columns(("MODEL", "FROM"), rows)


def _asked(url: str, key: str | None) -> list[Row]:
    import asyncio

    from remuda.core.address import parse_address
    from remuda.fleet.sources.upstream import names_in
    from remuda.outbound.question import NoAnswer, ask

    try:
        address = parse_address(url)
        path = "/models" if address.base_path else "/v1/models"
        answer = asyncio.run(ask(address, path, key=key, timeout_s=10.0))
    except ValueError as error:
        raise CommandError(str(error), Exit.USAGE) from None
    except NoAnswer as error:
        raise CommandError(f"{url} {error}") from None
    names = names_in(answer.json())
    if answer.status in (401, 403):
        raise CommandError(f"{url} needs a key that may read: give --key, or set REMUDA_API_KEY")
    if answer.status != 200 or names is None:
        raise CommandError(f"{url} answers, but not with a list of models (status {answer.status})")
    return [(name, url) for name in names]


def _configured(settings: "Settings") -> list[Row]:
    from remuda.app.local_models import transformers_models
    from remuda.engines import tiny
    from remuda.engines.files import ModelFileError, offered_models

    try:
        found = [*offered_models(settings.models.paths).models, *transformers_models(settings)]
    except ModelFileError as error:
        raise CommandError(str(error), Exit.ENGINE) from None
    rows = [(model.name, _place(model)) for model in found]
    if settings.offers_tiny_models:
        rows += [(name, "ships with Remuda") for name in (tiny.CHAT_NAME, tiny.EMBED_NAME)]
    for upstream in settings.upstreams:
        rows += [(name, upstream.display_name) for name in upstream.models or ("(those it lists)",)]
    rows += [(alias, f"alias of {', '.join(models)}") for alias, models in settings.models.chains.items()]
    return rows


def _place(model: "LocalModel") -> str:
    return "the Hugging Face hub" if model.hub_name else str(model.path)
