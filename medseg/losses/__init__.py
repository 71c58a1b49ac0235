"""Losses for segmentation, by name."""
