"""ONNX files of a pooling and a linear layer, byte by byte, so that a miniature needs no torch.

Source: onnx/onnx.proto, ir_version 8, opset 13.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def block(field: int, content: bytes | str) -> bytes:
    content = content.encode() if isinstance(content, str) else content
    return varint(field << 3 | 2) + varint(len(content)) + content


def _value(name: str, shape: Sequence[int]) -> bytes:
    dims = b"".join(block(1, number(1, length)) for length in shape)
    return block(1, name) + block(2, block(1, number(1, 1) + block(2, dims)))


def _ints(name: str, values: Sequence[int]) -> bytes:
    return block(5, block(1, name) + b"".join(number(8, v) for v in values) + number(20, 7))


def _node(kind: str, inputs: Sequence[str], output: str, attributes: bytes = b"") -> bytes:
    names = b"".join(block(1, name) for name in inputs)
    return block(1, names + block(2, output) + block(4, kind) + attributes)


def linear_model(given: str, shape: Sequence[int], weights: np.ndarray, pool: int = 1) -> bytes:
    """A model that averages pool × pool pixels, flattens and multiplies by weights.

    Args:
        given: the input's name.
        shape: of the input, (1, channels, height, width).
        weights: float (inputs after pooling, outputs).
        pool: side of the squares that are averaged.
    """
    tensor = b"".join(number(1, n) for n in weights.shape) + number(2, 1)
    tensor += block(8, "weights") + block(9, weights.astype("<f4").tobytes())
    squares = _ints("kernel_shape", (pool, pool)) + _ints("strides", (pool, pool))
    graph = (
        _node("AveragePool", [given], "pooled", squares)
        + _node("Flatten", ["pooled"], "flat")
        + _node("MatMul", ["flat", "weights"], "output")
        + block(2, "miniature")
        + block(5, tensor)
        + block(11, _value(given, shape))
        + block(12, _value("output", (shape[0], weights.shape[1])))
    )
    return number(1, 8) + block(7, graph) + block(8, block(1, "") + number(2, 13))
