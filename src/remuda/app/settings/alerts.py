"""Who is told when something is amiss."""

from typing import Annotated

from pydantic import Field

from remuda.app.settings.kinds import Seconds, Whole
from remuda.app.settings.section import Section


class AlertSettings(Section):
    """What is watched for, by rules that `/api/alerts/rules` keeps."""

    cooldown_s: Annotated[Seconds, Field(ge=1, le=2_592_000)] = 300
    """How long after an event a rule makes no other, where the rule does not say it."""
    retention_days: Annotated[Whole, Field(ge=0, le=36_500)] = 90
    """Events that were over before so many days are deleted; 0 keeps them for ever."""
