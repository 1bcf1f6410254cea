"""The report: one offline page with the verdict, the figures, and their sources."""

from headstart.evaluation.report.report import Report

__all__ = ["Report"]
