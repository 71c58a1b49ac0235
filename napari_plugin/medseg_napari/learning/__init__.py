"""Learning from corrections: the set of corrected images, the recipe, and the run in a process of its own; no Qt."""
