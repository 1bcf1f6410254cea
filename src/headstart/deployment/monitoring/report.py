"""The result of a look at new data: for a terminal, as values, as a page, and for a webhook."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from headstart.deployment.monitoring.measures import ABOUT
from headstart.deployment.monitoring.monitor import Alarm, Findings, as_plain
from headstart.deployment.monitoring.page import drift_page
from headstart.errors import HeadstartError, several
from headstart.files import write_json, write_text
from headstart.pages.result import Result

#: Exit code of the command where there is a drift, for programs such as cron.
DRIFT = 3
#: Seconds that a webhook has to answer.
_PATIENCE = 10.0


class DriftReport(Result):
    """What a look at new data found; :attr:`is_drift` says whether an alarm was raised.

    Args:
        run: the run that looked.
    """

    def __init__(self, run: str, findings: Findings) -> None:
        self.run, self.findings = run, findings

    @property
    def is_drift(self) -> bool:
        """True if any test of the watch raised an alarm."""
        return bool(self.findings.alarms)

    @property
    def exit_code(self) -> int:
        """The exit code of the command: 3 if there is a drift."""
        return DRIFT if self.is_drift else 0

    def summary(self) -> dict[str, Any]:
        """Return plain values."""
        return {"run": self.run, "answer": self.answer, **as_plain(self.findings)}

    @property
    def answer(self) -> str:
        """The result in one sentence."""
        found = self.findings
        looked = [window for window in found.windows if window.p_values]
        if not looked:
            return f"Nothing can be said: there are too few {found.noun}."
        total = sum(window.records for window in looked)
        if not found.alarms:
            return f"No drift is seen in {total:,} {found.noun}."
        kinds = list(dict.fromkeys(alarm.kind for alarm in found.alarms))
        first = min(alarm.first for alarm in found.alarms)
        return f"The data has moved{f' (from {first} on)' if first else ''}: {', '.join(kinds)}."

    def __str__(self) -> str:
        found = self.findings
        lines = [self.answer]
        for alarm in found.alarms[:10]:
            place = f"{_place(alarm)}: " if alarm.last else ""
            lines.append(f"  {place}{alarm.kind}, p = {alarm.p_value:.2g}: {ABOUT[alarm.kind]}")
        for kind, shifts in found.moved.items():
            named = [f"{each.name} {each.before:.1%} -> {each.after:.1%}" for each in shifts[:4]]
            if named:
                lines.append(f"  {kind}: {'; '.join(named)}")
        if found.foreign:
            lines.append(f"  most foreign: {several([each.id for each in found.foreign], most=5)}")
        lines.append(
            f"Each test is made at {found.level:.2g}, so that a whole watch of {found.planned:,} "
            "windows raises a false alarm with a chance of 5% at most."
        )
        return "\n".join([*lines, *found.notes])

    def write(self, out: Path) -> None:
        """Write a .json file with all figures, or else an .html file with the page."""
        if out.suffix.lower() == ".json":
            write_json(out, self.summary())
        else:
            write_text(out, drift_page(self.answer, self.findings))

    def send(self, address: str) -> None:
        """Tell an address of the drift: the figures as JSON, and ``text`` for chats.

        Raises:
            HeadstartError: it did not answer, or refused.
        """
        body = json.dumps(dict(self.summary(), text=f"{self.run}: {self.answer}")).encode()
        request = urllib.request.Request(  # the options allow http and https alone
            address, body, {"Content-Type": "application/json", "User-Agent": "headstart"}
        )
        try:
            with urllib.request.build_opener(_NoRedirect).open(request, timeout=_PATIENCE):
                pass
        except (OSError, ValueError, urllib.error.URLError) as error:
            reason = getattr(error, "reason", None) or error
            raise HeadstartError(
                f"there is a drift, and {address} could not be told of it ({reason}); check "
                "--webhook."
            ) from None


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Leaves redirects: what is sent goes to the address that was named, and to no other."""

    def redirect_request(self, *arguments: Any) -> None:
        """Follow none."""
        return


def _place(alarm: Alarm) -> str:
    return alarm.last if alarm.windows == 1 else f"{alarm.first} to {alarm.last}"
