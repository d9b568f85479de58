"""Scripted experts that read privileged state; demonstrators, not the product."""
