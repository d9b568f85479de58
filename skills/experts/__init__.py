"""Scripted experts that read privileged state: demonstrators and a comparison, not the product."""

from saycan.skills.experts.careless import CarelessExperts as CarelessExperts
from saycan.skills.experts.experts import PrivilegedExperts as PrivilegedExperts

__all__ = ["CarelessExperts", "PrivilegedExperts"]
