"""What the robot can do: skill phrases, policies, value functions, success detectors."""
