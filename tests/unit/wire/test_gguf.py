"""GGUF headers: true ones as the `gguf` package reads them, damaged ones refused at once."""

import contextlib
import io
import struct
from pathlib import Path
from typing import Any

import gguf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remuda.engines.tiny import CHAT, EMBED
from remuda.wire.gguf import BLOCKS, FILE_TYPES, POOLING_TYPES, Array, GgufError, ValueType, read_gguf
from tests.random_model import write_random_model


def text(value: bytes) -> bytes:
    return struct.pack("<Q", len(value)) + value


def pair(key: str, type_: int, value: bytes) -> bytes:
    return text(key.encode()) + struct.pack("<I", type_) + value


def header(*pairs: bytes, version: int = 3, tensors: bytes = b"", tensor_count: int = 0) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", version, tensor_count, len(pairs)) + b"".join(pairs) + tensors


@pytest.mark.parametrize("path", [CHAT, EMBED], ids=["chat", "embed"])
def test_shipped_models_are_read_as_the_oracle_reads_them(path: Path) -> None:
    oracle = gguf.GGUFReader(path)
    with path.open("rb") as file:
        found = read_gguf(file.read)
    for key, field in oracle.fields.items():
        if key.startswith("GGUF."):
            continue
        value = found.metadata[key]
        if isinstance(value, Array):
            assert (value.item, value.count) == (field.types[-1], len(field.data))
        else:
            assert value == field.contents()
    assert len(found.metadata) == len(oracle.fields) - 3
    assert found.tensor_count == len(oracle.tensors)
    assert found.parameters == sum(int(tensor.n_elements) for tensor in oracle.tensors)
    assert (found.architecture, found.name, found.quantization) == ("llama", path.stem, "Q8_0")
    assert found.has_chat_template is True
    assert found.is_whole
    assert found.extent == max(int(tensor.data_offset + tensor.n_bytes) for tensor in oracle.tensors)
    assert found.extent <= path.stat().st_size


def test_the_fast_read_stops_at_the_vocabulary_and_reads_one_block() -> None:
    asked = []

    def read(count: int) -> bytes:
        asked.append(count)
        return file.read(count)

    with EMBED.open("rb") as file:
        found = read_gguf(read, until_vocabulary=True)
        whole = read_gguf(EMBED.read_bytes())
    assert len(asked) == 1
    assert (found.is_whole, found.has_chat_template, found.parameters) == (False, None, None)
    assert found.pooling == whole.pooling == "MEAN"
    assert found.context_length == whole.context_length
    assert found.embedding_length == whole.embedding_length
    assert found.block_count == whole.block_count
    assert found.metadata.items() <= whole.metadata.items()


def test_the_sizes_of_tensors_are_those_of_ggml() -> None:
    assert {int(type_): size for type_, size in gguf.GGML_QUANT_SIZES.items()} == BLOCKS


def tensor(dimensions: int, weights: int, type_: int, offset: int) -> bytes:
    return text(b"t") + struct.pack(f"<I{dimensions}QIQ", dimensions, *[weights] * dimensions, type_, offset)


def test_a_file_reaches_as_far_as_its_farthest_tensor() -> None:
    table = tensor(1, 256, 12, 64) + tensor(2, 2, 0, 0) + tensor(1, 9, 99, 4096)
    plain = header(tensors=table, tensor_count=3)
    assert read_gguf(plain).extent == len(plain) + -len(plain) % 32 + 4096
    assert read_gguf(io.BytesIO(plain).read).extent == read_gguf(plain).extent
    for alignment, real in ((128, 128), (0, 32)):
        aligned = header(
            pair("general.alignment", 4, struct.pack("<I", alignment)), tensors=tensor(1, 256, 12, 64), tensor_count=1
        )
        assert read_gguf(aligned).extent == len(aligned) + -len(aligned) % real + 64 + 144
    assert read_gguf(header()).extent == len(header())
    assert read_gguf(plain, until_vocabulary=True).extent is None


def test_file_types_and_pooling_are_those_of_llama_cpp() -> None:
    known = {int(type_): type_.name.removeprefix("ALL_").removeprefix("MOSTLY_") for type_ in gguf.LlamaFileType}
    del known[int(gguf.LlamaFileType.GUESSED)]
    assert known.items() <= FILE_TYPES.items()
    assert {int(type_): type_.name for type_ in gguf.PoolingType} == dict(POOLING_TYPES)
    assert {type_.value: type_.name for type_ in gguf.GGUFValueType} == {type_.value: type_.name for type_ in ValueType}


@pytest.mark.parametrize("version", [2, 3])
def test_all_value_types(tmp_path: Path, version: int) -> None:
    values: dict[ValueType, tuple[str, Any]] = {
        ValueType.UINT8: ("<B", 200),
        ValueType.INT8: ("<b", -100),
        ValueType.UINT16: ("<H", 60_000),
        ValueType.INT16: ("<h", -30_000),
        ValueType.UINT32: ("<I", 4_000_000_000),
        ValueType.INT32: ("<i", -2_000_000_000),
        ValueType.FLOAT32: ("<f", 0.5),
        ValueType.BOOL: ("<?", True),
        ValueType.UINT64: ("<Q", 2**63),
        ValueType.INT64: ("<q", -(2**62)),
        ValueType.FLOAT64: ("<d", 1e300),
    }
    pairs = [pair(type_.name, type_, struct.pack(layout, value)) for type_, (layout, value) in values.items()]
    pairs += [
        pair(f"{type_.name} array", 9, struct.pack("<IQ", type_, 3) + struct.pack(layout, value) * 3)
        for type_, (layout, value) in values.items()
    ]
    pairs.append(pair("text", 8, text("Grüße".encode())))
    pairs.append(pair("damaged text", 8, text(b"a\xffb")))
    pairs.append(pair("texts", 9, struct.pack("<IQ", 8, 2) + text(b"a" * 70_000) + text(b"")))
    pairs.append(pair("arrays", 9, struct.pack("<IQ", 9, 2) + struct.pack("<IQB", 0, 1, 7) * 2))
    found = read_gguf(header(*pairs, version=version)).metadata
    for type_, (_, value) in values.items():
        assert found[type_.name] == value
        assert type(found[type_.name]) is type(value)
        assert found[f"{type_.name} array"] == Array(type_, 3)
    assert found["text"] == "Grüße"
    assert found["damaged text"] == "a\ufffdb"
    assert found["texts"] == Array(ValueType.STRING, 2)
    assert found["arrays"] == Array(ValueType.ARRAY, 2)


def test_what_a_file_does_not_say_is_not_invented() -> None:
    found = read_gguf(header(pair("general.file_type", 4, struct.pack("<I", 999)), pair("split.count", 8, text(b"x"))))
    assert found.file_type == 999
    for value in (
        found.architecture,
        found.name,
        found.size_label,
        found.context_length,
        found.embedding_length,
        found.block_count,
        found.pooling,
        found.quantization,
        found.split_count,
    ):
        assert value is None
    assert found.has_chat_template is False


def test_a_guessed_file_type_is_named_like_a_known_one() -> None:
    assert read_gguf(header(pair("general.file_type", 4, struct.pack("<I", 1024 + 15)))).quantization == "Q4_K_M"


HUGE = struct.pack("<Q", 2**60)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "cut off"),
        (b"GG", "cut off"),
        (b"PK\x03\x04 a zip file", "not a GGUF"),
        (b"GGUF" + struct.pack("<I", 1), "version 1"),
        (b"GGUF" + struct.pack(">I", 3), "byte order"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 2**60), "keys"),
        (b"GGUF" + struct.pack("<IQQ", 3, 2**60, 0), "tensors"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + HUGE, "a text of"),
        (header(pair("k", 8, HUGE)), "a text of"),
        (header(pair("k", 8, struct.pack("<Q", 1000) + b"short")), "cut off"),
        (header(pair("k", 13, b"")), "no value type 13"),
        (header(pair("k", 9, struct.pack("<I", 8) + HUGE)), "too many items"),
        (header(pair("k", 9, struct.pack("<I", 0) + HUGE)), "too many bytes"),
        (header(pair("k", 9, struct.pack("<I", 9) + HUGE)), "too many items"),
        (header(pair("k", 9, struct.pack("<IQ", 8, 1_000_000))), "cut off"),
        (header(pair("k", 9, struct.pack("<IQ", 4, 10_000_000))), "cut off"),
        (header(pair("k", 9, struct.pack("<IQ", 9, 1) * 10)), "too deeply"),
        (header(pair("k", 0, b"\0"), pair("k", 0, b"\0")), "twice"),
        (header(tensor_count=1, tensors=text(b"t") + struct.pack("<I", 99)), "99 dimensions"),
        (header(tensor_count=1000, tensors=b""), "cut off"),
    ],
)
def test_what_lies_is_refused(content: bytes, says: str) -> None:
    with pytest.raises(GgufError, match=says) as caught:
        read_gguf(content)
    assert "\n" not in str(caught.value)
    with pytest.raises(GgufError, match=says):
        read_gguf(io.BytesIO(content).read)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = write_random_model(tmp_path_factory.mktemp("gguf") / "m.gguf", width=32, layers=1, feed_forward=32)
    content = path.read_bytes()
    end = content.index(b"output_norm.weight")
    return content[: content.index(b"blk.0", end)]


def test_every_cut_is_refused(whole: bytes) -> None:
    for end in range(len(whole)):
        with pytest.raises(GgufError):
            read_gguf(whole[:end])


@given(st.binary(max_size=300))
def test_nothing_but_a_gguf_error_comes_of_any_bytes(content: bytes) -> None:
    for candidate in (content, b"GGUF\x03\0\0\0" + content, header(content)):
        with contextlib.suppress(GgufError):
            read_gguf(candidate)


@settings(max_examples=300)
@given(data=st.data())
def test_nothing_but_a_gguf_error_comes_of_a_flipped_header(whole: bytes, data: st.DataObject) -> None:
    content = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(GgufError):
        read_gguf(bytes(content))


@given(sizes=st.lists(st.integers(1, 5000), min_size=1, max_size=20))
def test_any_split_of_the_bytes_gives_the_same_header(sizes: list[int]) -> None:
    content = CHAT.read_bytes()
    at = turn = 0

    def read(count: int) -> bytes:
        nonlocal at, turn
        size = min(count, sizes[turn % len(sizes)])
        turn += 1
        at += size
        return content[at - size : at]

    assert read_gguf(read, until_vocabulary=True) == read_gguf(content, until_vocabulary=True)
