"""GGUF headers, versions 2 and 3: what a model file says of itself, read without its weights and without trusting it.

The layout is that of ggml's `docs/gguf.md`: magic, version, counts, then keys with typed values, then the tensor table.
Files come from anywhere and every number in them may lie, so each count and length is bounded before anything is read
or repeated by it, and arrays (a vocabulary has hundreds of thousands of strings) are skipped and only counted.
"""

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum

MAGIC = b"GGUF"
MAX_KEYS = 8_192
"""Real files have below a hundred."""
MAX_KEY_BYTES = 65_535
"""The format's own bound."""
MAX_TEXT_BYTES = 16_777_216
"""The longest chat templates are some 100 kB."""
MAX_ITEMS = 4_194_304
"""Array items in the whole header that are looked at one by one; vocabulary and merges together come to a million."""
MAX_ARRAY_BYTES = 268_435_456
"""Of all arrays in the header together."""
MAX_DEPTH = 4
"""Of arrays in arrays."""
MAX_TENSORS = 1_048_576
MAX_DIMENSIONS = 8
"""ggml has four."""

_BLOCK_BYTES = 65_536
_VOCABULARY = "tokenizer.ggml.tokens"


class GgufError(ValueError):
    """The file is no GGUF that can be read. The message is one line."""


class ValueType(IntEnum):
    """Type of a metadata value."""

    UINT8 = 0
    INT8 = 1
    UINT16 = 2
    INT16 = 3
    UINT32 = 4
    INT32 = 5
    FLOAT32 = 6
    BOOL = 7
    STRING = 8
    ARRAY = 9
    UINT64 = 10
    INT64 = 11
    FLOAT64 = 12


@dataclass(frozen=True, slots=True)
class Array:
    """What is kept of an array."""

    item: ValueType
    count: int


Value = int | float | bool | str | Array

_U32 = struct.Struct("<I")
_U64 = struct.Struct("<Q")
_PLACE = struct.Struct("<IQ")
"""Type and offset of a tensor."""
_ALIGNMENT = 32
"""Of the tensors' data, where the file names none."""
_NUMBERS = {
    ValueType.UINT8: struct.Struct("<B"),
    ValueType.INT8: struct.Struct("<b"),
    ValueType.UINT16: struct.Struct("<H"),
    ValueType.INT16: struct.Struct("<h"),
    ValueType.UINT32: _U32,
    ValueType.INT32: struct.Struct("<i"),
    ValueType.FLOAT32: struct.Struct("<f"),
    ValueType.BOOL: struct.Struct("<B"),
    ValueType.UINT64: _U64,
    ValueType.INT64: struct.Struct("<q"),
    ValueType.FLOAT64: struct.Struct("<d"),
}

FILE_TYPES: Mapping[int, str] = {
    0: "F32",
    1: "F16",
    2: "Q4_0",
    3: "Q4_1",
    4: "Q4_1_SOME_F16",
    5: "Q4_2",
    6: "Q4_3",
    7: "Q8_0",
    8: "Q5_0",
    9: "Q5_1",
    10: "Q2_K",
    11: "Q3_K_S",
    12: "Q3_K_M",
    13: "Q3_K_L",
    14: "Q4_K_S",
    15: "Q4_K_M",
    16: "Q5_K_S",
    17: "Q5_K_M",
    18: "Q6_K",
    19: "IQ2_XXS",
    20: "IQ2_XS",
    21: "Q2_K_S",
    22: "IQ3_XS",
    23: "IQ3_XXS",
    24: "IQ1_S",
    25: "IQ4_NL",
    26: "IQ3_S",
    27: "IQ3_M",
    28: "IQ2_S",
    29: "IQ2_M",
    30: "IQ4_XS",
    31: "IQ1_M",
    32: "BF16",
    33: "Q4_0_4_4",
    34: "Q4_0_4_8",
    35: "Q4_0_8_8",
    36: "TQ1_0",
    37: "TQ2_0",
    38: "MXFP4_MOE",
    39: "NVFP4",
    40: "Q1_0",
}
"""`llama_ftype`, not the ggml tensor types that other readers mix in; 4 to 6 and 33 to 35 are no longer made."""

BLOCKS: Mapping[int, tuple[int, int]] = {
    0: (1, 4),
    1: (1, 2),
    2: (32, 18),
    3: (32, 20),
    6: (32, 22),
    7: (32, 24),
    8: (32, 34),
    9: (32, 40),
    10: (256, 84),
    11: (256, 110),
    12: (256, 144),
    13: (256, 176),
    14: (256, 210),
    15: (256, 292),
    16: (256, 66),
    17: (256, 74),
    18: (256, 98),
    19: (256, 50),
    20: (32, 18),
    21: (256, 110),
    22: (256, 82),
    23: (256, 136),
    24: (1, 1),
    25: (1, 2),
    26: (1, 4),
    27: (1, 8),
    28: (1, 8),
    29: (256, 56),
    30: (1, 2),
    34: (256, 54),
    35: (256, 66),
    39: (32, 17),
    40: (64, 36),
    41: (128, 18),
}
"""Of each ggml tensor type: weights in a block, and bytes that a block takes."""

POOLING_TYPES: Mapping[int, str] = {0: "NONE", 1: "MEAN", 2: "CLS", 3: "LAST", 4: "RANK"}


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """What a GGUF file says of itself. What it does not say is None, never guessed."""

    version: int
    tensor_count: int
    metadata: Mapping[str, Value]
    """All keys that were read; arrays by count only."""
    is_whole: bool
    """False where reading stopped at the vocabulary: keys behind it are not known then."""
    parameters: int | None
    """Weights in the whole tensor table; None where that was not read."""
    extent: int | None = None
    """Bytes that the file needs to have for what its tensor table promises; None where that was not read."""

    @property
    def architecture(self) -> str | None:
        """The model's family, e.g. `llama`."""
        return self._text("general.architecture")

    @property
    def name(self) -> str | None:
        """The name its makers gave it."""
        return self._text("general.name")

    @property
    def size_label(self) -> str | None:
        """The makers' word for its size, e.g. `8x7B`."""
        return self._text("general.size_label")

    @property
    def context_length(self) -> int | None:
        """Tokens it was trained for."""
        return self._of_architecture("context_length")

    @property
    def embedding_length(self) -> int | None:
        """Width of the model, and of its embeddings."""
        return self._of_architecture("embedding_length")

    @property
    def block_count(self) -> int | None:
        """Its layers."""
        return self._of_architecture("block_count")

    @property
    def pooling(self) -> str | None:
        """How token vectors become one embedding, a word of POOLING_TYPES; None where the file says nothing of it."""
        number = self._of_architecture("pooling_type")
        return POOLING_TYPES.get(number) if number is not None else None

    @property
    def file_type(self) -> int | None:
        """Number of the file type, a key of FILE_TYPES where it is a known one."""
        return self._count("general.file_type")

    @property
    def quantization(self) -> str | None:
        """The field's word for how most weights are stored, e.g. `Q4_K_M`."""
        number = self.file_type
        # 1024 is added where the type was guessed from the tensors.
        return FILE_TYPES.get(number & ~1024) if number is not None else None

    @property
    def split_count(self) -> int | None:
        """Files the model is spread over; None where it is one."""
        return self._count("split.count")

    @property
    def has_chat_template(self) -> bool | None:
        """Whether it knows conversations; None where that was not read."""
        if "tokenizer.chat_template" in self.metadata:
            return True
        return False if self.is_whole else None

    def _text(self, key: str) -> str | None:
        value = self.metadata.get(key)
        return value if isinstance(value, str) else None

    def _count(self, key: str) -> int | None:
        value = self.metadata.get(key)
        return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None

    def _of_architecture(self, key: str) -> int | None:
        return self._count(f"{self.architecture}.{key}")


def read_gguf(source: bytes | Callable[[int], bytes], *, until_vocabulary: bool = False) -> GgufHeader:
    """The header in `source`: the file's first bytes, or a function that returns the next n of them (fewer at the end).

    With `until_vocabulary` only the keys before the vocabulary are read, usually within the first 64 KiB: enough for
    everything but the chat template, and a hundred times faster on large vocabularies. Raises GgufError.
    """
    source_ = _Source(source)
    magic = source_.take(4, "magic number")
    if magic != MAGIC:
        raise GgufError("this is not a GGUF file")
    version = source_.number(_U32)
    if version not in (2, 3):
        if version & 0xFFFF == 0 and version:
            raise GgufError("this GGUF file is for machines of the other byte order")
        raise GgufError(f"GGUF version {version} is not supported, only 2 and 3")
    tensor_count = source_.number(_U64)
    key_count = source_.number(_U64)
    if tensor_count > MAX_TENSORS or key_count > MAX_KEYS:
        raise GgufError(f"the GGUF header is damaged: {key_count} keys and {tensor_count} tensors")
    metadata: dict[str, Value] = {}
    for _ in range(key_count):
        key = source_.text(MAX_KEY_BYTES)
        if until_vocabulary and key == _VOCABULARY:
            return GgufHeader(version, tensor_count, metadata, is_whole=False, parameters=None)
        if key in metadata:
            raise GgufError(f"the GGUF header is damaged: {_shown(key)} stands in it twice")
        metadata[key] = _value(source_, _type(source_))
    if until_vocabulary:
        return GgufHeader(version, tensor_count, metadata, is_whole=True, parameters=None)
    parameters, data_bytes = _table(source_, tensor_count)
    start = source_.position
    if tensor_count:
        start += -start % _alignment(metadata)
    return GgufHeader(version, tensor_count, metadata, is_whole=True, parameters=parameters, extent=start + data_bytes)


class _Source:
    """The bytes, read in blocks, with every length checked."""

    def __init__(self, source: bytes | Callable[[int], bytes]) -> None:
        self._read = source if callable(source) else None
        self._buffer = b"" if callable(source) else source
        self._at = 0
        self._behind = 0
        """Bytes of the file before those in the buffer."""
        self._items_left = MAX_ITEMS
        self._array_bytes_left = MAX_ARRAY_BYTES

    @property
    def position(self) -> int:
        """Bytes of the file that have been read or skipped."""
        return self._behind + self._at

    def take(self, count: int, what: str = "value") -> bytes:
        """The next `count` bytes."""
        end = self._at + count
        if end > len(self._buffer):
            self._fill(count, what)
            end = count
        taken = self._buffer[self._at : end]
        self._at = end
        return taken

    def number(self, layout: struct.Struct) -> int:
        """The next whole number."""
        found: int = layout.unpack(self.take(layout.size))[0]
        return found

    def text(self, limit: int) -> str:
        """The next string: its length in eight bytes, then UTF-8 that may be damaged."""
        length = self.number(_U64)
        if length > limit:
            raise GgufError(f"the GGUF header is damaged: a text of {length} bytes")
        return self.take(length, "text").decode(errors="replace")

    def skip(self, count: int) -> None:
        """Pass over `count` bytes of an array, without holding them."""
        self._array_bytes_left -= count
        if self._array_bytes_left < 0:
            raise GgufError("the GGUF header is damaged: arrays with too many bytes")
        while count > (present := len(self._buffer) - self._at):
            count -= present
            self._at = len(self._buffer)
            self._fill(1, "array")
        self._at += count

    def skip_texts(self, count: int) -> None:
        """Pass over `count` strings."""
        self.spend(count)
        unpack_from = _U64.unpack_from
        for _ in range(count):
            # The common case, all in the buffer, without a call of ours for each of a vocabulary's words.
            at = self._at + 8
            if at > len(self._buffer):
                self._fill(8, "array")
                at = 8
            (length,) = unpack_from(self._buffer, at - 8)
            if length > MAX_TEXT_BYTES:
                raise GgufError(f"the GGUF header is damaged: a text of {length} bytes")
            self._at = at
            if at + length <= len(self._buffer):
                self._at += length
            else:
                self.skip(length)

    def spend(self, items: int) -> None:
        """Count array items against the bound of the whole header."""
        self._items_left -= items
        if self._items_left < 0:
            raise GgufError("the GGUF header is damaged: arrays with too many items")

    def _fill(self, count: int, what: str) -> None:
        """Have at least `count` bytes at hand, at the start of the buffer."""
        have = self._buffer[self._at :]
        blocks = [have]
        missing = count - len(have)
        while missing > 0 and self._read is not None:
            block = self._read(max(_BLOCK_BYTES, missing))
            if not block:
                break
            blocks.append(block)
            missing -= len(block)
        if missing > 0:
            raise GgufError(f"the GGUF header is cut off in the middle of a {what}")
        self._behind += self._at
        self._buffer = b"".join(blocks)
        self._at = 0


def _type(source: _Source) -> ValueType:
    number = source.number(_U32)
    try:
        return ValueType(number)
    except ValueError:
        raise GgufError(f"the GGUF header is damaged: there is no value type {number}") from None


def _value(source: _Source, type_: ValueType, depth: int = 0) -> Value:
    if type_ is ValueType.STRING:
        return source.text(MAX_TEXT_BYTES)
    if type_ is ValueType.ARRAY:
        return _array(source, depth + 1)
    layout = _NUMBERS[type_]
    value: int | float = layout.unpack(source.take(layout.size))[0]
    return bool(value) if type_ is ValueType.BOOL else value


def _array(source: _Source, depth: int) -> Array:
    if depth > MAX_DEPTH:
        raise GgufError("the GGUF header is damaged: arrays nested too deeply")
    item = _type(source)
    count = source.number(_U64)
    if item is ValueType.STRING:
        source.skip_texts(count)
    elif item is ValueType.ARRAY:
        source.spend(count)
        for _ in range(count):
            _array(source, depth + 1)
    else:
        source.skip(count * _NUMBERS[item].size)
    return Array(item, count)


def _table(source: _Source, tensor_count: int) -> tuple[int, int]:
    """The weights of all tensors in the table, and how many bytes of data they reach over."""
    total = reach = 0
    for _ in range(tensor_count):
        source.text(MAX_KEY_BYTES)
        dimensions = source.number(_U32)
        if dimensions > MAX_DIMENSIONS:
            raise GgufError(f"the GGUF header is damaged: a tensor of {dimensions} dimensions")
        weights = 1
        for _ in range(dimensions):
            weights *= source.number(_U64)
        total += weights
        type_, offset = _PLACE.unpack(source.take(_PLACE.size, "tensor"))
        # Of a type that is newer than this list only its place counts.
        block, size = BLOCKS.get(type_, (1, 0))
        reach = max(reach, offset + weights // block * size)
    return total, reach


def _alignment(metadata: Mapping[str, Value]) -> int:
    named = metadata.get("general.alignment")
    return named if isinstance(named, int) and not isinstance(named, bool) and named > 0 else _ALIGNMENT


def _shown(key: str) -> str:
    return repr(key if len(key) <= 64 else key[:63] + "…")
