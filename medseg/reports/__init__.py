"""Tables, overlays and self-contained HTML that people read."""

from medseg.reports.evaluation_report import write_evaluation_report
from medseg.reports.overlays import write_overlay
from medseg.reports.run_report import write_run_report

__all__ = ["write_evaluation_report", "write_overlay", "write_run_report"]
