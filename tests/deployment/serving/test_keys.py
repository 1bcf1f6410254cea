"""Keys: only its owner may read their file, and only they are let in."""

from __future__ import annotations

import base64
import hmac
from pathlib import Path

import pytest

from headstart.deployment.serving.keys import Keys
from headstart.errors import HeadstartError

KEY, OTHER = "0123456789abcdef", "fedcba9876543210"


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    file = tmp_path / "keys"
    file.write_text(f"# of the shop\n{KEY}\n\n{OTHER}\n")
    file.chmod(0o600)
    return file


def test_each_key_of_the_file_is_let_in_and_nothing_else(key_file: Path) -> None:
    keys = Keys.read(key_file)
    basic = base64.b64encode(f"me:{KEY}".encode()).decode()
    assert all(map(keys.admits, (f"Bearer {KEY}", f"bearer {OTHER}", f"Basic {basic}")))
    refused = ("", "Bearer", "Bearer ", KEY, f"Bearer {KEY}0", f"Bearer {KEY[:-1]}")
    refused += ("Basic %%%", "Bearer # of the shop", f"Digest {KEY}", "Bearer \udcff")
    assert not any(map(keys.admits, refused))


def test_all_keys_are_compared_in_constant_time(
    key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys, compared = Keys.read(key_file), list[tuple[bytes, bytes]]()

    def noted(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return one == other

    monkeypatch.setattr(hmac, "compare_digest", noted)
    for given in (KEY, OTHER, "x"):
        keys.admits(f"Bearer {given}")
    assert len(compared) == 3 * 2
    assert {len(each) for pair in compared for each in pair} == {32}


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o660, 0o601])
def test_a_file_that_others_can_open_is_refused(key_file: Path, mode: int) -> None:
    key_file.chmod(mode)
    with pytest.raises(HeadstartError, match="others than its owner can open the key file"):
        Keys.read(key_file)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "holds no key"),
        ("# only a remark\n", "holds no key"),
        ("short\n", "fewer than 16 characters"),
        (f"{KEY} {OTHER}\n", "without spaces"),
        ("ä" * 20, "ASCII"),
    ],
)
def test_a_file_without_good_keys_is_refused(key_file: Path, content: str, message: str) -> None:
    key_file.write_text(content)
    with pytest.raises(HeadstartError, match=message):
        Keys.read(key_file)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HeadstartError, match="there is no key file"):
        Keys.read(tmp_path / "keys")
