"""Networks by name, one small file a paper."""
