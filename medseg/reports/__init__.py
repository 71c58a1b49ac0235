"""Tables, overlays and self-contained HTML that people read."""
