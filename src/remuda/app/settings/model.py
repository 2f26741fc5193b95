"""Every setting there is: its kind, its default, and under it what it is for.

The text under a field is its documentation: `docs/reference/settings.md` and the JSON schema are made from it.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, PrivateAttr, ValidationInfo, field_validator

from remuda.app.settings.alerts import AlertSettings, MailSettings
from remuda.app.settings.insight import InsightSettings, JournalSettings
from remuda.app.settings.kinds import (
    DatabaseUrl,
    Flag,
    HeaderName,
    Host,
    Listener,
    Location,
    ModelPlace,
    Name,
    Network,
    Networks,
    Number,
    Port,
    Program,
    RedisUrl,
    Seconds,
    Secret,
    Size,
    WebOrigin,
    Whole,
)
from remuda.app.settings.origins import Origin, Origins
from remuda.app.settings.platform import default_data_dir
from remuda.app.settings.section import KIB, MIB, Count, CountOrNone, Section
from remuda.app.settings.telemetry import TelemetrySettings
from remuda.app.settings.upstream import UpstreamSettings, usable
from remuda.core.hosts import Bind, is_loopback, parse_bind

PolicyName = Literal["least_active", "round_robin", "weighted", "lowest_latency", "prefix_affinity"]


NO_DEFAULTS = frozenset({"model", "messages", "prompt", "input", "stream", "stream_options", "query", "documents"})
"""Fields that say what is asked and how the answer comes."""
MAX_DEFAULTS_CHARS = 16_384


class ServerSettings(Section):
    """Where the gateway listens, and the bounds it sets to its clients."""

    host: Host = "127.0.0.1"
    """Address to listen on. On any but a loopback address a key must exist."""
    port: Port = 7368
    """Port to listen on; 0 lets the system choose one."""
    listeners: tuple[Listener, ...] = ()
    """More places to listen on, each `host:port`, so that old base URLs keep working: 127.0.0.1:3000 or :8080 (OpenAI clients of Paddler), :8081 (its management), :8000 (task APIs, llama proxy), :5000 (LLM-Lens), :11434 (Ollama clients)."""  # noqa: E501
    tls_cert: Location | None = None
    """Certificate chain (PEM). With it every listener speaks TLS."""
    tls_key: Location | None = None
    """Private key of `tls_cert` (PEM)."""
    trusted_proxies: tuple[Network, ...] = ()
    """Addresses and networks of the reverse proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed."""
    cors_origins: tuple[WebOrigin, ...] = ()
    """Origins of the web pages that may call the gateway from a browser; `*` for all. Default: none."""
    max_head_bytes: Annotated[Size, Field(ge=1 * KIB, le=1 * MIB)] = 32 * KIB
    """Longest request line and headers together; more is answered 431."""
    max_body_bytes: Annotated[Size, Field(ge=1 * KIB)] = 32 * MIB
    """Longest request body as it is sent; more is answered 413."""
    max_blob_bytes: Annotated[Size, Field(ge=1 * KIB)] = 256 * 1024 * MIB
    """Longest file that is passed on to nodes at `/api/blobs`, where `max_body_bytes` does not hold; more is answered 413."""  # noqa: E501
    max_blob_uploads: Count = 8
    """How many such files are on their way at once; beyond them the answer is 503."""
    max_decompressed_bytes: Annotated[Size, Field(ge=1 * KIB)] = 32 * MIB
    """What a compressed request body may grow to; more is answered 413."""
    head_timeout_s: Annotated[Seconds, Field(gt=0)] = 10
    """How long a request's headers may take to arrive; then 408."""
    body_timeout_s: Annotated[Seconds, Field(gt=0)] = 60
    """How long a request's body may pause while it arrives; then 408."""
    keep_alive_s: Annotated[Seconds, Field(gt=0)] = 75
    """How long an idle connection is kept open."""
    shutdown_grace_s: Seconds = 30
    """How long requests in progress may go on after the gateway was told to stop."""
    backlog: Count = 2048
    """Connections the system holds while they wait to be accepted."""

    @field_validator("tls_key")
    @classmethod
    def _goes_with_cert(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if "tls_cert" in info.data and (value is None) != (info.data["tls_cert"] is None):
            raise ValueError("tls_cert and tls_key go together: give both or neither")
        return value

    @field_validator("listeners")
    @classmethod
    def _no_place_twice(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        main = Bind(info.data.get("host", ""), info.data.get("port", 0))
        seen = {str(main)} if main.port else set()
        for place in value:
            if place in seen:
                raise ValueError(f"{place} is listened on already")
            if not place.endswith(":0"):
                seen.add(place)
        return value

    @property
    def binds(self) -> tuple[Bind, ...]:
        """All places to listen on, `host` and `port` first."""
        return (Bind(self.host, self.port), *(parse_bind(text) for text in self.listeners))

    @property
    def is_local(self) -> bool:
        """Whether only programs on this machine reach the gateway."""
        return all(is_loopback(bind.host) for bind in self.binds)


class ModelSettings(Section):
    """The models this machine serves itself."""

    paths: tuple[Location, ...] = ()
    """GGUF files, folders whose GGUF files are all offered, or folders with one model in transformers' format (`config.json` and `*.safetensors`). A model is loaded when it is first asked for."""  # noqa: E501
    tiny: bool = True
    """Whether the tiny models that ship with Remuda are offered as long as these settings name nothing else. Without them a gateway starts with no model at all, and any name waits for the first node to come."""  # noqa: E501
    max_loaded: Count = 2
    """How many models are loaded at once; the one unused for longest makes room."""
    idle_unload_s: Seconds = 900
    """A model unused for this long is unloaded; 0 keeps it. `keep_alive` of Ollama's API goes before it."""
    load_timeout_s: Annotated[Seconds, Field(gt=0)] = 600
    """How long a model may take to load before its load counts as failed."""
    aliases: Mapping[Name, Name | Annotated[tuple[Name, ...], Field(min_length=1, max_length=16)]] = Field(
        default_factory=dict
    )
    """Other names for models, as `alias: model`, or as `alias: [first, second]`: the first of them that can be served at the moment. The models may also be those of upstreams."""  # noqa: E501
    defaults: Mapping[Name, Mapping[Name, Any]] = Field(default_factory=dict)
    """Parameters that requests for a model or an alias get where they do not say otherwise, as `model: {temperature: 0.2}`: fields of a request to OpenAI's API, whatever API it comes by. An alias's come before its model's."""  # noqa: E501

    @field_validator("aliases")
    @classmethod
    def _one_step(cls, value: Mapping[str, str | tuple[str, ...]]) -> Mapping[str, str | tuple[str, ...]]:
        for alias, models in value.items():
            for model in (models,) if isinstance(models, str) else models:
                if model in value:
                    raise ValueError(f"{alias!r} names {model!r}, itself an alias: name the model")
            if not isinstance(models, str) and len(set(models)) < len(models):
                raise ValueError(f"{alias!r} names a model twice")
        return {alias: models if isinstance(models, str) else tuple(models) for alias, models in value.items()}

    @field_validator("defaults")
    @classmethod
    def _are_parameters(cls, value: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Mapping[str, Any]]:
        for model, parameters in value.items():
            for name in parameters:
                if name in NO_DEFAULTS:
                    raise ValueError(f"{model!r}: {name!r} is what is asked, and has no default")
            try:
                size = len(json.dumps(dict(parameters), allow_nan=False))
            except (TypeError, ValueError, RecursionError):
                raise ValueError(f"{model!r}: parameters are what JSON has") from None
            if size > MAX_DEFAULTS_CHARS:
                raise ValueError(f"{model!r}: the parameters are too long")
        return {model: dict(parameters) for model, parameters in value.items()}

    @property
    def chains(self) -> Mapping[str, tuple[str, ...]]:
        """`aliases`, each with the models that it stands for, in order."""
        return {alias: (models,) if isinstance(models, str) else models for alias, models in self.aliases.items()}


class LlamaCppSettings(Section):
    """How llama.cpp is started for local models."""

    llama_server: Program | None = None
    """Your own `llama-server` (a GPU build, say): a path, or a name on PATH. Default: the built-in engine."""
    n_parallel: Annotated[Whole, Field(ge=1, le=1024)] = 4
    """Slots of one model: how many requests it answers at once."""
    n_ctx: Annotated[Whole, Field(ge=64, le=16_777_216)] | None = None
    """Context of each slot, in tokens. Default: what the model was trained for, at most 4096."""
    n_gpu_layers: Annotated[Whole, Field(ge=0, le=100_000)] | None = None
    """Layers to put on the GPU; default: as the engine decides."""
    n_threads: Annotated[Whole, Field(ge=1, le=4096)] | None = None
    """Processor threads of one model; default: as the engine decides."""
    n_batch: Annotated[Whole, Field(ge=1, le=65_536)] = 256
    """Prompt tokens read in one step. Small, because a request that is given up ends only between two steps."""
    prefer_tcp: Flag = False
    """Speak to engines over loopback ports even where the system has unix sockets."""


class TransformersSettings(Section):
    """How models in transformers' format are served. Needs the extra: `pip install 'remuda[transformers]'`."""

    models: tuple[ModelPlace, ...] = ()
    """Such models, each by its folder or by its name on the Hugging Face hub (`gpt2`, `org/name`), from where it is downloaded when it is first loaded unless `HF_HUB_OFFLINE` is set. The variables `MODEL_BACKEND=transformers` and `MODEL_NAME` set one too."""  # noqa: E501
    slots: Annotated[Whole, Field(ge=1, le=64)] = 1
    """How many requests one model works on at once; each takes its turn on the same processor or GPU, so that more make all slower."""  # noqa: E501
    context: Annotated[Whole, Field(ge=64, le=16_777_216)] | None = None
    """Tokens that prompt and answer may have together. Default: what the model was trained for, at most 4096."""
    threads: Annotated[Whole, Field(ge=1, le=4096)] | None = None
    """Processor threads of one model; default: one for each core."""
    device: Name | None = None
    """Where it computes, in torch's words: `cpu`, `cuda`, `cuda:1`, `mps`. Default: a GPU where there is one."""


class RoutingSettings(Section):
    """Who gets a request, how it waits for a free slot, and how often it is tried."""

    policy: PolicyName = "least_active"
    """Which of a model's replicas with a free slot is taken: the one with the smallest share of its slots in use, each in turn, each as often as its weight says, the one that has lately begun its answers soonest, or the one that was sent the longest part of the same prompt before."""  # noqa: E501
    policies: Mapping[Name, PolicyName] = Field(default_factory=dict)
    """Other policies for some models, as `model: policy`."""
    affinity_header: HeaderName | None = None
    """A request header that names a session, such as `x-session-id`: requests with the same value go to the same replica while it has a free slot, else by the policy. Values longer than 256 bytes are passed over. Default: none."""  # noqa: E501
    queue_max: CountOrNone = 1024
    """Requests that may wait for one model; more are answered 503. 0: none waits."""
    queue_max_bytes: Size = 256 * MIB
    """What the bodies of all waiting requests may take up together."""
    queue_timeout_s: Annotated[Seconds, Field(gt=0)] = 60
    """How long a request may wait, in all: for a free slot, or for the return of the only server it could go to; then 504."""  # noqa: E501
    keep_alive_after_s: Seconds = 10
    """After how long somebody who waits for a stream of server-sent events is told so, in comments that clients pass over. The first one commits the answer to status 200: what goes wrong from then on is said in the stream. 0: never."""  # noqa: E501
    keep_alive_every_s: Annotated[Seconds, Field(ge=0.5)] = 15
    """How often after that; the default is what HTML's server-sent events advise."""
    max_attempts: Annotated[Whole, Field(ge=1, le=100)] = 3
    """How many replicas are tried before a request fails, those that continue its stream among them. A server that was not there does not count where it is the only one left: it is waited for. Nor does one that has recovered, and is asked once more."""  # noqa: E501
    retry_budget_percent: Annotated[Whole, Field(ge=0, le=1000)] = 50
    """How many requests may be tried on another replica: this share of the requests of the last 10 seconds and those under way, and ten more. Keeps servers that fail under load from getting it several times over; high enough that one of two may die."""  # noqa: E501
    continuation: bool = True
    """Whether a stream that breaks off is continued by another replica where its engine can do that (llama.cpp, plain text)."""  # noqa: E501
    continuation_max_bytes: Size = 256 * 1024
    """How much text a stream may have sent to be continued. It is kept for that until the stream ends, and so is the request."""  # noqa: E501


class HealthSettings(Section):
    """When a server elsewhere counts as well."""

    probe_every_s: Annotated[Seconds, Field(ge=0.1)] = 10
    """How often a server that is well is asked for its models."""
    probe_again_s: Annotated[Seconds, Field(ge=0.1)] = 1
    """How often one is asked that did not answer, or is not trusted again yet."""
    probe_jitter_percent: Annotated[Whole, Field(ge=0, le=50)] = 10
    """By how much each of these times is shorter or longer at random, so that several gateways do not ask in step."""
    failures_to_standby: Annotated[Whole, Field(ge=1, le=100)] = 2
    """Questions in a row without an answer after which a server is on standby: its replicas are not chosen."""
    successes_to_active: Annotated[Whole, Field(ge=1, le=100)] = 2
    """Answers in a row after which it is active again."""
    breaker_failures: Annotated[Whole, Field(ge=0, le=1000)] = 5
    """Requests that fail on a replica (or that its server does not take) within `breaker_window_s`, and are at least half of those it gets, after which it gets none for a while. 0: it goes on getting them."""  # noqa: E501
    breaker_window_s: Annotated[Seconds, Field(gt=0)] = 10
    """How long a failure counts."""
    breaker_pause_s: Annotated[Seconds, Field(gt=0)] = 1
    """How long such a one gets no requests. Then one is tried; where it fails too, the pause doubles."""
    breaker_max_pause_s: Annotated[Seconds, Field(gt=0)] = 60
    """How long the pause grows at most."""
    slow_start_s: Seconds = 10
    """How long after a recovery it takes until a server gets as many requests as before; 0: at once."""


class AuthSettings(Section):
    """Who may use the gateway."""

    required: Literal["auto", "always"] = "auto"
    """`auto`: while no key and no user exists, programs on this machine need none. `always`: every request needs a key or a user's token."""  # noqa: E501
    api_keys: tuple[Secret, ...] = ()
    """Keys of your own choice, beside those made by `remuda keys create`. They may ask models and read; at 16 random characters or more they are as good as made ones. The variable `API_KEYS` (comma-separated) sets them too."""  # noqa: E501

    secret_key: Secret | None = None
    """What the keys of nodes are sealed with in the store, and the tokens of users signed. Several gateways on one store need the same. Default: a random one, in the file `node.key` of the data folder."""  # noqa: E501
    access_token_s: Annotated[Seconds, Field(ge=1, le=86_400)] = 300
    """How long the access token lasts that a user gets by logging in."""
    refresh_token_s: Annotated[Seconds, Field(ge=1, le=31_536_000)] = 86_400
    """How long the refresh token lasts, with which a user gets further access tokens."""

    @property
    def sealing_secret(self) -> str | None:
        """`secret_key`, in clear."""
        return self.secret_key.get_secret_value() if self.secret_key is not None else None


class TaskSettings(Section):
    """Work that is accepted now and done later: `POST /generate`, and batches."""

    workers: Annotated[Whole, Field(ge=0, le=10_000)] = 16
    """Tasks that this process has answered at once. 0: none; `remuda worker` does the work."""
    model: Name | None = None
    """The model for prompts that name none. Default: the first that chats. The variable `OLLAMA_MODEL` sets it too (with `MODEL_BACKEND=ollama`), and so does `MODEL_NAME` (with `MODEL_BACKEND=transformers`)."""  # noqa: E501
    max_tokens: Annotated[Whole, Field(ge=1, le=2048)] = 512
    """How long an answer may become, in tokens, where the prompt does not say it. The variable `MAX_NEW_TOKENS` sets it too."""  # noqa: E501
    temperature: Annotated[Number, Field(ge=0, le=2)] = 0.7
    """Sampling temperature, where the prompt does not say it. The variable `TEMPERATURE` sets it too."""
    time_limit_s: Annotated[Seconds, Field(gt=0, le=86_400)] = 120
    """How long one try may take. The variable `TASK_TIME_LIMIT` sets it too."""
    max_attempts: Annotated[Whole, Field(ge=1, le=100)] = 3
    """How often a task is tried whose worker died or whose engine failed; then it is dead, and says why."""
    lease_s: Annotated[Seconds, Field(ge=2, le=3600)] = 30
    """How long a task stays with a worker that is not heard of. Workers are heard of each second."""
    retention_s: Annotated[Seconds, Field(ge=1, le=31_536_000)] = 3600
    """How long a task and its result are kept after its end."""
    free_slots: CountOrNone = 0
    """Slots of each model that tasks leave free, for requests that somebody waits for. A model that has no more than this gets a task when it has nothing else to do."""  # noqa: E501
    make_room: Flag = True
    """Whether a task that is being answered gives its slot to somebody who waits for one, and begins again later: the one that was begun last, and each at most three times."""  # noqa: E501
    max_waiting: Count = 100_000
    """Tasks that may wait in all; more are answered 503."""
    max_waiting_per_key: Count = 10_000
    """Tasks that may wait of one key; more are answered 429."""
    gateway: WebOrigin = "http://127.0.0.1:7368"
    """The gateway that `remuda worker` has its tasks answered by."""
    gateway_key: Secret | None = None
    """A key of that gateway with the scope admin: a worker asks in the names of those who submitted."""
    worker_metrics: Listener | None = None
    """Where `remuda worker` answers `GET /metrics`, as `host:port`; without a key, as the gateway's. Default: nowhere."""  # noqa: E501
    requests_per_minute: Annotated[Whole, Field(ge=0, le=1_000_000)] = 60
    """How many requests a key may make of these routes in a minute; more are answered 429. 0: any number. Callers without a key, who are on this machine, are not counted."""  # noqa: E501
    burst: Annotated[Whole, Field(ge=1, le=1_000_000)] = 10
    """How many of them at once."""
    webhook_secret: Secret | None = None
    """What webhooks are signed with; `whsec_` and base64, or any text. Several gateways on one store need the same. Default: one that is made of `auth.secret_key`, or of the file `node.key`; `remuda tasks secret` shows it."""  # noqa: E501
    webhook_allow_private: Networks = ()
    """Private networks that webhooks may go to, as `[10.0.0.0/8]`; `true` for all of them, this machine included. Default: none; they go to public addresses only."""  # noqa: E501
    webhook_max_attempts: Annotated[Whole, Field(ge=1, le=100)] = 8
    """How often a webhook is tried until somebody answers with a status from 200 to 299."""
    webhook_timeout_s: Annotated[Seconds, Field(gt=0, le=300)] = 10
    """How long one try may take."""
    webhook_backoff_s: Annotated[Seconds, Field(gt=0, le=86_400)] = 5
    """How long until the second try; twice as long until each further one, at most an hour, and up to half of it less at random."""  # noqa: E501
    max_file_bytes: Annotated[Size, Field(ge=KIB)] = 512 * MIB
    """Longest file that is taken in at `/v1/files`; `server.max_body_bytes` does not hold there."""
    max_files_bytes: Annotated[Size, Field(ge=KIB)] = 16 * 1024 * MIB
    """How much all files together may take of the data folder; more are answered 503."""
    file_retention_s: Annotated[Seconds, Field(ge=3600, le=31_536_000)] = 30 * 86_400
    """How long a file is kept, where its owner does not say it, and a batch that is over."""


class LogSettings(Section):
    """What the gateway says while it runs, on stderr."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least serious message that is shown."""
    format: Literal["auto", "pretty", "json"] = "auto"
    """`pretty` for people, `json` for machines; `auto` is pretty on a terminal and JSON elsewhere."""
    folder: Location | None = None
    """A folder for log files beside that: `app.log` (the same lines), `errors.log` (errors with their tracebacks) and `llm_requests.log` (a line for each request to a model). A worker writes `worker-1.log` and `worker-1.errors.log`, the second on the same folder `worker-2.log`. Default: none are written."""  # noqa: E501
    file_max_bytes: Annotated[Size, Field(ge=4 * KIB)] = 10 * MIB
    """How long one of these files becomes; then it is put aside, and a new one begun."""
    files_kept: Annotated[Whole, Field(ge=1, le=1000)] = 7
    """How many of each that were put aside are kept."""


class Settings(Section):
    """Everything that can be set, as it is once defaults, file, environment and command line are laid over each other.

    Made by `remuda.app.settings.load`; made directly, all but what is given has its default.
    """

    data_dir: Location = Field(default_factory=default_data_dir)
    """Folder for all that is kept. Default: `.data` in a clone of the repository, else the platform's own place (`~/.local/share/remuda` on Linux)."""  # noqa: E501
    database_url: DatabaseUrl | None = None
    """The store: `postgresql://user:password@host/database`, or `sqlite:///file`. Default: `remuda.db` in the data folder. The variable `DATABASE_URL` sets it too."""  # noqa: E501
    redis_url: RedisUrl | None = None
    """Redis, over which several gateways on one store tell each other what goes on: `redis://:password@host:6379/0`, `rediss://` or `unix:///path`. Needs the extra `remuda[redis]`. Default: none, and none is needed. The variable `REDIS_URL` sets it too."""  # noqa: E501
    server: ServerSettings = Field(default_factory=ServerSettings)
    models: ModelSettings = Field(default_factory=ModelSettings)
    llamacpp: LlamaCppSettings = Field(default_factory=LlamaCppSettings)
    transformers: TransformersSettings = Field(default_factory=TransformersSettings)
    upstreams: tuple[Annotated[UpstreamSettings, AfterValidator(usable)], ...] = ()
    """Servers elsewhere: Ollama, llama.cpp, another Remuda, anything OpenAI-compatible. With one, or with `models.paths` or `transformers.models`, the tiny models are not offered."""  # noqa: E501
    routing: RoutingSettings = Field(default_factory=RoutingSettings)
    health: HealthSettings = Field(default_factory=HealthSettings)
    auth: AuthSettings = Field(default_factory=AuthSettings)
    journal: JournalSettings = Field(default_factory=JournalSettings)
    insight: InsightSettings = Field(default_factory=InsightSettings)
    alerts: AlertSettings = Field(default_factory=AlertSettings)
    mail: MailSettings = Field(default_factory=MailSettings)
    tasks: TaskSettings = Field(default_factory=TaskSettings)
    telemetry: TelemetrySettings = Field(default_factory=TelemetrySettings)
    log: LogSettings = Field(default_factory=LogSettings)

    _origins: Origins = PrivateAttr(default_factory=Origins)
    _file: Path | None = PrivateAttr(default=None)
    _again: Callable[[], "Settings"] | None = PrivateAttr(default=None)

    @field_validator("upstreams")
    @classmethod
    def _told_apart(cls, value: tuple[UpstreamSettings, ...]) -> tuple[UpstreamSettings, ...]:
        seen: set[str] = set()
        for upstream in value:
            if upstream.display_name in seen:
                raise ValueError(f"two upstreams are called {upstream.display_name!r}: give one a name of its own")
            seen.add(upstream.display_name)
        return value

    @field_validator("mail")
    @classmethod
    def _is_sent(cls, value: MailSettings, info: ValidationInfo) -> MailSettings:
        alerts: AlertSettings | None = info.data.get("alerts")
        if alerts is not None and alerts.mail and value.host is None:
            raise ValueError("alerts.mail names addresses, so mail.host has to say who takes mail for them")
        return value

    @field_validator("routing")
    @classmethod
    def _by_model(cls, value: RoutingSettings, info: ValidationInfo) -> RoutingSettings:
        models: ModelSettings | None = info.data.get("models")
        for name in value.policies:
            if models is not None and name in models.aliases:
                raise ValueError(f"policies: {name!r} is an alias: name the model, {models.chains[name][0]!r}")
        return value

    @property
    def store_url(self) -> str:
        """Where the store is, with its default filled in. May hold a password: never log it."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"sqlite:///{(self.data_dir / 'remuda.db').as_posix()}"

    @property
    def offers_tiny_models(self) -> bool:
        """Whether the models that ship inside the package are offered: only while the settings name nothing else."""
        return self.models.tiny and not self.models.paths and not self.transformers.models and not self.upstreams

    @property
    def file(self) -> Path | None:
        """The settings file that was read; None where there was none."""
        return self._file

    def origin(self, name: str) -> Origin:
        """Where the value of `name` (`server.port`, `upstreams.0.url`) came from."""
        return self._origins.of(tuple(int(part) if part.isdigit() else part for part in name.split(".")))

    def read_again(self) -> "Settings":
        """The settings as they are now, read from where these were; raises SettingsError."""
        return self if self._again is None else self._again()

    def with_origins(
        self, origins: Origins, file: Path | None = None, again: Callable[[], "Settings"] | None = None
    ) -> Self:
        """The same settings, knowing where each came from, and how to read them again."""
        copy = self.model_copy()
        copy._origins = origins
        copy._file = file
        copy._again = again
        return copy

    def __eq__(self, other: Any) -> bool:
        """Settings are equal when their values are, wherever these came from."""
        return isinstance(other, Settings) and self.model_dump() == other.model_dump()

    __hash__ = None  # type: ignore[assignment]  # lists of settings are compared, never hashed
