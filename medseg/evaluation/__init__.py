"""Pairs predictions with references, checks that they lie on one grid, and scores them."""
