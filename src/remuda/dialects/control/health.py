"""`GET /api/health`: how the gateway is, in the shape of document S0, which satisfies S4's too (C1).

Of S0's fields those are here that can be said truthfully: engines have no one host and port, and the store no number of
connections that means anything.
"""

from collections.abc import Callable
from typing import NamedTuple

from remuda.core.moments import iso_time
from remuda.dialects.control.schemas import (
    ApiHealth,
    DatabaseHealth,
    EngineHealth,
    HealthWord,
    ProxyHealth,
    ServicesHealth,
    SystemUse,
)
from remuda.fleet.registry import Fleet


class MachineUse(NamedTuple):
    """How busy the machine is, each from 0 to 100."""

    cpu_percent: float
    memory_percent: float
    disk_percent: float
    """Of the disk that holds the data folder."""


class Vitals(NamedTuple):
    """How the gateway's parts are."""

    now: float
    """Wall clock."""
    uptime_s: float
    is_draining: bool
    is_store_up: bool
    has_working_engine: bool
    """False where every model of this machine fails and no server elsewhere answers: idle models are no failure."""
    machine: MachineUse


ReadVitals = Callable[[], Vitals]
"""Answers at once."""


def api_health(vitals: Vitals, fleet: Fleet, version: str) -> ApiHealth:
    """The whole answer. All three services are required: without one of them requests fail or are not kept."""
    loaded = len({fleet.name_of(replica.model) for replica in fleet.replicas() if replica.is_routable})
    services = ServicesHealth(
        proxy=ProxyHealth(word(not vitals.is_draining), uptime=int(vitals.uptime_s), version=version),
        llama_server=EngineHealth(word(vitals.has_working_engine), models_loaded=loaded),
        database=DatabaseHealth(word(vitals.is_store_up)),
    )
    is_well = not vitals.is_draining and vitals.is_store_up and vitals.has_working_engine
    machine = vitals.machine
    return ApiHealth(
        status=word(is_well),
        timestamp=iso_time(vitals.now),
        services=services,
        system=SystemUse(
            cpu_usage=machine.cpu_percent, memory_usage=machine.memory_percent, disk_usage=machine.disk_percent
        ),
    )


def word(is_well: bool) -> HealthWord:
    """S0's word for it."""
    return "healthy" if is_well else "unhealthy"
