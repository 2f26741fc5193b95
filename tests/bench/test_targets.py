"""How targets are started."""

from pathlib import Path

from bench.targets import TARGETS, Place

from bench import targets


def place(folder: Path) -> Place:
    return Place(port=1, spare_port=2, upstreams=(3, 4), folder=folder)


def test_nginx_gets_a_configuration_with_its_ports(tmp_path: Path) -> None:
    nginx = TARGETS["nginx"].command
    assert nginx is not None
    nginx(place(tmp_path))
    conf = (tmp_path / "nginx.conf").read_text()
    assert "listen 127.0.0.1:1 " in conf
    assert "server 127.0.0.1:3; server 127.0.0.1:4;" in conf
    assert "$" not in conf


def test_remuda_runs_with_key_and_both_upstreams(tmp_path: Path) -> None:
    remuda = TARGETS["remuda"]
    assert remuda.command is not None
    command = [str(part) for part in remuda.command(place(tmp_path))]
    assert command[1:] == [
        *("serve", "--host", "127.0.0.1", "--port", "1", "--data", str(tmp_path / "data")),
        *("--upstream", "http://127.0.0.1:3/v1", "--upstream", "http://127.0.0.1:4/v1"),
    ]
    assert remuda.env == {"API_KEYS": "sk-test-key-1", "PYTHONPATH": str(targets.COMPILED)}
    assert remuda.headers == ("Authorization: Bearer sk-test-key-1",)


def test_a_peer_that_is_not_installed_says_how_to_get_it(tmp_path: Path) -> None:
    for name in ("vllm-router", "sglang-router"):
        assert TARGETS[name].missing() in {None, f"{name} is not installed (make bench-peers)"}
        command = TARGETS[name].command
        assert command is not None
        assert "http://127.0.0.1:4" in command(place(tmp_path))


def test_a_told_command_stands_in_for_remuda(tmp_path: Path) -> None:
    target = targets.told("run {port} {upstream1} {upstream2} {folder}")
    assert target.command is not None
    assert target.name == "remuda"
    assert target.command(place(tmp_path)) == ["run", "1", "3", "4", str(tmp_path)]
