"""Learned policies: networks behind one contract, and the policy that runs any of them."""
