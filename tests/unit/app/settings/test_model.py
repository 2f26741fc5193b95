"""The settings and their rules."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from remuda.app.settings import Origin, ServerSettings, Settings
from remuda.app.settings.origins import Origins
from remuda.app.settings.section import Section
from remuda.core.hosts import Bind


def sections(model: type[BaseModel] = Section) -> list[type[BaseModel]]:
    return [found for child in model.__subclasses__() for found in (child, *sections(child))]


def test_every_setting_says_what_it_is_for() -> None:
    for section in sections():
        assert section.__doc__
        for name, field in section.model_fields.items():
            is_section = isinstance(field.annotation, type) and issubclass(field.annotation, Section)
            assert is_section or (field.description or "").endswith("."), f"{section.__name__}.{name}"


def test_settings_cannot_be_changed() -> None:
    settings = Settings()
    with pytest.raises(ValidationError):
        settings.server.port = 1


def test_the_places_listened_on() -> None:
    server = ServerSettings(port=1, listeners=("[::1]:2", "0.0.0.0:3"))
    assert server.binds == (Bind("127.0.0.1", 1), Bind("::1", 2), Bind("0.0.0.0", 3))
    assert not server.is_local
    assert ServerSettings(listeners=("localhost:3000",)).is_local


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"server": {"listeners": ["127.0.0.1:7368"]}}, "listened on already"),
        ({"server": {"listeners": ["127.0.0.1:1", "127.0.0.1:1"]}}, "listened on already"),
        ({"server": {"tls_key": "k"}}, "go together"),
        ({"server": {"tls_cert": "c"}}, "go together"),
        ({"upstreams": [{"url": "http://a:1"}, {"url": "http://a:1/"}]}, "two upstreams are called 'a:1'"),
        ({"models": {"aliases": {"a": "a"}}}, "itself an alias"),
        (
            {"models": {"aliases": {"a": "b"}}, "routing": {"policies": {"a": "weighted"}}},
            "'a' is an alias: name the model, 'b'",
        ),
    ],
)
def test_what_does_not_go_together(values: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Settings.model_validate(values)


def test_port_zero_may_be_listened_on_twice() -> None:
    assert len(ServerSettings(port=0, listeners=("127.0.0.1:0", "127.0.0.1:0")).binds) == 3


def test_the_store_is_a_file_in_the_data_folder() -> None:
    assert Settings(data_dir=Path("/data")).store_url == "sqlite:////data/remuda.db"


def test_the_tiny_models_are_offered_while_nothing_else_is() -> None:
    assert Settings().offers_tiny_models
    assert not Settings.model_validate({"upstreams": [{"url": "http://a"}]}).offers_tiny_models
    assert not Settings.model_validate({"models": {"paths": ["a.gguf"]}}).offers_tiny_models
    assert not Settings.model_validate({"models": {"tiny": False}}).offers_tiny_models


def test_where_a_value_came_from_is_no_part_of_it() -> None:
    settings = Settings().with_origins(Origins({("server", "port"): Origin("file", "remuda.yaml:1")}))
    assert settings == Settings()
    assert settings.origin("server.port").place == "remuda.yaml:1"
    assert Settings().origin("server.port").place == "default"
