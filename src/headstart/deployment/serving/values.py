"""What clients send as records: typed values and uploaded bytes, never the name of a file."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.data.audit import Audit
from headstart.data.lines import fault
from headstart.data.unit import Unit
from headstart.deployment.serving.errors import BadRecord, Refusal
from headstart.errors import HeadstartError
from headstart.modalities import Modality

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.modalities import Processor

#: Characters for a token, about, by which the length of a record is estimated before it is read.
_CHARACTERS = 4


class Values:
    """How the records of one kind of data arrive: as texts that can be typed, or as bytes.

    Bytes come as base64 in JSON, alone or as a ``data:`` URL, or as the files of an upload.

    Raises:
        HeadstartError: records of this kind can be sent in neither way.
    """

    def __init__(self, modality: Modality, processor: Processor) -> None:
        self.modality, self._processor = modality, processor
        content = modality.content
        self._field = content.fields[0]
        #: Whether records are bytes.
        self.are_bytes = content.of_object is not None and content.of_object(b"\0") is not None
        if not self.are_bytes and type(modality).inline is Modality.inline:
            raise HeadstartError(f"{content.noun} cannot be sent in a request.")

    def taken(self, values: Sequence[str | bytes], param: str) -> list[Any]:
        """Return what :meth:`records` takes, checked as the values in files are.

        Raises:
            Refusal: one is blank, no record, or too large; the message says which.
        """
        return [self._one(value, param, number) for number, value in enumerate(values)]

    def _one(self, value: str | bytes, param: str, number: int) -> Any:
        if not self.are_bytes:
            if isinstance(value, bytes):
                value = self._decoded(value, param, number)
            reason = fault(value) or (None if value.strip() else "it is blank")
            taken: Any = value
        else:
            content = _bytes(value) if isinstance(value, str) else value
            if content is None:
                raise _no_record(param, number, "it is no base64")
            taken, reason = self._field.take(content, _UPLOAD)
            reason = reason or (None if taken is not None else self._field.absent)
        if reason is not None:
            raise _no_record(param, number, reason)
        return taken

    def _decoded(self, value: bytes, param: str, number: int) -> str:
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise _no_record(param, number, "it is not UTF-8") from None

    def records(self, taken: Sequence[Any]) -> Dataset:
        """Return the records, in order, with their numbers as ids.

        Raises:
            HeadstartError: a value is no record.
        """
        if not self.are_bytes:
            found = self.modality.inline(list(taken))
            assert found is not None
            return found
        import pyarrow as pa
        from datasets import Dataset

        ids = pa.array([str(number) for number in range(len(taken))])
        values = pa.array(list(taken), type=self._field.type())
        return Dataset(pa.table({"id": ids, self._field.name: values}))

    def readable(self, records: Dataset) -> tuple[Dataset, dict[int, Exception]]:
        """Return the records whose content can be decoded, and why others cannot, by number."""
        if not self.are_bytes:
            return records, {}
        audit = Audit()
        found = self.modality.readable(records, self._processor.first, audit)
        if len(found) == len(records):
            return found, {}
        why = audit.reason_of()
        kept = set(found["id"])
        return found, {
            number: BadRecord(why.get(name, "it is damaged"))
            for number, name in enumerate(records["id"])
            if name not in kept
        }

    def cost(self, length: int) -> Callable[[Any], float]:
        """Return a function from a value to about how many positions an encoder reads of it."""
        if self.are_bytes or self._processor.vocabulary is None:
            return lambda value: float(length)
        return lambda value: float(min(length, 2 + len(value) // _CHARACTERS))


def _bytes(value: str) -> bytes | None:
    """Return what base64 stands for, alone or as a ``data:`` URL; None if it is none."""
    if value.startswith("data:"):
        value = value.partition(",")[2]
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return None


def _no_record(param: str, number: int, reason: str) -> Refusal:
    return BadRecord(reason, number).refusal(param)


def _closed() -> Any:
    raise AssertionError("an upload has no file to open")


#: Where uploaded values come from, as far as the rules for files ask.
_UPLOAD = Unit(
    source="upload", name="upload", kind="", path=Path("/nonexistent"), label=None, open=_closed
)
