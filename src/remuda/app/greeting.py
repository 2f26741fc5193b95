"""What `remuda serve` says to the person who started it: how a model's load is coming, where the gateway is, a curl."""

from collections.abc import Sequence
from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from remuda.app.settings import Settings
from remuda.core.hosts import Bind
from remuda.engines.local import LocalModelState, Phase


class LoadBars:
    """A progress bar on a terminal for each model that loads; elsewhere nothing, the log says it."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("loading [bold]{task.fields[name]}[/]"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} % {task.fields[stage]}"),
            console=console,
            transient=True,
        )
        self._is_shown = console.is_terminal
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> "LoadBars":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._is_shown:  # elsewhere it would say farewell with an empty line
            self._progress.stop()

    def changed(self, state: LocalModelState) -> None:
        """Take in a model's state."""
        if not self._is_shown:
            return
        if state.phase is Phase.LOADING and state.progress is not None:
            if state.name not in self._tasks:
                self._progress.start()
                self._tasks[state.name] = self._progress.add_task("", name=escape(state.name), stage="", total=100)
            stage = state.progress.stage.replace("_", " ")
            self._progress.update(self._tasks[state.name], completed=state.progress.percent, stage=stage)
        elif state.name in self._tasks:
            self._progress.remove_task(self._tasks.pop(state.name))
            if not self._tasks:
                self._progress.stop()


def base_url(settings: Settings, bound: Sequence[Bind]) -> str:
    """The gateway's own address as a client on this machine writes it."""
    place = bound[0]
    host = "127.0.0.1" if place.host in ("0.0.0.0", "::") else place.host
    scheme = "https" if settings.server.tls_cert else "http"
    return f"{scheme}://{Bind(host, place.port)}"


def greet(console: Console, url: str, model: str | None, *, needs_key: bool, problem: str | None = None) -> None:
    """Say where the gateway is, and a curl that works; or the `problem` for which none would."""
    name = model or "MODEL"
    key = " \\\n    -H 'Authorization: Bearer YOUR_KEY'" if needs_key else ""
    body = f'{{"model": "{name}", "messages": [{{"role": "user", "content": "Hello"}}]}}'
    where = f"\n[bold]Remuda[/] is at [bold]{escape(url)}[/]  (OpenAI base URL: {escape(url)}/v1)\n"
    console.print(where, highlight=False, soft_wrap=True)
    if problem is None:
        console.print("Try it:\n", highlight=False)
        command = f"  curl {url}/v1/chat/completions -H 'Content-Type: application/json'{key} \\\n    -d '{body}'\n"
        console.print(command, markup=False, highlight=False, soft_wrap=True)
    else:
        console.print(f"It cannot answer yet: {problem}\n", markup=False, highlight=False, soft_wrap=True)
    console.print("Ctrl-C ends it.\n", style="dim", highlight=False)
