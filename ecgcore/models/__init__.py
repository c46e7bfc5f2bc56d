"""Networks by name, each mapping images or signals to logits (B, classes)."""

from ecgcore.models.registry import ModelInfo, create_model, list_models, model_info

__all__ = ["ModelInfo", "create_model", "list_models", "model_info"]
