"""Plans to learn planning from: rooms, what people say in them, and what a robot then does, all from seeds."""
