"""Long work beside the window: reading, segmenting, saving, training."""
