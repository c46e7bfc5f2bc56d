"""Networks by name. Each takes an image (B, 3, H, W) in 0..1 and returns logits (B, classes)."""

from ecgcore.models.registry import ModelInfo, create_model, list_models, model_info

__all__ = ["ModelInfo", "create_model", "list_models", "model_info"]
