"""What can be wrong with a folder of DICOM files, each as a change of the files of a clean ramp series.

A defect takes the list of files and alters it in place; two of them may be applied one after the other. None of them
makes the ramp untrue where it claims to be true: whatever volume is read afterwards, its voxels must hold the ramp at
the places that its affine states.
"""

import copy
import io
from dataclasses import dataclass, field

import numpy as np
from pydicom.dataelem import DataElement
from pydicom.uid import ImplicitVRLittleEndian, RLELossless
from support.ramp import ORIENTATIONS, SeriesCase, layout

SIZE = (6, 5, 6)
NAME = "Canary^Identity"
"""Stands in every file; no message may hold it."""


@dataclass
class File:
    """A file of the folder: a data set, what is done to its bytes, or bytes alone."""

    name: str
    k: int = -1
    ds: object = None
    edits: list = field(default_factory=list)
    raw: bytes = b""

    def bytes(self):
        if self.ds is None:
            return self.raw
        buffer = io.BytesIO()
        self.ds.save_as(buffer, enforce_file_format=True)
        data = buffer.getvalue()
        for edit in self.edits:
            data = edit(data)
        return data


def clean_files(orientation="axial", **options):
    """The files of a clean series."""
    case = SeriesCase(directions=ORIENTATIONS[orientation], shape=SIZE, **options)
    files = []
    for k in range(SIZE[2]):
        ds = case.dataset(k)
        ds.PatientName = ds.PatientID = NAME
        files.append(File(f"{k:03d}.dcm", k, ds))
    return files


def write(files, folder):
    """Save the files; their folder."""
    for file in files:
        place = folder / file.name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(file.bytes())
    return folder


def _sliced(files):
    return [file for file in files if file.ds is not None and file.k >= 0]


def _each(change):
    """A change of every slice: `change(ds, k)`."""

    def defect(files):
        for file in _sliced(files):
            change(file.ds, file.k)

    return defect


def _one(k, change):
    """A change of slice `k` where it is still there."""

    def defect(files):
        for file in _sliced(files):
            if file.k == k:
                change(file.ds, file.k)
                return

    return defect


def _set(**values):
    def change(ds, k):
        for keyword, value in values.items():
            if keyword in ds:
                delattr(ds, keyword)  # a value put there by `_text` would keep its wrong type
            setattr(ds, keyword, value(k) if callable(value) else value)

    return change


def _delete(*keywords):
    def change(ds, k):
        for keyword in keywords:
            if keyword in ds:
                delattr(ds, keyword)

    return change


def _text(keyword, text):
    """Text in a number's place, past pydicom's own checks."""

    def change(ds, k):
        if keyword in ds:
            ds[keyword] = DataElement(ds[keyword].tag, "LO", text)

    return change


def _skip(*gone):
    def defect(files):
        files[:] = [file for file in files if file.k not in gone]

    return defect


def _copied(*, new_uid, change=None, count=1):
    """The first slices a second time, under their own UIDs or new ones."""

    def defect(files):
        for file in _sliced(files)[:count]:
            ds = copy.deepcopy(file.ds)
            if new_uid:
                ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = f"1.2.826.0.1.3680043.8.498.77.{file.k}"
            if change is not None:
                change(ds, file.k)
            files.append(File(f"copy{file.name}", file.k + 100, ds, list(file.edits)))

    return defect


def _second_series(files):
    for file in clean_files(series_uid="1.2.826.0.1.3680043.8.498.1.2", origin_lps_mm=(3, 4, 5)):
        file.name, file.k = f"second{file.name}", file.k + 200
        files.append(file)


def _localizer(files):
    case = SeriesCase(directions=ORIENTATIONS["sagittal"], shape=SIZE)
    ds = case.dataset(2)
    ds.PatientName = ds.PatientID = NAME
    ds.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = f"{case.series_uid}.99"
    files.append(File("scout.dcm", 99, ds))


def _shifted(offset_mm):
    """The position moved along the normal, the pixels with it."""

    def change(ds, k):
        rows = np.array([float(value) for value in ds.get("ImageOrientationPatient", [1, 0, 0, 0, 1, 0])])
        if "ImagePositionPatient" not in ds or len(rows) != 6:
            return
        step = np.cross(rows[:3], rows[3:]) * (offset_mm(k) if callable(offset_mm) else offset_mm)
        try:
            moved = [float(value) + float(more) for value, more in zip(ds.ImagePositionPatient, step, strict=True)]
        except ValueError:
            return
        ds.ImagePositionPatient = [f"{value:.8g}" for value in moved]
        _add_to_values(ds, float(step @ [3.0, 5.1, 7.7]))

    return change


def _add_to_values(ds, amount):
    """The ramp of the new place, where the pixels can still be changed."""
    if "RescaleSlope" not in ds or ds.file_meta.TransferSyntaxUID.is_compressed or ds.get("PixelData") is None:
        return
    kind = f"<{'i' if ds.PixelRepresentation else 'u'}{ds.BitsAllocated // 8}"
    slope = float(ds.RescaleSlope) or 1.0
    stored = np.frombuffer(ds.PixelData, kind).astype(float) + amount / slope
    ds.PixelData = np.rint(stored).astype(kind).tobytes()


def _sheared(ds, k):
    """Each slice moved sideways by 0.9 mm a slice, the pixels with it."""
    rows = np.array([float(value) for value in ds.get("ImageOrientationPatient", [1, 0, 0, 0, 1, 0])])
    if "ImagePositionPatient" not in ds or len(rows) != 6:
        return
    step = rows[3:] * 0.9 * (k % 100)
    try:
        moved = [float(value) + float(more) for value, more in zip(ds.ImagePositionPatient, step, strict=True)]
    except ValueError:
        return
    ds.ImagePositionPatient = [f"{value:.8g}" for value in moved]
    _add_to_values(ds, float(step @ [3.0, 5.1, 7.7]))


def _smaller(ds, k):
    if "PixelData" in ds and not ds.file_meta.TransferSyntaxUID.is_compressed:
        ds.Rows = ds.Rows - 1
        ds.PixelData = ds.PixelData[: ds.Rows * ds.Columns * ds.BitsAllocated // 8]


def _colour(files):
    ds = copy.deepcopy(_sliced(files)[0].ds)
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = "1.2.826.0.1.3680043.8.498.1.88"
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PlanarConfiguration = 3, "RGB", 0
    ds.BitsAllocated = ds.BitsStored = 8
    ds.HighBit, ds.PixelRepresentation = 7, 0
    ds.PixelData = bytes(ds.Rows * ds.Columns * 3)
    ds["PixelData"].VR = "OB"
    files.append(File("screenshot.dcm", 98, ds))


def _report(files):
    ds = copy.deepcopy(_sliced(files)[0].ds)
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.88.33"
    for keyword in ("PixelData", "Rows", "Columns"):
        if keyword in ds:
            delattr(ds, keyword)
    files.append(File("report.dcm", 97, ds))


def _cut(share):
    def defect(files):
        for file in _sliced(files):
            if file.k == 2:
                file.edits.append(lambda data: data[: int(len(data) * share)])

    return defect


def _emptied(files):
    for file in _sliced(files):
        if file.k == 2:
            file.edits.append(lambda data: b"")


def _without_preamble(files):
    for file in _sliced(files):
        if file.k == 1 and not file.ds.file_meta.TransferSyntaxUID.is_compressed:
            file.ds.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
            file.edits.append(_stripped)


def _stripped(data):
    """The data set alone: no preamble, no file meta information."""
    length = int.from_bytes(data[140:144], "little")
    return data[144 + length :]


def _renamed(names):
    def defect(files):
        for number, file in enumerate(files):
            file.name = names(number, file.name)

    return defect


def _strangers(files):
    files += [File("README.txt", raw=b"hello"), File("thumb.jpg", raw=b"\xff\xd8\xff\xe0"), File(".DS_Store", raw=b"x")]
    files.append(File("DICOMDIR", raw=b"\0" * 128 + b"DICM"))


def _interleaved(keyword, **more):
    """Every slice a second time with other values and another number of echo, phase, pass or b-value."""

    def change(ds, k):
        setattr(ds, keyword, 2)
        for name, value in more.items():
            setattr(ds, name, value)

    def defect(files):
        for file in _sliced(files):
            if file.k < 100 and getattr(file.ds, keyword, None) is None:
                setattr(file.ds, keyword, 1)
        _copied(new_uid=True, change=change, count=len(files))(files)
        # The second volume is another image: brighter by 200, with an intercept that says so.
        for file in files:
            if 100 <= file.k < 190 and "RescaleIntercept" in file.ds and file.ds.get("PixelData") is not None:
                _brighten(file.ds)

    return defect


def _brighten(ds):
    try:
        ds.RescaleIntercept = f"{float(ds.RescaleIntercept) - 200:g}"
    except (TypeError, ValueError):
        return
    _add_to_values(ds, 200.0)


GEOMETRY = {
    "instance numbers shuffled": _each(_set(InstanceNumber=lambda k: [3, 1, 5, 2, 6, 4][k % 6])),
    "instance numbers reversed": _each(_set(InstanceNumber=lambda k: 6 - k)),
    "instance numbers absent": _each(_delete("InstanceNumber")),
    "instance numbers equal": _each(_set(InstanceNumber=1)),
    "missing inner slice": _skip(3),
    "missing end slice": _skip(5),
    "copy of a file": _copied(new_uid=False),
    "copy under another UID": _copied(new_uid=True),
    "other image at one place": _copied(new_uid=True, change=lambda ds, k: _brighten(ds)),
    "second series": _second_series,
    "two echoes": _interleaved("EchoNumbers", EchoTime="20"),
    "two acquisitions": _interleaved("AcquisitionNumber"),
    "two phases": _interleaved("TemporalPositionIdentifier"),
    "localizer": _localizer,
    "tilt": _each(_sheared),
    "spacing varies": _each(_shifted(lambda k: 0.6 * max(k % 100 - 2, 0))),
    "jitter": _each(_shifted(lambda k: 0.001 * (-1) ** k)),
    "no position": _each(_delete("ImagePositionPatient")),
    "no position in one slice": _one(4, _delete("ImagePositionPatient")),
    "no orientation": _each(_delete("ImageOrientationPatient")),
    "no pixel spacing": _each(_delete("PixelSpacing")),
    "pixel spacing zero": _each(_set(PixelSpacing=[0, 0])),
    "pixel spacing with a comma": _each(_text("PixelSpacing", "0,8\\1,1")),
    "all at one place": _each(_set(ImagePositionPatient=[0, 0, 0])),
    "direction too long": _each(_set(ImageOrientationPatient=[2, 0, 0, 0, 2, 0])),
    "directions askew": _each(_set(ImageOrientationPatient=[1, 0, 0, 0.6, 0.8, 0])),
    "NaN in one position": _one(2, _text("ImagePositionPatient", "nan\\0\\0")),
    "frame of reference": _one(2, _set(FrameOfReferenceUID="1.2.3")),
    "another patient": _one(2, _set(PatientID="Other^Canary")),
    "another study": _one(2, _set(StudyInstanceUID="1.2.3.4")),
    "one smaller slice": _one(2, _smaller),
    "other pixel spacing": _one(2, _set(PixelSpacing=[1.2, 0.8])),
    "sub-folders": _renamed(lambda number, name: f"part{number % 2}/{name}"),
    "names shuffled": _renamed(lambda number, name: f"{(number * 7919) % 997:03d}{name.removesuffix('.dcm')}"),
    "other kinds of files": _strangers,
    "report": _report,
    "empty stray file": lambda files: files.append(File("notes", raw=b"")),
    "empty slice": _emptied,
    "no preamble": _without_preamble,
    "no UIDs": _each(_set(SOPInstanceUID="")),
    "one UID for all": _each(_set(SOPInstanceUID="1.2.3.4.5")),
}
"""Rows 1-40 of the catalogue that can lie in one folder with others."""

PIXELS = {
    "signed": _each(lambda ds, k: _relaid(ds, k, bits_stored=16, is_signed=True)),
    "one signed": _one(3, lambda ds, k: _relaid(ds, k, bits_stored=16, is_signed=True)),
    "rescale by slice": _each(lambda ds, k: _relaid(ds, k, bits_stored=16, slope=0.5 + 0.25 * (k % 100))),
    "one without rescale": _one(3, _delete("RescaleSlope", "RescaleIntercept")),
    "slope zero": _each(_set(RescaleSlope="0")),
    "one MONOCHROME1": _one(3, _set(PhotometricInterpretation="MONOCHROME1")),
    "all MONOCHROME1": _each(_set(PhotometricInterpretation="MONOCHROME1")),
    "one compressed": _one(3, lambda ds, k: _compressed(ds)),
    "screenshot": _colour,
    "truncated pixels": _cut(0.97),
    "truncated header": _cut(0.4),
    "no pixels": _one(2, _delete("PixelData")),
    "huge size": _one(2, _set(Rows=64000, Columns=64000)),
    "odd bits": _one(2, _set(BitsAllocated=12)),
    "burned in": _each(_set(BurnedInAnnotation="YES")),
}
"""Rows 41-54 that can lie in one folder with others."""


def _relaid(ds, k, **options):
    can = "PixelData" in ds and not ds.file_meta.TransferSyntaxUID.is_compressed and "RescaleSlope" in ds
    if can and ds.BitsAllocated == 16 and not ds.PixelRepresentation and float(ds.RescaleSlope):
        layout(**options)(ds, k)


def _compressed(ds):
    if "PixelData" in ds and not ds.file_meta.TransferSyntaxUID.is_compressed and ds.BitsAllocated in {8, 16}:
        expected = ds.Rows * ds.Columns * ds.BitsAllocated // 8
        if len(ds.PixelData) == expected + expected % 2:
            ds.compress(RLELossless, generate_instance_uid=False)
