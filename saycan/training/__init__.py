"""The training loop and its curves, shared by all that is learned here: networks of the skills, and the planner's."""
