"""Labels: what a source's statements say about the ten classes, as tables and traceable."""
