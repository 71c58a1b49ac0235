"""What leaves the window: masks on their file's own grid, DICOM objects, tables and reports; no Qt in here."""
