"""Networks by name. Each takes images or signals and returns logits (B, classes)."""

from ecgcore.models.registry import ModelInfo, create_model, list_models, model_info

__all__ = ["ModelInfo", "create_model", "list_models", "model_info"]
