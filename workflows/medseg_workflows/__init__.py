"""Batch jobs over many cases, on one machine or a cluster."""
