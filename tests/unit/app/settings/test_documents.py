"""The environment of document S2."""

from pathlib import Path

import pytest

from remuda.app.settings import Settings, SettingsError, load
from remuda.app.settings.documents import ollama_url


def loaded(folder: Path, **environ: str) -> Settings:
    return load(folder=folder, environ=environ)


def test_the_documents_own_environment(tmp_path: Path) -> None:
    settings = loaded(
        tmp_path,
        API_KEYS="test-key-123,demo-key-456",
        MODEL_BACKEND="ollama",
        OLLAMA_MODEL="llama2",
        MAX_NEW_TOKENS="256",
        TEMPERATURE="0.5",
        TASK_TIME_LIMIT="60",
    )
    tasks = settings.tasks
    assert (tasks.model, tasks.max_tokens, tasks.temperature, tasks.time_limit_s) == ("llama2", 256, 0.5, 60.0)
    [upstream] = settings.upstreams
    assert upstream.url == "http://127.0.0.1:11434"
    assert str(settings.origin("upstreams.0.url")) == "MODEL_BACKEND"
    assert [
        str(settings.origin(f"tasks.{name}")) for name in ("model", "max_tokens", "temperature", "time_limit_s")
    ] == [
        "OLLAMA_MODEL",
        "MAX_NEW_TOKENS",
        "TEMPERATURE",
        "TASK_TIME_LIMIT",
    ]


def test_ours_come_first(tmp_path: Path) -> None:
    settings = loaded(tmp_path, MAX_NEW_TOKENS="256", REMUDA_TASKS__MAX_TOKENS="7")
    assert settings.tasks.max_tokens == 7


def test_they_come_before_the_file(tmp_path: Path) -> None:
    (tmp_path / "remuda.yaml").write_text("tasks:\n  max_tokens: 9\n  temperature: 1\n")
    settings = loaded(tmp_path, MAX_NEW_TOKENS="256")
    assert (settings.tasks.max_tokens, settings.tasks.temperature) == (256, 1.0)


def test_without_the_engine_its_variables_say_nothing(tmp_path: Path) -> None:
    settings = loaded(tmp_path, OLLAMA_MODEL="llama2", OLLAMA_HOST="10.0.0.1", MODEL_NAME="gpt2", MODEL_BACKEND="")
    assert settings == Settings()


def test_a_configured_upstream_stays_the_only_one(tmp_path: Path) -> None:
    (tmp_path / "remuda.yaml").write_text("upstreams:\n  - url: http://10.0.0.9:8000\n")
    settings = loaded(tmp_path, MODEL_BACKEND="ollama", OLLAMA_HOST="10.0.0.1")
    assert [upstream.url for upstream in settings.upstreams] == ["http://10.0.0.9:8000"]


def test_where_ollama_is(tmp_path: Path) -> None:
    settings = loaded(tmp_path, MODEL_BACKEND="Ollama", OLLAMA_HOST="10.0.0.1", OLLAMA_BASE_URL="http://10.0.0.2:80")
    assert settings.upstreams[0].url == "http://10.0.0.2:80"
    assert str(settings.origin("upstreams.0.url")) == "OLLAMA_BASE_URL"
    settings = loaded(tmp_path, MODEL_BACKEND="ollama", OLLAMA_HOST="10.0.0.1")
    assert settings.upstreams[0].url == "http://10.0.0.1:11434"


def test_the_other_engine_names_its_model_too(tmp_path: Path) -> None:
    settings = loaded(tmp_path, MODEL_BACKEND="transformers", MODEL_NAME="gpt2", OLLAMA_MODEL="llama2")
    assert settings.tasks.model == "gpt2"
    assert settings.upstreams == ()


@pytest.mark.parametrize(
    ("place", "url"),
    [
        ("ollama", "http://ollama:11434"),
        ("10.0.0.1:80", "http://10.0.0.1:80"),
        (":8080", "http://127.0.0.1:8080"),
        ("0.0.0.0", "http://127.0.0.1:11434"),
        ("http://0.0.0.0:11434", "http://127.0.0.1:11434"),
        ("[::1]", "http://[::1]:11434"),
        ("[::]:80", "http://[::1]:80"),
        ("https://ollama.example", "https://ollama.example"),
    ],
)
def test_what_ollama_host_may_hold(place: str, url: str) -> None:
    assert ollama_url(place) == url


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"MAX_NEW_TOKENS": "many"}, "MAX_NEW_TOKENS: tasks.max_tokens: needs a whole number, not the text 'many'"),
        ({"MAX_NEW_TOKENS": "5000"}, "MAX_NEW_TOKENS: tasks.max_tokens: is too large: at most 2048"),
        ({"TEMPERATURE": "warm"}, "TEMPERATURE: tasks.temperature: needs a number, not the text 'warm'"),
        ({"TEMPERATURE": "3"}, "TEMPERATURE: tasks.temperature: is too large: at most 2"),
        ({"TASK_TIME_LIMIT": "0"}, "TASK_TIME_LIMIT: tasks.time_limit_s: is too small: more than 0"),
        ({"MODEL_BACKEND": "vllm"}, "MODEL_BACKEND: needs one of ollama, transformers, not 'vllm'"),
        (
            {"MODEL_BACKEND": "ollama", "OLLAMA_BASE_URL": "ftp://x"},
            "OLLAMA_BASE_URL: upstreams.0.url: 'ftp://x': an upstream's address starts with http://, https:// or "
            "unix:/",
        ),
    ],
)
def test_a_mistake_names_the_variable(tmp_path: Path, environ: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        loaded(tmp_path, **environ)
    assert str(caught.value) == message
