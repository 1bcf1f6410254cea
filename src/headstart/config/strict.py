"""What every set of options is: a model that refuses what no option has a use for."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_origin

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator, model_validator

from headstart.config.blanks import each_of, refuse_blank

#: The largest number of any option; it fits into 32 bits, which some libraries count with.
LARGEST = 2**31 - 1
#: Half of a character, which stands for a byte that is not UTF-8.
_LONE = re.compile("[\ud800-\udfff]")


class Options(BaseModel):
    """A set of options; unknown names are refused."""

    model_config = ConfigDict(
        extra="forbid",
        validate_default=True,
        coerce_numbers_to_str=True,
        allow_inf_nan=False,
        defer_build=True,  # a command needs the models of one verb
    )

    @field_validator("*")
    @classmethod
    def _usable(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse numbers and texts that no option has a use for, such as the name of no file.

        Only files of data may have a name that is not UTF-8: what else is given stands on pages.
        """
        field = cls.model_fields[info.field_name or ""]
        is_data = Data() in field.metadata
        refuse_blank(value, field)
        for each in each_of(value):
            if isinstance(each, int | float) and abs(each) > LARGEST:
                raise ValueError(f"give a number between -{LARGEST} and {LARGEST}")
            if isinstance(each, str) and "\0" in each:
                raise ValueError("leave out the character NUL")
            if isinstance(each, str) and not is_data and _LONE.search(each):
                raise ValueError("it is not UTF-8; write it in other letters")
        return value

    @model_validator(mode="before")
    @classmethod
    def _from_python(cls, values: Any) -> Any:
        """Take paths, runs and NumPy's numbers; one value where a list is expected."""
        if not isinstance(values, Mapping):
            return values
        found = {name: _plain(value) for name, value in values.items()}
        for name in found.keys() & cls.model_fields.keys():
            if get_origin(cls.model_fields[name].annotation) is list:
                one = isinstance(found[name], str | int | float)
                found[name] = [found[name]] if one else found[name]
        return found


def _plain(value: Any) -> Any:
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value.item() if getattr(value, "shape", None) == () else value


@dataclass(frozen=True)
class Data:
    """Marks an option that names data; in Python it also takes records in memory."""


def data_options(model: type[BaseModel]) -> list[str]:
    """Return the names of the options that name data."""
    return [name for name, field in model.model_fields.items() if Data() in field.metadata]
