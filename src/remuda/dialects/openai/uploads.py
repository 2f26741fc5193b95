"""A file that is posted as a form, straight onto the disk."""

from typing import Any, Final

import msgspec
from starlette.requests import ClientDisconnect, Request

from remuda.core.batch import StoredFile
from remuda.core.faults import ClientGone, InvalidRequest, UnsupportedMedia
from remuda.dialects.kit.bodies import decoded
from remuda.dialects.openai.batch_schemas import Expiry
from remuda.jobs.batches import PURPOSE
from remuda.jobs.files import Files, Receiving
from remuda.wire.multipart import MultipartError, MultipartSplitter, Part, PartEnd, boundary_of

MAX_FIELD_BYTES: Final = 4096
FORM_BYTES: Final = 64 * 1024
"""How much longer than its file a form may be."""
PURPOSES: Final = ("purpose", "expires_after[anchor]", "expires_after[seconds]")
UNNAMED: Final = "file.jsonl"

_expiry: Final = msgspec.json.Decoder(Expiry).decode


class _Form:
    """What has come of a form so far."""

    def __init__(self, file: Receiving) -> None:
        self.file = file
        self.filename: str | None = None
        self.fields: dict[str, bytes] = {}
        self._part: Part | None = None

    async def take(self, event: Part | bytes | PartEnd) -> None:
        if isinstance(event, Part):
            self._begin(event)
        elif isinstance(event, PartEnd):
            self._part = None
        elif self._part is not None and self._part.name == "file":
            await self.file.write(event)
        elif self._part is not None and self._part.name in PURPOSES:
            said = self.fields[self._part.name] = self.fields[self._part.name] + event
            if len(said) > MAX_FIELD_BYTES:
                raise InvalidRequest(f"'{self._part.name}' is too long", parameter=self._part.name)

    def _begin(self, part: Part) -> None:
        if part.name == "file":
            if self.filename is not None:
                raise InvalidRequest("one file at a time", parameter="file")
            self.filename = _shown(part.filename)
        self._part = part
        self.fields[part.name] = b""

    def keep_s(self) -> float | None:
        """How long the file is to be kept; None where that is not said."""
        if "expires_after[seconds]" not in self.fields and "expires_after[anchor]" not in self.fields:
            return None
        seconds = self._word("expires_after[seconds]")
        said: dict[str, Any] = {
            "anchor": self._word("expires_after[anchor]"),
            "seconds": int(seconds) if seconds.isascii() and seconds.isdigit() and len(seconds) < 12 else seconds,
        }
        return float(decoded(_expiry, msgspec.json.encode(said)).seconds)

    def check(self) -> None:
        """Raise InvalidRequest for a form that is not whole, or not for us."""
        if self.filename is None:
            raise InvalidRequest("the request is missing the required parameter 'file'", parameter="file")
        if "purpose" not in self.fields:
            raise InvalidRequest("the request is missing the required parameter 'purpose'", parameter="purpose")
        purpose = self._word("purpose")
        if purpose != PURPOSE:
            raise InvalidRequest(
                f"files are kept here for batches only: the purpose is '{PURPOSE}'",
                parameter="purpose",
                received=purpose[:100],
                expected=PURPOSE,
            )

    def _word(self, name: str) -> str:
        return self.fields.get(name, b"").decode("utf-8", "replace").strip()


async def file_in(request: Request, files: Files, key_id: str) -> StoredFile:
    """The file that is posted, kept. Raises UnsupportedMedia, InvalidRequest, BodyTooLarge, Unavailable, ClientGone."""
    boundary = boundary_of(request.headers.get("content-type", "").encode("latin-1"))
    if boundary is None:
        raise UnsupportedMedia("a file is posted as multipart/form-data, with the fields 'purpose' and 'file'")
    receiving = await files.receive()
    try:
        form = _Form(receiving)
        splitter = MultipartSplitter(boundary)
        async for data in request.stream():
            for event in splitter.feed(data):
                await form.take(event)
        if not splitter.is_over:
            raise MultipartError("it ends before the last boundary")
        form.check()
        return await receiving.keep(
            key_id=key_id, purpose=PURPOSE, filename=form.filename or UNNAMED, keep_s=form.keep_s()
        )
    except MultipartError as error:
        raise InvalidRequest(f"the form is malformed: {error}") from error
    except ClientDisconnect as error:
        raise ClientGone from error
    finally:
        await receiving.drop()


def _shown(name: str | None) -> str:
    """A file's name without folders and what cannot be shown."""
    last = (name or "").replace("\\", "/").rpartition("/")[2]
    return "".join(char for char in last if char.isprintable()) or UNNAMED
