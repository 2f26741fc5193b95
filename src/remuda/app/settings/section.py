"""What all sections of the settings share."""

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from remuda.app.settings.kinds import Whole

KIB: Final = 1024
MIB: Final = 1024 * KIB

Count = Annotated[Whole, Field(ge=1, le=1_000_000)]
CountOrNone = Annotated[Whole, Field(ge=0, le=1_000_000)]


class Section(BaseModel):
    """What all sections share: immutable, and a key that is not declared is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, validate_default=True)
