"""Training of policies, value functions and success detectors: one loop, one format of data."""
