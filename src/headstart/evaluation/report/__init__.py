"""The report: one offline page with the verdict, the figures, and what they rest on."""

from headstart.evaluation.report.report import Report

__all__ = ["Report"]
