"""Settings from the environment."""

from pathlib import Path

import pytest

from remuda.app.settings import Settings, SettingsError, leaves, load


def loaded(folder: Path, **environ: str) -> Settings:
    return load(folder=folder, environ=environ)


def said(folder: Path, **environ: str) -> str:
    with pytest.raises(SettingsError) as caught:
        load(folder=folder, environ=environ)
    return str(caught.value)


def test_text_becomes_what_the_setting_needs(tmp_path: Path) -> None:
    settings = loaded(
        tmp_path,
        REMUDA_SERVER__PORT="80",
        REMUDA_SERVER__KEEP_ALIVE_S="2.5",
        REMUDA_SERVER__MAX_BODY_BYTES="1MiB",
        REMUDA_SERVER__MAX_HEAD_BYTES="2048",
        REMUDA_LLAMACPP__PREFER_TCP="true",
        REMUDA_LLAMACPP__N_THREADS="2",
        REMUDA_MODELS__ALIASES='{"fast": "llama"}',
        REMUDA_SERVER__LISTENERS='["127.0.0.1:8080"]',
    )
    assert settings.server.port == 80
    assert settings.server.keep_alive_s == 2.5
    assert settings.server.max_body_bytes == 1024 * 1024
    assert settings.server.max_head_bytes == 2048
    assert settings.llamacpp.prefer_tcp
    assert settings.llamacpp.n_threads == 2
    assert settings.models.aliases == {"fast": "llama"}
    assert settings.server.listeners == ("127.0.0.1:8080",)


def test_an_empty_variable_is_not_set(tmp_path: Path) -> None:
    assert (
        loaded(tmp_path, REMUDA_SERVER__PORT="", REMUDA_MODELS__PATHS="", API_KEYS="", DATABASE_URL="", REDIS_URL="")
        == Settings()
    )


def test_the_names_of_the_field_are_honoured_and_ours_come_first(tmp_path: Path) -> None:
    settings = loaded(tmp_path, API_KEYS="one, two,,one", DATABASE_URL="postgresql://h/d", REDIS_URL="redis://h")
    assert [key.get_secret_value() for key in settings.auth.api_keys] == ["one", "two"]
    assert settings.store_url == "postgresql://h/d"
    assert settings.redis_url is not None
    assert settings.redis_url.get_secret_value() == "redis://h"
    assert str(settings.origin("auth.api_keys")) == "API_KEYS"
    settings = loaded(
        tmp_path, API_KEYS="one", REMUDA_AUTH__API_KEYS='["three"]', DATABASE_URL="x", REMUDA_DATABASE_URL="sqlite:///y"
    )
    assert [key.get_secret_value() for key in settings.auth.api_keys] == ["three"]
    assert settings.store_url == "sqlite:///y"


def test_a_model_of_transformers_by_the_names_of_the_field(tmp_path: Path) -> None:
    assert loaded(tmp_path, MODEL_BACKEND="transformers", MODEL_NAME="gpt2").transformers.models == ("gpt2",)
    (tmp_path / "mine").mkdir()
    settings = loaded(tmp_path, MODEL_BACKEND="Transformers", MODEL_NAME=" mine ")
    assert settings.transformers.models == (str(tmp_path / "mine"),)
    assert str(settings.origin("transformers.models")) == "MODEL_NAME"
    assert not settings.offers_tiny_models
    assert settings.tasks.model == "mine"
    for backend in ("ollama", ""):
        assert loaded(tmp_path, MODEL_BACKEND=backend, MODEL_NAME="gpt2").transformers.models == ()
    assert loaded(tmp_path, MODEL_BACKEND="transformers", MODEL_NAME="") == Settings()
    ours = loaded(tmp_path, MODEL_BACKEND="transformers", MODEL_NAME="a", REMUDA_TRANSFORMERS__MODELS='["b"]')
    assert ours.transformers.models == ("b",)


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("REMUDA_SERVER__PORT", "many", "REMUDA_SERVER__PORT: server.port: needs a whole number, not the text 'many'"),
        ("REMUDA_LLAMACPP__PREFER_TCP", "on", "REMUDA_LLAMACPP__PREFER_TCP: llamacpp.prefer_tcp: needs true or false, "
         "not the text 'on'"),
        ("REMUDA_SERVER__PRT", "1", "REMUDA_SERVER__PRT: no such setting (did you mean REMUDA_SERVER__PORT?)"),
        ("REMUDA_SERVER_PORT", "1", "REMUDA_SERVER_PORT: no such setting (did you mean REMUDA_SERVER__PORT?)"),
        ("REMUDA_DATADIR", "/x", "REMUDA_DATADIR: no such setting (did you mean REMUDA_DATA_DIR?)"),
        ("REMUDA_MODELS__PATHS", "/x", 'REMUDA_MODELS__PATHS: needs JSON, such as ["one", "two"]'),
        ("REMUDA_MODELS__ALIASES", "{", 'REMUDA_MODELS__ALIASES: needs JSON, such as {"alias": "model"}'),
        ("REMUDA_MODELS__ALIASES", "[" * 100_000, 'REMUDA_MODELS__ALIASES: needs JSON, such as {"alias": "model"}'),
        ("REMUDA_MODELS__ALIASES", "[]", "REMUDA_MODELS__ALIASES: models.aliases: needs a section: settings as "
         "`name: value` lines below it"),
        ("REMUDA_MODELS__PATHS", "{}", "REMUDA_MODELS__PATHS: models.paths: needs a list"),
        ("API_KEYS", "a b", "API_KEYS: auth.api_keys.0: a key is 1 to 512 printable ASCII characters without spaces"),
    ],
)  # fmt: skip
def test_a_mistake_names_the_variable(tmp_path: Path, variable: str, value: str, message: str) -> None:
    assert said(tmp_path, **{variable: value}) == message


def test_variables_of_container_platforms_are_not_ours(tmp_path: Path) -> None:
    environ = {
        "REMUDA_PORT": "tcp://10.0.0.1:7368",
        "REMUDA_SERVER_PORT": "tcp://10.0.0.1:7368",
        "REMUDA_SERVICE_HOST": "10.0.0.1",
        "REMUDA_PORT_7368_TCP_ADDR": "10.0.0.1",
    }
    assert loaded(tmp_path, **environ) == Settings()


def test_every_setting_has_one_variable() -> None:
    variables = [leaf.variable for leaf in leaves()]
    assert len(set(variables)) == len(variables)
    assert {"REMUDA_DATA_DIR", "REMUDA_SERVER__PORT", "REMUDA_UPSTREAMS"} <= set(variables)
