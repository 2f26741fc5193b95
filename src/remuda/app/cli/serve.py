"""`remuda serve`: run the gateway."""

from pathlib import Path
from typing import Annotated

import typer

from remuda.app.cli.findings import refuse
from remuda.app.cli.options import Config, Data, settings_from
from remuda.app.exits import Exit

Text = str | None
File = Path | None


def serve(
    host: Annotated[Text, typer.Option(help="Address to listen on. Default: 127.0.0.1.", metavar="ADDRESS")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on. Default: 7368.", metavar="PORT")] = None,
    data: Data = None,
    config: Config = None,
    model: Annotated[
        list[Path] | None,
        typer.Option(
            help="GGUF file, folder of such files, or folder of one model in transformers' format, to offer. "
            "May be given several times.",
            metavar="PATH",
        ),
    ] = None,
    upstream: Annotated[
        list[str] | None,
        typer.Option(
            help="Server to route to: Ollama, or anything OpenAI-compatible. May be given several times.", metavar="URL"
        ),
    ] = None,
    llama_server: Annotated[
        File, typer.Option(help="Your own llama-server program, instead of the built-in engine.", metavar="PATH")
    ] = None,
    tls_cert: Annotated[File, typer.Option(help="Certificate chain (PEM): serve TLS.", metavar="FILE")] = None,
    tls_key: Annotated[File, typer.Option(help="Private key of the certificate (PEM).", metavar="FILE")] = None,
    log_level: Annotated[Text, typer.Option(help="debug, info, warning or error.", metavar="LEVEL")] = None,
    log_format: Annotated[Text, typer.Option(help="pretty, json or auto.", metavar="FORMAT")] = None,
) -> None:
    """Run the gateway.

    Without --model and --upstream, and with none in the settings file, it offers the tiny models that ship with it.
    What is given here comes before the environment, and that before the settings file.
    """
    settings = settings_from(
        config,
        host=host,
        port=port,
        data=data,
        model=model,
        upstream=[{"url": url} for url in upstream or []],
        llama_server=llama_server,
        tls_cert=tls_cert,
        tls_key=tls_key,
        log_level=log_level,
        log_format=log_format,
    )
    from remuda.app.checks.files import check_certificates, check_program

    refuse(check_certificates(settings), Exit.CONFIGURATION)
    refuse(check_program(settings), Exit.ENGINE)

    from remuda.app.server import run

    raise typer.Exit(run(settings))
