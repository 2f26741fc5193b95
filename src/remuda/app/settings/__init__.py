"""Settings: what can be set, where it is read from, and what is wrong with it.

Defaults < `remuda.yaml` < environment < command line. `load` reads them all; the models say what there is; every
problem has its place (file and line, variable, option). Called by the command and by wiring; knows no other room
but core.
"""

from remuda.app.settings.alerts import AlertSettings, MailSettings
from remuda.app.settings.environment import Leaf, leaves
from remuda.app.settings.insight import InsightSettings, JournalSettings
from remuda.app.settings.layers import Override, load
from remuda.app.settings.model import (
    AuthSettings,
    HealthSettings,
    LlamaCppSettings,
    LogSettings,
    ModelSettings,
    RoutingSettings,
    ServerSettings,
    Settings,
    TaskSettings,
    TransformersSettings,
)
from remuda.app.settings.origins import Origin, Problem, SettingsError
from remuda.app.settings.telemetry import TelemetrySettings
from remuda.app.settings.upstream import UpstreamSettings

__all__ = [
    "AlertSettings",
    "AuthSettings",
    "HealthSettings",
    "InsightSettings",
    "JournalSettings",
    "Leaf",
    "LlamaCppSettings",
    "LogSettings",
    "MailSettings",
    "ModelSettings",
    "Origin",
    "Override",
    "Problem",
    "RoutingSettings",
    "ServerSettings",
    "Settings",
    "SettingsError",
    "TaskSettings",
    "TelemetrySettings",
    "TransformersSettings",
    "UpstreamSettings",
    "leaves",
    "load",
]
