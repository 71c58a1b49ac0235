"""Edits of objects: pure functions from a label array and boxes to changes; nothing is written to the array."""
