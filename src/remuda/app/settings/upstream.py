"""What the settings say of one server elsewhere."""

from dataclasses import replace
from typing import Annotated

from pydantic import Field

from remuda.app.settings.kinds import Flag, Location, Name, Seconds, Secret, ServerKind, UpstreamUrl, Whole
from remuda.app.settings.section import Count, Section
from remuda.core.address import Address, parse_address
from remuda.core.hosts import Bind
from remuda.outbound.addresses import check_host


class UpstreamSettings(Section):
    """One server elsewhere: Ollama, llama.cpp, another Remuda, or anything OpenAI-compatible."""

    url: UpstreamUrl
    """Its base address as its clients write it, e.g. `http://10.0.0.5:8000/v1`, `http://10.0.0.6:11434` or `unix:/path/to.sock`. Without a path, `/v1` is meant for asks in OpenAI's words, and the root for Ollama's and llama.cpp's own. Private networks are allowed; link-local addresses and those where clouds keep credentials are not, also where a name stands for one."""  # noqa: E501
    name: Name | None = None
    """What it is called in logs and metrics; default: host and port."""
    api_key: Secret | None = None
    """Key sent to it. Best written as `${NAME}`, so that it stands in the environment and not in the file."""
    kind: ServerKind | None = None
    """What kind of server it is. Default: that is found out by what it answers."""
    models: tuple[Name, ...] = ()
    """Models it is asked for; default: those it lists."""
    slots: Count = 4096
    """How many requests it is sent at once; more wait here. A bound on load, not a claim about the server: most do not tell how much they take, and queue by themselves. llama.cpp tells, and gets no more than it has slots. Lower it to let requests wait here instead, where they can be sent elsewhere."""  # noqa: E501
    weight: Annotated[Whole, Field(ge=1, le=1000)] = 1
    """How many requests it gets for one that another server with weight 1 gets, where the policy is `weighted`. Models of this machine have weight 1."""  # noqa: E501
    drain: Flag = False
    """It finishes what it has and gets nothing new, so that it can be taken away."""
    ca_file: Location | None = None
    """Certificates (PEM) to trust for it instead of the system's."""
    connect_timeout_s: Annotated[Seconds, Field(gt=0)] = 5
    """How long a connection to it may take."""
    ttft_timeout_s: Annotated[Seconds, Field(gt=0)] = 300
    """How long it may take to begin an answer."""
    silence_timeout_s: Annotated[Seconds, Field(gt=0)] = 300
    """How long it may be silent within an answer."""

    @property
    def address(self) -> Address:
        """`url`, taken apart; its base path is never empty."""
        address = parse_address(self.url)
        return replace(address, base_path=address.base_path or "/v1", is_given=address.socket_path is None)

    @property
    def display_name(self) -> str:
        """`name`, or what stands for it."""
        address = parse_address(self.url)
        return self.name or address.socket_path or f"{Bind(address.host, address.port)}{address.base_path}"


def usable(upstream: UpstreamSettings) -> UpstreamSettings:
    """`upstream`, if the settings may name it; raises ValueError."""
    if upstream.address.is_given:
        check_host(upstream.address.host)
    return upstream
