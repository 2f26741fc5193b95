"""The landing page: one file, nothing from elsewhere, everything escaped."""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

MODELS_SHOWN: Final = 50

STYLE: Final = """
:root { color-scheme: light dark; --ink: #1d1b18; --paper: #fbf9f5; --soft: #6b645a; --line: #ddd5c8; --mark: #8a4b1f; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #ece7de; --paper: #191714; --soft: #a39a8c; --line: #38332c; --mark: #e2a36f; }
}
body { margin: 0 auto; max-width: 44rem; padding: 3rem 1.25rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.55 system-ui, sans-serif; }
h1 { margin: 0; font-size: 2rem; } h2 { margin: 2rem 0 .5rem; font-size: 1.1rem; }
p { margin: .4rem 0; } small, .soft { color: var(--soft); } a, strong { color: var(--mark); }
code, pre { font: .9rem/1.5 ui-monospace, monospace; }
pre { overflow-x: auto; padding: .9rem 1rem; border: 1px solid var(--line); border-radius: .5rem; }
ul { padding-left: 1.2rem; }
table { border-collapse: collapse; } td { padding: .2rem 1.2rem .2rem 0; vertical-align: top; }
"""

_STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
CONTENT_SECURITY: Final = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Nothing may run and nothing may be fetched; only the style above applies."""

PLACES: Final = (
    ("/v1/chat/completions", "chat, for every client that speaks OpenAI's API"),
    ("/v1/completions", "text completion"),
    ("/v1/embeddings", "embeddings"),
    ("/v1/responses", "OpenAI's Responses API"),
    ("/v1/models", "the models, as OpenAI lists them"),
    ("/api/chat", "the same for Ollama's clients, whose base URL is this address"),
    ("/docs", "every route, to read and to try"),
    ("/redoc", "every route, to read"),
    ("/openapi.json", "every route, described for programs"),
    ("/health", "how the gateway is"),
    ("/readyz", "whether requests should be sent here"),
    ("/metrics", "metrics for Prometheus"),
    ("/version", "which Remuda this is"),
)


@dataclass(frozen=True, slots=True)
class Standing:
    """What the page says of the gateway."""

    version: str
    needs_key: bool
    models: Sequence[str]
    base_url: str
    """As the reader's own browser reached it."""
    model: str | None = None
    """The one to try first."""


def page(standing: Standing) -> str:
    """The whole page."""
    version, url = escape(standing.version), escape(standing.base_url)
    key = (
        "Requests need an API key: <code>remuda keys create</code> makes one."
        if standing.needs_key
        else "No API key exists yet: programs on this machine need none."
    )
    places = "\n".join(f"<tr><td>{_link(path)}</td><td>{escape(what)}</td></tr>" for path, what in PLACES)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Remuda</title>
<style>{STYLE}</style>
</head>
<body>
<h1>Remuda</h1>
<p>One door to all the language-model servers you own. <small>Version {version}</small></p>
<p>Base URL for OpenAI clients: <code>{url}/v1</code></p>
<p>{key}</p>
<h2>Models</h2>
{_models(standing.models)}
<h2>Try it</h2>
<pre>{escape(curl(standing))}</pre>
<h2>Where things are</h2>
<table>
{places}
</table>
</body>
</html>
"""


def curl(standing: Standing) -> str:
    """A first request, ready to paste."""
    model = _quoted(standing.model or "MODEL")
    lines = [
        f"curl {standing.base_url}/v1/chat/completions",
        "-H 'content-type: application/json'",
        *(["-H 'authorization: Bearer YOUR_KEY'"] if standing.needs_key else []),
        f"""-d '{{"model": "{model}", "messages": [{{"role": "user", "content": "Hello!"}}]}}'""",
    ]
    return " \\\n  ".join(lines)


def _quoted(name: str) -> str:
    """`name` inside a JSON string inside single quotes of a shell."""
    return name.replace("\\", "\\\\").replace('"', '\\"').replace("'", "'\\''")


def _models(names: Sequence[str]) -> str:
    if not names:
        return '<p class="soft">None known at the moment.</p>'
    items = "".join(f"<li><code>{escape(name)}</code></li>" for name in names[:MODELS_SHOWN])
    more = len(names) - MODELS_SHOWN
    return f"<ul>{items}</ul>" + (f'<p class="soft">and {more} more</p>' if more > 0 else "")


def _link(path: str) -> str:
    is_readable = not path.startswith(("/v1/", "/api/")) or path == "/v1/models"
    code = f"<code>{escape(path)}</code>"
    return f'<a href="{escape(path)}">{code}</a>' if is_readable else code
