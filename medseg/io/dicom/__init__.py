"""DICOM: the only place that knows pydicom, highdicom and the LPS frame of the standard."""
