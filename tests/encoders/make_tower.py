"""Write tower.onnx: an image tower of the published form, small enough to commit.

Needs the package onnx, which tests do not: python tests/encoders/make_tower.py
"""

from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save

weights = np.arange(12, dtype=np.float32).reshape(3, 4) / 10
graph = helper.make_graph(
    [
        helper.make_node("GlobalAveragePool", ["pixel_values"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["image_embeds"]),
    ],
    "tower",
    [helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, ["batch", 3, 8, 8])],
    [helper.make_tensor_value_info("image_embeds", TensorProto.FLOAT, ["batch", 4])],
    [numpy_helper.from_array(weights, "weights")],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
save(model, Path(__file__).with_name("tower.onnx"))
