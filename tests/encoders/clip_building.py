"""A miniature of open_clip's, with weights in a file as they are published."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

CONFIG = {
    "embed_dim": 16,
    "quick_gelu": True,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 32, "patch_size": 8, "head_width": 16},
    "text_cfg": {"context_length": 8, "vocab_size": 64, "width": 16, "heads": 2, "layers": 1},
}


def miniature(folder: Path) -> tuple[Path, Any]:
    """A folder for "local-dir:", and the model whose weights lie in it."""
    import open_clip
    import torch
    from safetensors.torch import save_file

    place = folder / "miniature"
    place.mkdir()
    with torch.random.fork_rng():
        torch.manual_seed(7)
        model = open_clip.CLIP(**CONFIG).eval()
        # As initialised, biases are zero and gains one, so that a mix-up of them would not show.
        for parameter in model.parameters():
            parameter.data += 0.1 * torch.randn_like(parameter)
    save_file(model.state_dict(), place / "open_clip_model.safetensors")
    (place / "open_clip_config.json").write_text(json.dumps({"model_cfg": CONFIG}))
    return place, model
