"""Writes weights, vocabulary and template as one GGUF file, Q8_0 (or F16 for comparison)."""

import argparse
import json
from pathlib import Path

import gguf
import numpy as np
import torch
from gguf import quants
from tools.tiny_models import chat
from tools.tiny_models.model import Shape

CONTEXT = 2048
NORMAL, CONTROL, USER_DEFINED = 1, 3, 4
BLOCK = {
    "attention_norm": "attn_norm",
    "attention.q": "attn_q",
    "attention.k": "attn_k",
    "attention.v": "attn_v",
    "attention.out": "attn_output",
    "ffn_norm": "ffn_norm",
    "gate": "ffn_gate",
    "up": "ffn_up",
    "down": "ffn_down",
}
"""Our module names and GGUF's."""


def export(weights: Path, tokenizer: Path, out: Path, name: str, *, pooled: bool = False, exact: bool = False) -> None:
    """One file. `pooled` says that its embeddings are the mean over the tokens."""
    stored = torch.load(weights, weights_only=True)
    shape = Shape(**stored["shape"])
    writer = gguf.GGUFWriter(out, "llama")
    _about(writer, name, shape, exact=exact)
    if pooled:
        writer.add_pooling_type(gguf.PoolingType.MEAN)
    _vocabulary(writer, json.loads(tokenizer.read_text(encoding="utf-8")))
    kind = gguf.GGMLQuantizationType.F16 if exact else gguf.GGMLQuantizationType.Q8_0
    for key, tensor in stored["weights"].items():
        values = tensor.float().numpy()
        if values.ndim == 1:
            writer.add_tensor(tensor_name(key), values.astype(np.float32))
        else:
            writer.add_tensor(tensor_name(key), quants.quantize(values, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def tensor_name(key: str) -> str:
    """`blocks.2.attention.q.weight` -> `blk.2.attn_q.weight`. There is no output matrix: the embeddings serve twice."""
    if key == "embed.weight":
        return "token_embd.weight"
    if key == "norm.weight":
        return "output_norm.weight"
    _, number, rest = key.removesuffix(".weight").split(".", 2)
    return f"blk.{number}.{BLOCK[rest]}.weight"


def _about(writer: gguf.GGUFWriter, name: str, shape: Shape, *, exact: bool) -> None:
    writer.add_type(gguf.GGUFType.MODEL)
    writer.add_name(name)
    writer.add_author("The Remuda authors")
    writer.add_license("apache-2.0")
    writer.add_size_label("0.9M")
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16 if exact else gguf.LlamaFileType.MOSTLY_Q8_0)
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(shape.embedding)
    writer.add_block_count(shape.blocks)
    writer.add_feed_forward_length(shape.feed_forward)
    writer.add_vocab_size(shape.vocabulary)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_layer_norm_rms_eps(shape.epsilon)
    writer.add_rope_dimension_count(shape.head)
    writer.add_rope_freq_base(shape.rope_base)


def _vocabulary(writer: gguf.GGUFWriter, tokenizer: dict) -> None:
    ids = dict(tokenizer["model"]["vocab"])
    ids |= {token["content"]: token["id"] for token in tokenizer["added_tokens"]}
    tokens = sorted(ids, key=ids.__getitem__)
    kinds = [
        CONTROL if token in chat.CONTROL else USER_DEFINED if token in chat.PRINTED else NORMAL for token in tokens
    ]
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in tokenizer["model"]["merges"]]
    pad, start, end = (ids[token] for token in chat.CONTROL)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges(merges)
    writer.add_bos_token_id(start)
    writer.add_eos_token_id(end)
    writer.add_eot_token_id(end)
    writer.add_pad_token_id(pad)
    writer.add_add_bos_token(False)
    writer.add_chat_template(chat.TEMPLATE.read_text(encoding="utf-8").strip())


def main() -> None:
    """Entry point: one GGUF file."""
    work = Path("tools/tiny_models/work")
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--weights", type=Path, default=work / "chat.pt")
    options.add_argument("--tokenizer", type=Path, default=work / "tokenizer.json")
    options.add_argument("--name", default="remuda-tiny")
    options.add_argument("--out", type=Path, default=Path("src/remuda/engines/tiny/remuda-tiny.gguf"))
    options.add_argument("--pooled", action="store_true", help="an embedding model: mean pooling")
    options.add_argument("--f16", action="store_true", help="F16 instead of Q8_0")
    chosen = options.parse_args()
    export(chosen.weights, chosen.tokenizer, chosen.out, chosen.name, pooled=chosen.pooled, exact=chosen.f16)
    print(f"{chosen.out}: {chosen.out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
