"""Defaults, file, environment and command line over each other."""

from pathlib import Path

import pytest

from remuda.app.exits import Exit
from remuda.app.settings import Override, Settings, SettingsError, load


def said(folder: Path, text: str = "", *overrides: Override, **environ: str) -> list[str]:
    """Everything that is wrong, line by line."""
    (folder / "remuda.yaml").write_text(text)
    with pytest.raises(SettingsError) as caught:
        load(folder=folder, environ=environ, overrides=list(overrides))
    assert caught.value.code is Exit.CONFIGURATION
    return str(caught.value).splitlines()


def loaded(folder: Path, text: str = "", *overrides: Override, **environ: str) -> Settings:
    (folder / "remuda.yaml").write_text(text)
    return load(folder=folder, environ=environ, overrides=list(overrides))


def test_with_nothing_given_all_is_default(tmp_path: Path) -> None:
    settings = load(folder=tmp_path, environ={})
    assert settings == Settings()
    assert settings.origin("server.port").kind == "default"


def test_each_layer_comes_before_the_one_below(tmp_path: Path) -> None:
    text = "server:\n  port: 1\n  host: 127.0.0.2\n  backlog: 5\n"
    option = Override(("server", "port"), "--port", 3)
    settings = loaded(tmp_path, text, option, REMUDA_SERVER__PORT="2", REMUDA_SERVER__HOST="127.0.0.3")
    assert (settings.server.port, settings.server.host, settings.server.backlog) == (3, "127.0.0.3", 5)
    assert str(settings.origin("server.port")) == "--port"
    assert str(settings.origin("server.host")) == "REMUDA_SERVER__HOST"
    assert str(settings.origin("server.backlog")) == "remuda.yaml:4"
    assert str(settings.origin("server.keep_alive_s")) == "default"


def test_a_list_replaces_the_list_below_it(tmp_path: Path) -> None:
    text = "upstreams:\n  - url: http://a\n    slots: 3\n  - url: http://b\n"
    settings = loaded(tmp_path, text)
    assert [str(settings.origin(f"upstreams.{name}")) for name in ("0.slots", "1.url", "1.slots")] == [
        "remuda.yaml:3",
        "remuda.yaml:4",
        "remuda.yaml:4",
    ]
    settings = loaded(tmp_path, text, REMUDA_UPSTREAMS='[{"url": "http://c"}]')
    assert [upstream.url for upstream in settings.upstreams] == ["http://c"]
    assert str(settings.origin("upstreams.0.slots")) == "REMUDA_UPSTREAMS"


def test_all_problems_are_told_at_once_with_their_places(tmp_path: Path) -> None:
    text = """\
server:
  prot: 1
  port: "7368"
  tls_cert: cert.pem
journal:
  content: some
models:
  aliases: {fast: llama, b: fast}
upstreams:
  - url: http://10.0.0.1/v1
    api_key: ${NO_KEY}
  - slots: 3
routing: 5
surver: {}
"""
    assert said(tmp_path, text, REMUDA_LOG__LEVEL="loud", REMUDA_LOG__LEVLE="x") == [
        "REMUDA_LOG__LEVEL: log.level: needs one of debug, info, warning, error",
        "REMUDA_LOG__LEVLE: no such setting (did you mean REMUDA_LOG__LEVEL?)",
        "remuda.yaml:1: server.tls_key: tls_cert and tls_key go together: give both or neither",
        "remuda.yaml:2: server.prot: unknown key (did you mean port?)",
        "remuda.yaml:3: server.port: needs a whole number, not the text '7368'",
        "remuda.yaml:6: journal.content: needs one of off, cut, full",
        "remuda.yaml:8: models.aliases: 'b' names 'fast', itself an alias: name the model",
        "remuda.yaml:11: upstreams.0.api_key: the variable NO_KEY is not set, and ${NO_KEY:-default} gives no default",
        "remuda.yaml:12: upstreams.1.url: is missing",
        "remuda.yaml:13: routing: needs a section: settings as `name: value` lines below it",
        "remuda.yaml:14: surver: unknown key (did you mean server?)",
    ]


def test_problems_of_policies_and_weights_are_told_with_their_places(tmp_path: Path) -> None:
    text = """\
models:
  aliases: {fast: llama}
upstreams:
  - url: http://10.0.0.1/v1
    weight: 0
  - url: http://10.0.0.2/v1
    weight: 1001
routing:
  policy: fastest
  policies:
    llama: weighted
    qwen: any
"""
    names = "least_active, round_robin, weighted, lowest_latency, prefix_affinity"
    assert said(tmp_path, text) == [
        "remuda.yaml:5: upstreams.0.weight: is too small: at least 1",
        "remuda.yaml:7: upstreams.1.weight: is too large: at most 1000",
        f"remuda.yaml:9: routing.policy: needs one of {names}",
        f"remuda.yaml:12: routing.policies.qwen: needs one of {names}",
    ]
    text = "models: {aliases: {fast: llama}}\nrouting: {policies: {fast: weighted}}\n"
    assert said(tmp_path, text) == ["remuda.yaml:2: routing: policies: 'fast' is an alias: name the model, 'llama'"]


def test_a_problem_of_an_option_names_it(tmp_path: Path) -> None:
    assert said(tmp_path, "", Override(("server", "port"), "--port", 70_000)) == [
        "--port: server.port: is too large: at most 65535"
    ]


def test_an_item_of_a_json_variable_is_named_by_the_variable(tmp_path: Path) -> None:
    assert said(tmp_path, "", REMUDA_UPSTREAMS='[{"url": "ftp://x", "slot": 2}]') == [
        "REMUDA_UPSTREAMS: upstreams.0.url: 'ftp://x': an upstream's address starts with http://, https:// or unix:/",
        "REMUDA_UPSTREAMS: upstreams.0.slot: unknown key (did you mean slots?)",
    ]


def test_a_section_that_is_no_section_is_told_once(tmp_path: Path) -> None:
    assert said(tmp_path, "server: 5\n", REMUDA_SERVER__PORT="1") == [
        "remuda.yaml:1: server: needs a section: settings as `name: value` lines below it"
    ]


def test_a_section_without_settings_sets_nothing(tmp_path: Path) -> None:
    assert loaded(tmp_path, "server:\n  # port: 1\nmodels: {}\n") == Settings()


def test_paths_are_relative_to_where_they_are_written(tmp_path: Path) -> None:
    folder = tmp_path / "etc"
    folder.mkdir()
    config = folder / "other.yaml"
    config.write_text("data_dir: data\nmodels:\n  paths: [a.gguf, /abs/b.gguf, ~/c.gguf]\n")
    environ = {"REMUDA_LLAMACPP__LLAMA_SERVER": "bin/llama-server"}
    settings = load(config, folder=tmp_path, environ=environ)
    assert settings.data_dir == folder / "data"
    assert settings.models.paths == (folder / "a.gguf", Path("/abs/b.gguf"), Path("~/c.gguf").expanduser())
    assert settings.llamacpp.llama_server == tmp_path / "bin/llama-server"
    option = Override(("models", "paths"), "--model", [Path("d.gguf")])
    assert load(config, [option], {}, tmp_path).models.paths == (tmp_path / "d.gguf",)


def test_the_file_is_looked_for_in_this_order(tmp_path: Path) -> None:
    def write(name: str, port: int) -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"server: {{port: {port}}}")
        return path

    data = {"REMUDA_DATA_DIR": str(tmp_path / "data")}
    assert load(folder=tmp_path, environ=data).server.port == 7368
    write("data/remuda.yaml", 1)
    assert load(folder=tmp_path, environ=data).server.port == 1
    option = Override(("data_dir",), "--data", tmp_path / "data")
    assert load(folder=tmp_path, environ={}, overrides=[option]).server.port == 1
    write("remuda.yaml", 2)
    assert load(folder=tmp_path, environ=data).server.port == 2
    write("named.yaml", 3)
    assert load(folder=tmp_path, environ=data | {"REMUDA_CONFIG": "named.yaml"}).server.port == 3
    given = write("given.yaml", 4)
    assert load(given, folder=tmp_path, environ=data | {"REMUDA_CONFIG": "named.yaml"}).server.port == 4


def test_a_file_that_was_named_must_exist(tmp_path: Path) -> None:
    for config, environ in ((Path("absent.yaml"), {}), (None, {"REMUDA_CONFIG": "absent.yaml"})):
        with pytest.raises(SettingsError, match=r"absent\.yaml: cannot be read: No such file"):
            load(config, folder=tmp_path, environ=environ)


def test_no_message_shows_a_secret(tmp_path: Path) -> None:
    secret = "s3cret with spaces"
    environ = {"REMUDA_AUTH__API_KEYS": f'["{secret}"]', "DATABASE_URL": f"mysql://u:{secret}@h/d"}
    text = f"upstreams:\n  - url: http://a\n    api_key: {secret}\n"
    assert "s3cret" not in "\n".join(said(tmp_path, text, **environ))
    settings = loaded(tmp_path, "", API_KEYS="s3cret-key", DATABASE_URL="postgresql://u:s3cret@h/d")
    assert "s3cret" not in repr(settings)
    assert settings.store_url == "postgresql://u:s3cret@h/d"
