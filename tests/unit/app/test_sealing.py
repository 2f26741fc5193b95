"""Credentials at rest."""

from pathlib import Path

import pytest

from remuda.app.sealing import KEY_FILE, CredentialError, Sealer, check_credential, reference


def test_what_is_sealed_is_not_to_be_read_and_comes_back(tmp_path: Path) -> None:
    sealer = Sealer(tmp_path, environ={})
    kept = sealer.seal("sk-very-secret")
    assert "very" not in kept
    assert kept != sealer.seal("sk-very-secret")
    assert Sealer(tmp_path, environ={}).open(kept) == "sk-very-secret"
    assert (tmp_path / KEY_FILE).stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir()] == [KEY_FILE]


def test_nothing_kept_is_nothing_sent_and_makes_no_key(tmp_path: Path) -> None:
    assert Sealer(tmp_path, environ={}).open("") == ""
    assert not list(tmp_path.iterdir())


def test_with_a_secret_of_the_settings_no_file_is_needed(tmp_path: Path) -> None:
    kept = Sealer(tmp_path, "one secret for all gateways").seal("sk-1")
    assert not list(tmp_path.iterdir())
    assert Sealer(tmp_path / "elsewhere", "one secret for all gateways").open(kept) == "sk-1"
    with pytest.raises(CredentialError, match="another key"):
        Sealer(tmp_path, "another").open(kept)


def test_a_reference_is_looked_up_when_it_is_used(tmp_path: Path) -> None:
    kept = reference("GPU_KEY")
    assert kept == "env:GPU_KEY"
    assert Sealer(tmp_path, environ={"GPU_KEY": "sk-2"}).open(kept) == "sk-2"
    with pytest.raises(CredentialError, match="no variable GPU_KEY"):
        Sealer(tmp_path, environ={}).open(kept)
    with pytest.raises(CredentialError, match="printable"):
        Sealer(tmp_path, environ={"GPU_KEY": "sk 2\r\nX: y"}).open(kept)


@pytest.mark.parametrize("name", ["", "1A", "A-B", "A B", "Ä", "A" * 201])
def test_what_is_no_name_of_a_variable_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no name"):
        reference(name)


def test_a_damaged_or_lost_key_is_said(tmp_path: Path) -> None:
    sealer = Sealer(tmp_path, environ={})
    kept = sealer.seal("sk-3")
    for damaged in ("sealed:1:", "sealed:1:A", "sealed:1:AAAA", "sealed:1:?", kept[:20]):
        with pytest.raises(CredentialError, match=r"damaged|another key"):
            sealer.open(damaged)
    for key in ("c2hvcnQ=", "abc", ""):
        (tmp_path / KEY_FILE).write_text(key)
        with pytest.raises(CredentialError, match=r"key file .* is damaged"):
            sealer.open(kept)
    (tmp_path / KEY_FILE).unlink()
    with pytest.raises(CredentialError, match="cannot be used"):
        sealer.open(kept)
    with pytest.raises(CredentialError, match="another version"):
        sealer.open("sealed:9:AAAA")


@pytest.mark.parametrize("credential", ["", "a b", "ä", "x" * 513, "a\n"])
def test_what_cannot_be_sent_is_refused_without_being_repeated(credential: str) -> None:
    if not credential:
        assert check_credential(credential) == ""
        return
    with pytest.raises(ValueError, match="printable") as error:
        check_credential(credential)
    assert credential not in str(error.value)


def test_keys_for_other_purposes_go_with_the_sealing_key(tmp_path: Path) -> None:
    one = Sealer(tmp_path).derived(b"one")
    assert len(one) == 32
    assert Sealer(tmp_path).derived(b"one") == one != Sealer(tmp_path).derived(b"other")
    assert (
        Sealer(tmp_path, "a secret").derived(b"one")
        == Sealer(tmp_path / "elsewhere", "a secret").derived(b"one")
        != one
    )
