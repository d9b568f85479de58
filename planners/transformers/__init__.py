"""Say with any causal language model that the transformers library can load: exact log-probabilities, offline."""

from saycan.planners.transformers.model import TransformersModel

__all__ = ["TransformersModel"]
