"""Scores as pure functions of sufficient statistics."""
