"""Metrics logging: metrics.jsonl always, and TensorBoard, Weights & Biases or MLflow."""

from __future__ import annotations

import importlib.util
import json
import math
import os
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from headstart.errors import HeadstartError, first_line
from headstart.files import writable, write_text
from headstart.run import RunFolder

if TYPE_CHECKING:
    from pytorch_lightning.loggers import Logger

    from headstart.training.alarms import Alarm


class Metrics:
    """Writes one row per logged step.

    Losses are in full precision. Values that depend on the clock are under ``clock``, so that the
    rest of a resumed run's file equals that of an uninterrupted run.

    Args:
        run: whose ``metrics.jsonl`` is written.
        step: from which training resumes; later rows, written after the last checkpoint, are
            dropped and will be written again.
        tracker: ``tensorboard``, ``wandb``, ``mlflow`` or ``none``.
        say: is told where the tracker fails, which training goes on without.

    Raises:
        HeadstartError: the tracker's package is not installed, or it cannot be reached.
    """

    def __init__(
        self, run: RunFolder, step: int, tracker: str, say: Callable[[str], None] = print
    ) -> None:
        self._path = run.metrics_file
        self.rows = [row for row in run.metrics() if step and row.get("step", 0) <= step]
        write_text(self._path, "".join(json.dumps(row) + "\n" for row in self.rows))
        self._file = open(self._path, "a", encoding="utf-8")  # noqa: SIM115 (closed in close)
        self._tracker, self._say = _tracker(run, tracker, step), say

    def log(
        self, step: int, values: dict[str, float], clock: dict[str, float] | None = None
    ) -> None:
        """Append a row; values that are not finite are written as null."""
        row: dict[str, Any] = {"step": step}
        row.update({key: value if math.isfinite(value) else None for key, value in values.items()})
        if clock:
            row["clock"] = {key: round(value, 3) for key, value in clock.items()}
        self._append(row)
        self._track(lambda tracker: tracker.log_metrics({**values, **(clock or {})}, step))

    def ring(self, step: int, alarm: Alarm) -> None:
        """Append a row with an alarm."""
        self._append({"step": step, "alarm": {"kind": alarm.kind, "message": alarm.message}})

    def _append(self, row: dict[str, Any]) -> None:
        self.rows.append(row)
        with writable(self._path):
            self._file.write(json.dumps(row) + "\n")
            self._file.flush()

    def sync(self) -> None:
        """Flush rows to the disk; they must never be older than the checkpoint."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()
        self._track(lambda tracker: tracker.finalize("success"))

    def _track(self, act: Callable[[Logger], None]) -> None:
        if self._tracker is None:
            return
        try:
            act(self._tracker)
        except Exception as error:  # a tracker, perhaps far away, is not worth a training
            self._tracker = None
            self._say(
                f"The tracker failed ({first_line(error)}), and training goes on without it; "
                f"{self._path.name} has all values."
            )

    def values(self, name: str) -> list[float]:
        """Return the logged values of a name, oldest first."""
        return [row[name] for row in self.rows if row.get(name) is not None]


def _tracker(run: RunFolder, name: str, step: int) -> Logger | None:
    if name == "none":
        return None
    if importlib.util.find_spec(name) is None:
        raise HeadstartError(
            f"the tracker {name!r} is not installed; install it with `pip install {name}` or "
            "choose --tracker none."
        )
    if name == "mlflow":
        return _mlflow(run)
    if name == "wandb":
        from pytorch_lightning.loggers import WandbLogger

        # Each session continues the curves of the previous one.
        if "wandb_id" not in run.resolved:
            run.resolve(wandb_id=secrets.token_hex(4))
        return WandbLogger(
            name=run.folder.name,
            save_dir=run.folder,
            id=run.resolved["wandb_id"],
            resume="allow",
        )
    from pytorch_lightning.loggers import TensorBoardLogger

    purge = step + 1 if step else None
    return TensorBoardLogger(run.folder, name=run.tensorboard.name, version="", purge_step=purge)


def _mlflow(run: RunFolder) -> Logger:
    """Return the logger of MLflow, whose run goes on where training is resumed.

    Where it logs to, and under which experiment, is said by the variables that MLflow has for it.
    """
    from pytorch_lightning.loggers import MLFlowLogger

    uri = os.environ.get("MLFLOW_TRACKING_URI")
    if not uri:
        raise HeadstartError(
            "--tracker mlflow needs the address of a tracking server or database in the "
            "environment variable MLFLOW_TRACKING_URI, such as sqlite:///mlflow.db."
        )
    try:
        logger = MLFlowLogger(
            experiment_name=os.environ.get("MLFLOW_EXPERIMENT_NAME", "headstart"),
            run_name=run.folder.name,
            tracking_uri=uri,
            run_id=run.resolved.get("mlflow_id"),
        )
        identity = logger.run_id  # creates the run
    except Exception as error:
        raise HeadstartError(
            f"--tracker mlflow: {uri} cannot be used ({first_line(error)}); check "
            "MLFLOW_TRACKING_URI."
        ) from None
    run.resolve(mlflow_id=identity)
    return logger
