"""Credentials at rest: sealed with a key that is not in the store, so that a copy of the store is no copy of them."""

import base64
import binascii
import hashlib
import hmac
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

KEY_FILE: Final = "node.key"
KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
"""AES-GCM's own size (NIST SP 800-38D); random, which is safe far beyond any number of nodes."""
_SEALED: Final = "sealed:1:"
_REFERENCE: Final = "env:"
_PURPOSE: Final = b"remuda node credential"
MAX_CHARS: Final = 512


class CredentialError(ValueError):
    """A credential cannot be had. The message says why, and nothing of the credential."""


class Sealer:
    """Seals credentials (AES-256-GCM) and opens them again.

    The key is made of `secret` where the settings give one, which several gateways on one store must share; else it
    stands in a file of the data folder that only its owner can read, made when it is first needed.
    """

    def __init__(self, data_dir: Path, secret: str | None = None, environ: Mapping[str, str] = os.environ) -> None:
        self._file = data_dir / KEY_FILE
        self._secret = secret
        self._environ = environ

    def seal(self, credential: str) -> str:
        """What may be kept of `credential`; raises CredentialError where the key can be neither read nor made."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce = os.urandom(NONCE_BYTES)
        sealed = AESGCM(self._key(is_made=True)).encrypt(nonce, credential.encode(), _PURPOSE)
        return _SEALED + base64.b64encode(nonce + sealed).decode()

    def open(self, kept: str) -> str:
        """The credential behind what `seal` or `reference` gave; empty for nothing. Raises CredentialError."""
        if not kept:
            return ""
        if kept.startswith(_REFERENCE):
            name = kept.removeprefix(_REFERENCE)
            if not (found := self._environ.get(name)):
                raise CredentialError(f"the environment has no variable {name}")
            return _usable(found)
        if not kept.startswith(_SEALED):
            raise CredentialError("it was kept by another version of this program")
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        key = self._key(is_made=False)
        try:
            raw = base64.b64decode(kept.removeprefix(_SEALED))
            opened = AESGCM(key).decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], _PURPOSE)
        except InvalidTag:
            raise CredentialError("it was sealed with another key: give it once more") from None
        except ValueError:  # no base64, or too short to be anything
            raise CredentialError("what is kept of it is damaged: give it once more") from None
        return opened.decode()

    def derived(self, purpose: bytes) -> bytes:
        """A key of 32 bytes for another purpose, the same wherever the sealing key is; raises CredentialError."""
        return hmac.digest(self._key(is_made=True), purpose, "sha256")

    def _key(self, *, is_made: bool) -> bytes:
        if self._secret is not None:
            return hashlib.sha256(_PURPOSE + b"\0" + self._secret.encode()).digest()
        try:
            if is_made:
                self._make()
            key = base64.b64decode(self._file.read_bytes())
        except OSError as error:
            raise CredentialError(f"the key file {self._file} cannot be used: {error.strerror}") from error
        except binascii.Error:
            key = b""
        if len(key) != KEY_BYTES:
            raise CredentialError(f"the key file {self._file} is damaged")
        return key

    def _make(self) -> None:
        """The file, where there is none: complete from the moment it is there, and for its owner alone."""
        if self._file.exists():
            return
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = self._file.with_name(f"{KEY_FILE}.{os.urandom(4).hex()}")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with open(descriptor, "wb") as file:
                file.write(base64.b64encode(os.urandom(KEY_BYTES)))
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(fresh, self._file)  # fails where another process was first: then that one's counts
            except FileExistsError:
                return
            except OSError:  # a file system without links
                if not self._file.exists():
                    fresh.replace(self._file)
        finally:
            fresh.unlink(missing_ok=True)


def reference(name: str) -> str:
    """What is kept of a credential that stands in the environment variable `name`; raises ValueError."""
    if not name or not name.replace("_", "").isalnum() or not name.isascii() or name[0].isdigit() or len(name) > 200:
        raise ValueError(f"{name[:40]!r} is no name of an environment variable")
    return _REFERENCE + name


def _usable(credential: str) -> str:
    if len(credential) > MAX_CHARS or not all("!" <= character <= "~" for character in credential):
        raise CredentialError(f"it is not 1 to {MAX_CHARS} printable ASCII characters without spaces")
    return credential


def check_credential(credential: str) -> str:
    """`credential`, if it can be sent; raises ValueError with a sentence that does not repeat it."""
    try:
        return _usable(credential)
    except CredentialError:
        raise ValueError(f"a key is 1 to {MAX_CHARS} printable ASCII characters without spaces") from None
