"""Base and types of the descriptions of stored JSON files, which ``atomic.read_json`` checks."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Text = Annotated[str, Field(max_length=10_000)]
Count = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Rate = Annotated[float, Field(gt=0, le=100_000)]
"""Sampling rate in Hz."""
Seconds = Annotated[float, Field(gt=0, le=3600)]
"""Length of a recording."""


class Stored(BaseModel):
    """Object of a stored file: the keys it must hold, with their types and ranges.

    Other keys are let through: a later version may write more.
    """

    model_config = ConfigDict(strict=True, allow_inf_nan=False)
