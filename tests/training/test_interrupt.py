"""Signals while training: recorded for the next step boundary, and given back afterwards."""

from __future__ import annotations

import os
import signal

import pytest

from headstart.training.interrupt import Signals


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_while_training_waits_for_the_step_to_end(number: signal.Signals) -> None:
    # Also where the tests run under nohup, which ignores one.
    outside = signal.signal(number, signal.default_int_handler)
    try:
        _received(number)
    finally:
        signal.signal(number, outside)


def _received(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    signals = Signals()
    with signals.caught():
        os.kill(os.getpid(), number)
        assert signals.received == number
    assert signal.getsignal(number) is before


def test_what_nohup_ignores_does_not_stop_training() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        signals = Signals()
        with signals.caught():
            os.kill(os.getpid(), signal.SIGHUP)
        assert signals.received is None
    finally:
        signal.signal(signal.SIGHUP, before)
