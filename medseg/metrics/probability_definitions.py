"""What the scores of probabilities and of volume agreement mean (`medseg.metrics.calibration`, `.agreement`)."""

from __future__ import annotations

from medseg.metrics.metric_definition import Direction, MetricDefinition

_NO_VOXEL = "no voxel was counted"
_VOXELS_TOGETHER = "sums over the voxels of all cases, then one ratio"
_BINNED = "confidence is the probability of the most probable class, in 15 bins of equal width"
_NAEINI = "Naeini 2015, doi 10.1609/aaai.v29i1.9602"

PROBABILITY_DEFINITIONS = (
    MetricDefinition(
        "brier_score",
        "Brier score",
        "mean over voxels of sum over classes of (probability - whether it is that class)^2",
        value_range="0 to 2",
        direction=Direction.LOWER,
        when_undefined=_NO_VOXEL,
        over_cases=_VOXELS_TOGETHER,
        citation="Brier 1950, doi 10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2",
    ),
    MetricDefinition(
        "log_loss",
        "Log loss",
        "mean over voxels of -ln(probability of the right class), probabilities below 1e-12 taken as 1e-12",
        unit="nat",
        value_range="0 to 27.7",
        direction=Direction.LOWER,
        when_undefined=_NO_VOXEL,
        over_cases=_VOXELS_TOGETHER,
    ),
    MetricDefinition(
        "expected_calibration_error",
        "Expected calibration error",
        f"mean over voxels of |accuracy - mean confidence| of their bin; {_BINNED}",
        direction=Direction.LOWER,
        when_undefined=_NO_VOXEL,
        over_cases=_VOXELS_TOGETHER,
        citation=_NAEINI,
    ),
    MetricDefinition(
        "maximum_calibration_error",
        "Maximum calibration error",
        f"largest |accuracy - mean confidence| of a bin that holds voxels; {_BINNED}",
        direction=Direction.LOWER,
        when_undefined=_NO_VOXEL,
        over_cases="sums over the voxels of all cases, then the largest gap",
        citation=_NAEINI,
    ),
)
"""One entry a score of probabilities."""

_BLAND = "Bland 1986, doi 10.1016/S0140-6736(86)90837-8"

_OF_AGREEMENT = (
    ("volume_bias_ml", "Volume bias", "mean over cases of predicted minus reference volume", "there is no case"),
    (
        "volume_lower_limit_ml",
        "Lower limit of agreement",
        "volume bias - 1.96 standard deviations of the differences between the volumes",
        "there are fewer than two cases",
    ),
    (
        "volume_upper_limit_ml",
        "Upper limit of agreement",
        "volume bias + 1.96 standard deviations of the differences between the volumes",
        "there are fewer than two cases",
    ),
)
"""Key, name, meaning, and when it is undefined."""

AGREEMENT_DEFINITIONS = tuple(
    MetricDefinition(
        key,
        name,
        meaning,
        unit="ml",
        value_range="any",
        direction=Direction.ZERO,
        when_undefined=when_undefined,
        over_cases="one value over all cases",
        citation=_BLAND,
    )
    for key, name, meaning, when_undefined in _OF_AGREEMENT
)
"""One entry a value of the Bland-Altman analysis of volumes."""
