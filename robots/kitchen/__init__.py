"""The MuJoCo mock kitchen."""
