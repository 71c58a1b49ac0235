"""Known data sets, one file each, and generated ones with exact truth."""
