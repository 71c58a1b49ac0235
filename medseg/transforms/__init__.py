"""How an image becomes what a network sees: MONAI pipelines by name."""
