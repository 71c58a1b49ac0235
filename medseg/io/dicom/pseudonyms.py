"""New names made from old ones with a secret key: the same key gives the same names, without it none leads back."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from pathlib import Path

from medseg.errors import InputError, StorageError

SHORTEST_KEY_BYTES = 16
"""Shorter keys can be tried out."""
LARGEST_SHIFT_DAYS = 3650
_KEY_BYTES = 32
_UUID_CUSTOM_VERSION = 8


class Pseudonyms:
    """Pseudonyms of UIDs, patients and paths, by HMAC-SHA256 with a secret key.

    Args:
        key: at least 16 secret bytes. Whoever has them can test a guess of an identity.

    Raises:
        InputError: the key is shorter.
    """

    def __init__(self, key: bytes) -> None:
        if len(key) < SHORTEST_KEY_BYTES:
            message = (
                f"the key: expected at least {SHORTEST_KEY_BYTES} bytes, got {len(key)}. Make one with --make-key."
            )
            raise InputError(message)
        self._key = key

    def __repr__(self) -> str:
        return "Pseudonyms(...)"

    def uid(self, uid: str) -> str:
        """The UID that stands for `uid`: "2.25." and a random-looking UUID as a decimal number (PS3.5 section B.2)."""
        bits = bytearray(self._digest("uid", uid)[:16])
        bits[6] = bits[6] & 0x0F | _UUID_CUSTOM_VERSION << 4  # version and variant, RFC 9562 section 5.8
        bits[8] = bits[8] & 0x3F | 0x80
        return f"2.25.{int.from_bytes(bits, 'big')}"

    def patient(self, patient_id: str) -> str:
        """The Patient ID that stands for `patient_id`: "P" and 16 hexadecimal digits."""
        return f"P{self._digest('patient', patient_id).hex()[:16].upper()}"

    def days(self, patient_id: str) -> int:
        """By how many days the dates of a patient go back: 1 to 3650, the same for all of their files."""
        return 1 + int.from_bytes(self._digest("days", patient_id)[:8], "big") % LARGEST_SHIFT_DAYS

    def path(self, relative: str) -> str:
        """The name that stands for a path below an input folder, "/" between its parts: 16 hexadecimal digits."""
        return self._digest("path", relative).hex()[:16]

    def _digest(self, kind: str, name: str) -> bytes:
        content = f"{kind}\0{name}".encode(errors="surrogateescape")
        return hmac.new(self._key, content, hashlib.sha256).digest()


def read_key(path: str | Path) -> bytes:
    """The secret key in a file, white space at its ends left out.

    Raises:
        InputError: the file is missing, may not be read or holds too short a key.
    """
    try:
        key = Path(path).read_bytes().strip()
    except OSError as error:
        message = f"{path}: the key cannot be read ({error.strerror}). Make one with --make-key."
        raise InputError(message) from error
    if len(key) < SHORTEST_KEY_BYTES:
        message = (
            f"{path}: expected a key of at least {SHORTEST_KEY_BYTES} bytes, got {len(key)}. Make one with --make-key."
        )
        raise InputError(message)
    return key


def make_key(path: str | Path) -> None:
    """Write a new secret key to `path`, which only its owner may read.

    Raises:
        InputError: something of that name is there already; a lost key cannot be had back.
        StorageError: it cannot be written.
    """
    try:
        Path(path).touch(mode=0o600, exist_ok=False)
        Path(path).write_text(secrets.token_hex(_KEY_BYTES) + "\n", encoding="ascii")
    except FileExistsError as error:
        message = f"{path}: a key is only written to a new file, this one exists. Choose another name."
        raise InputError(message) from error
    except OSError as error:
        message = f"cannot write {path}: {error.strerror}. Choose another place for it."
        raise StorageError(message) from error
