"""A llama-architecture GGUF of random weights, for tests that need a real file of a chosen size without meaning."""

from pathlib import Path

import gguf
import numpy as np

_TEMPLATE = (
    "{%- for m in messages -%}{%- if m.role not in ['system','user','assistant','tool'] -%}"
    "{{ raise_exception('unknown role') }}{%- endif -%}<|{{ m.role }}|>{{ m.content }}{%- endfor -%}<|assistant|>"
)


def _byte_alphabet() -> list[str]:
    """The 256 printable stand-ins that byte-level BPE gives to the byte values."""
    plain = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    names = {byte: chr(byte) for byte in plain}
    for spare, byte in enumerate(byte for byte in range(256) if byte not in names):
        names[byte] = chr(256 + spare)
    return [names[byte] for byte in range(256)]


def write_random_model(
    path: Path,
    *,
    width: int = 64,
    layers: int = 2,
    feed_forward: int = 128,
    context: int = 512,
    name: str = "random",
    pooling: int | None = None,
    seed: int = 7,
    fim: bool = False,
    is_plain: bool = False,
) -> Path:
    """Write the model to `path` as F16 with a 263-token byte vocabulary. One token is about one character. `fim`: it
    has tokens for what stands before and behind a gap in a text, too. `is_plain`: greedily it says printable ASCII
    only, and never comes to an end; else single bytes, most of them of no character."""
    chance = np.random.default_rng(seed)
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_name(name)
    writer.add_file_type(1)
    writer.add_quantization_version(2)
    writer.add_context_length(context)
    writer.add_embedding_length(width)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(feed_forward)
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(width // 4)
    if pooling is not None:
        writer.add_uint32("llama.pooling_type", pooling)
    letters = _byte_alphabet()
    special = ["<|end|>", "<|pad|>", "<|system|>", "<|user|>", "<|assistant|>", "<|tool|>"]
    if fim:
        special += ["<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"]
    tokens = [*letters, *special, "he"]
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types([1] * 256 + [3] * len(special) + [1])
    writer.add_token_merges(["h e"])
    writer.add_bos_token_id(256)
    writer.add_eos_token_id(256)
    writer.add_pad_token_id(257)
    writer.add_add_bos_token(False)
    if fim:
        for number, part in enumerate(("pre", "suf", "mid"), 262):
            writer.add_uint32(f"tokenizer.ggml.fim_{part}_token_id", number)
    writer.add_chat_template(_TEMPLATE)

    def matrix(rows: int, columns: int) -> np.ndarray:
        values: np.ndarray = chance.standard_normal((rows, columns), dtype=np.float32) / np.sqrt(columns)
        return values.astype(np.float16)

    embedding = matrix(len(tokens), width)
    if is_plain:  # embeddings are tied: a row of zeros has a score of 0, and the highest is above that
        embedding[[not (token.isascii() and token.isprintable() and len(token) < 3) for token in tokens]] = 0
    writer.add_tensor("token_embd.weight", embedding)
    writer.add_tensor("output_norm.weight", np.ones(width, np.float32))
    for layer in range(layers):
        block = f"blk.{layer}."
        writer.add_tensor(block + "attn_norm.weight", np.ones(width, np.float32))
        writer.add_tensor(block + "ffn_norm.weight", np.ones(width, np.float32))
        writer.add_tensor(block + "attn_q.weight", matrix(width, width))
        writer.add_tensor(block + "attn_k.weight", matrix(width // 2, width))
        writer.add_tensor(block + "attn_v.weight", matrix(width // 2, width))
        writer.add_tensor(block + "attn_output.weight", matrix(width, width))
        writer.add_tensor(block + "ffn_gate.weight", matrix(feed_forward, width))
        writer.add_tensor(block + "ffn_up.weight", matrix(feed_forward, width))
        writer.add_tensor(block + "ffn_down.weight", matrix(width, feed_forward))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
