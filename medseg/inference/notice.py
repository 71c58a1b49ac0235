"""The one sentence about use that every model, result and report of medseg carries."""

from __future__ import annotations

RESEARCH_NOTICE = "Research use only; not a medical device."
"""Stands in manifests, model cards, bundle metadata and on the command line."""
