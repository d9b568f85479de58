"""RT-1: images and a sentence become tokens, a transformer reads a history of them, an action is bins."""
