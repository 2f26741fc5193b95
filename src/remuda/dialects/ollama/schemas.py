"""What Ollama's API takes and gives (its API reference; the Go types of its `api` package)."""

from typing import Any

import msgspec

Arguments = dict[str, Any]
Whole = int | float
"""A whole number; of another one, Ollama takes what stands before the point."""


class OllamaFunction(msgspec.Struct):
    """A function that a model called."""

    name: str
    arguments: dict[str, Any] | str = {}
    """An object; a text that holds one is taken too."""


class OllamaToolCall(msgspec.Struct):
    """One call of a tool."""

    function: OllamaFunction
    id: str | None = None


class OllamaMessage(msgspec.Struct):
    """One message of a conversation."""

    role: str
    content: str | None = None
    thinking: str | None = None
    images: list[str] | None = None
    """Pictures in base64."""
    tool_calls: list[OllamaToolCall] | None = None
    tool_name: str | None = None
    """Of a message of role `tool`: whose answer it is."""
    tool_call_id: str | None = None


class OllamaOptions(msgspec.Struct):
    """`options`: those that have an effect here. Others (`num_gpu`, `num_thread` ...) are about how a model is loaded,
    which is the engine's own business; they are taken and have no effect."""

    num_predict: Whole | None = None
    """Tokens at most; below 0: no bound of the client's own."""
    temperature: float | None = None
    top_p: float | None = None
    top_k: Whole | None = None
    min_p: float | None = None
    typical_p: float | None = None
    seed: Whole | None = None
    stop: str | list[str] | None = None
    repeat_penalty: float | None = None
    repeat_last_n: Whole | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    mirostat: Whole | None = None
    mirostat_tau: float | None = None
    mirostat_eta: float | None = None
    num_ctx: Whole | None = None
    """Has an effect on Ollama alone, which loads the model with such a context."""


class OllamaAsked(msgspec.Struct, kw_only=True):
    """What all inference requests share."""

    model: str
    options: OllamaOptions | None = None
    keep_alive: Any = None
    """How long one of the gateway's own models stays loaded after the request: seconds, or a duration (`5m`); 0 unloads
    it, below 0 it stays. Without effect on models that other servers load, but for Ollama's."""
    node_id: Any = None
    """Refused: which server answers is the gateway's choice."""


class OllamaGenerating(OllamaAsked, kw_only=True):
    """What chat and generate share."""

    stream: bool | None = None
    """Line by line unless this is false."""
    format: Any = None
    """`json`, or a JSON schema."""
    think: bool | str | None = None
    """Whether the model shall think first, or how hard: `low`, `medium`, `high`."""
    logprobs: bool | None = None
    top_logprobs: int | None = None


class OllamaChat(OllamaGenerating, kw_only=True):
    """`POST /api/chat`."""

    messages: list[OllamaMessage] | None = None
    """None at all: the model is loaded, and nothing else."""
    tools: list[Any] | None = None


class OllamaGenerate(OllamaGenerating, kw_only=True):
    """`POST /api/generate`."""

    prompt: str | None = None
    """None at all: the model is loaded, and nothing else."""
    system: str | None = None
    images: list[str] | None = None
    raw: bool | None = None
    """The prompt goes to the model as it is, without its chat template."""
    suffix: str | None = None
    template: str | None = None
    context: list[int] | None = None


class OllamaEmbed(OllamaAsked, kw_only=True):
    """`POST /api/embed`."""

    input: str | list[str] | None = None
    """None at all: the model is loaded, and nothing else."""
    dimensions: int | None = None
    truncate: bool | None = None
    """Taken, and without effect: a text that is too long for the model is refused."""


class OllamaEmbeddings(OllamaAsked, kw_only=True):
    """`POST /api/embeddings`."""

    prompt: str | list[str] | None = None
    """None at all: the model is loaded, and nothing else."""
    input: str | list[str] | None = None
    """Another name for `prompt`."""


class OllamaShow(msgspec.Struct):
    """`POST /api/show`."""

    model: str | None = None
    name: str | None = None
    """The older name of `model`."""
    verbose: bool | None = None


class OllamaPull(msgspec.Struct):
    """`POST /api/pull`. Further fields go to the nodes as they are, here and in the next three."""

    model: str
    insecure: bool = False
    stream: bool = True


class OllamaPush(msgspec.Struct):
    """`POST /api/push`."""

    model: str
    insecure: bool = False
    stream: bool = True


class OllamaCreate(msgspec.Struct, rename={"from_": "from"}):
    """`POST /api/create`."""

    model: str
    from_: str | None = None
    """The model that it is made of."""
    files: dict[str, str] | None = None
    """Digests of files that the nodes have, by name."""
    adapters: dict[str, str] | None = None
    template: str | None = None
    license: str | list[str] | None = None
    system: str | None = None
    parameters: dict[str, Any] | None = None
    messages: list[OllamaMessage] | None = None
    quantize: str | None = None
    stream: bool = True


class OllamaDelete(msgspec.Struct):
    """`DELETE /api/delete`."""

    model: str


class OllamaCopy(msgspec.Struct):
    """`POST /api/copy`."""

    source: str
    destination: str


class OllamaProgress(msgspec.Struct):
    """How far nodes have come with what they were asked to do: `success` at the end."""

    status: str
    node: str | None = None
    """Whose word it is; none at the end, which is of all nodes."""


class OllamaDetails(msgspec.Struct):
    """What a model is made of; empty where its server does not tell."""

    parent_model: str = ""
    format: str = ""
    family: str = ""
    families: list[str] = []
    parameter_size: str = ""
    quantization_level: str = ""


class OllamaModel(msgspec.Struct):
    """One model in a list."""

    name: str
    model: str
    modified_at: str
    size: int
    """Bytes; 0 where its server does not tell."""
    digest: str
    """Of the name where its server tells none: the same for the same model, as long as it keeps its name."""
    details: OllamaDetails


class OllamaModels(msgspec.Struct):
    """`GET /api/tags`."""

    models: list[OllamaModel]


class OllamaRunningModel(OllamaModel):
    """One model that can answer at once."""

    expires_at: str
    size_vram: int
    context_length: int
    """0 where its server does not tell."""


class OllamaRunning(msgspec.Struct):
    """`GET /api/ps`."""

    models: list[OllamaRunningModel]


class OllamaShown(msgspec.Struct):
    """What `/api/show` answers."""

    modelfile: str
    parameters: str
    template: str
    details: OllamaDetails
    model_info: dict[str, Any]
    capabilities: list[str]
    """Guessed from the name where its server does not tell."""
    modified_at: str


class OllamaVersion(msgspec.Struct):
    """`GET /api/version`."""

    version: str


class OllamaError(msgspec.Struct):
    """The body of every refusal."""

    error: str
