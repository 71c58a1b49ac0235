"""From a path to layers: what lies there, in words; which of it to open; and reading it beside the window."""
