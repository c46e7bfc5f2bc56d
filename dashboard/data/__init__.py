"""Asking ecgcore: values go in, answers come out, every cache is bounded and none is stale."""
