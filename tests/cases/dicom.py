"""DICOM series made in code, tag by tag with pydicom: a ramp through the world, and everything that can be wrong.

Each voxel holds 3.0 x + 5.1 y + 7.7 z of its own place (LPS mm), rounded. Whoever reads it can compute the values
anew from the affine alone: flips, swaps, wrong orders and wrong rescaling all show.
"""

from dataclasses import dataclass, field

import numpy as np
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

RAMP_PER_MM = np.array([3.0, 5.1, 7.7])
"""Three unequal slopes: a swapped or flipped axis cannot hide."""
INTERCEPT = -1024


@dataclass
class SeriesCase:
    """A clean series that a test may spoil.

    `change(dataset, k)` alters slice k just before it is saved.
    """

    directions: np.ndarray = field(default_factory=lambda: np.eye(3))
    """(3, 3) LPS columns: along i, along j, normal."""
    shape: tuple = (6, 5, 4)
    """Columns, rows, slices."""
    spacing_mm: tuple = (0.8, 1.1, 2.5)
    origin_lps_mm: tuple = (-20.0, 12.0, 31.5)
    series_uid: str = "1.2.826.0.1.3680043.8.498.1.1"
    step_lps_mm: np.ndarray | None = None
    """From slice to slice, where not along the normal."""
    offsets_mm: tuple | None = None
    """Distance of each slice from the first along the step's direction, where not even."""

    def position(self, k):
        step = self.directions[:, 2] * self.spacing_mm[2] if self.step_lps_mm is None else np.asarray(self.step_lps_mm)
        steps = k if self.offsets_mm is None else self.offsets_mm[k] / np.linalg.norm(step)
        return np.asarray(self.origin_lps_mm) + steps * step

    def values(self, k):
        """(rows, columns) ramp of slice k."""
        i, j = np.meshgrid(np.arange(self.shape[0]), np.arange(self.shape[1]), indexing="xy")
        along_i = self.directions[:, 0] * self.spacing_mm[0]
        along_j = self.directions[:, 1] * self.spacing_mm[1]
        points = self.position(k) + i[..., None] * along_i + j[..., None] * along_j
        return np.rint(points @ RAMP_PER_MM).astype(int)

    def dataset(self, k):
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = CTImageStorage
        meta.MediaStorageSOPInstanceUID = f"{self.series_uid}.{k + 1}"
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
        ds.SOPClassUID, ds.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
        ds.PatientName, ds.PatientID = "Ramp", "ramp"
        ds.StudyInstanceUID, ds.SeriesInstanceUID = "1.2.826.0.1.3680043.8.498.1", self.series_uid
        ds.FrameOfReferenceUID = "1.2.826.0.1.3680043.8.498.2"
        ds.StudyDate, ds.StudyTime, ds.StudyID, ds.AccessionNumber = "20260101", "120000", "1", ""
        ds.Modality, ds.ImageType = "CT", ["ORIGINAL", "PRIMARY", "AXIAL"]
        ds.Manufacturer = "test"
        ds.SeriesNumber, ds.InstanceNumber, ds.AcquisitionNumber = 1, k + 1, 1
        ds.PatientPosition = "HFS"
        ds.ImagePositionPatient = [f"{value:.10g}" for value in self.position(k)]
        ds.ImageOrientationPatient = [f"{value:.12g}" for value in self.directions[:, :2].T.ravel()]
        ds.PixelSpacing = [self.spacing_mm[1], self.spacing_mm[0]]
        ds.SliceThickness = self.spacing_mm[2]
        ds.Rows, ds.Columns, ds.SamplesPerPixel = self.shape[1], self.shape[0], 1
        ds.PhotometricInterpretation = "MONOCHROME2"
        ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
        ds.RescaleSlope, ds.RescaleIntercept, ds.RescaleType = "1", str(INTERCEPT), "HU"
        stored = self.values(k) - INTERCEPT
        assert 0 <= stored.min() <= stored.max() < 4096, "the ramp does not fit 12 bits"
        ds.PixelData = stored.astype("<u2").tobytes()
        return ds

    def write(self, folder, *, change=None, skip=(), name="{k:03d}.dcm"):
        """Save all slices but `skip`; `name` is a pattern or a function of k. The paths, by k."""
        folder.mkdir(parents=True, exist_ok=True)
        paths = {}
        for k in range(self.shape[2]):
            if k in skip:
                continue
            ds = self.dataset(k)
            if change is not None:
                change(ds, k)
            paths[k] = folder / (name(k) if callable(name) else name.format(k=k))
            ds.save_as(paths[k], enforce_file_format=True)
        return paths


def ramp_error(image):
    """Largest difference between the image's values and the ramp at the places that its affine states."""
    index = np.indices(image.spatial_shape).reshape(3, -1).T
    lps = image.affine.apply(index) * [-1.0, -1.0, 1.0]
    expected = (lps @ RAMP_PER_MM).reshape(image.spatial_shape)
    return float(np.abs(image.array[0] - expected).max())
