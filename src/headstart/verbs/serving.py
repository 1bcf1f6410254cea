"""The verb that serves."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from headstart.config import ServeConfig
from headstart.errors import HeadstartError
from headstart.verbs.reading import Named, load, say, speaking


@speaking()
def serve(*runs: Named, **options: Any) -> str:
    """Answer requests over HTTP with one or several runs, until SIGTERM or Ctrl-C.

    What has arrived by then is still answered. SIGHUP opens the runs anew, as their folders are by
    then, and exchanges them without a lost request.

    Args:
        runs: run folders, or any encoder folders; ``NAME=FOLDER`` gives one a name of its own.
        options: see :class:`headstart.config.ServeConfig`.

    Returns:
        A sentence that says where it served.

    Raises:
        HeadstartError: anything the user can fix, such as a port in use.

    Example::

        hs.serve("runs/stars", port=8080)
    """
    plan = load(ServeConfig, runs=list(runs), **options)
    if missing := [name for name in _LIBRARIES if find_spec(name) is None]:
        raise HeadstartError(
            f"serving needs the extra `serve` ({', '.join(missing)}): install it with "
            "`pip install 'headstart[serve]'`."
        )
    from headstart.deployment.serving.server import serve as serve_runs

    return f"stopped serving at {serve_runs(plan, say)}"


_LIBRARIES = ("fastapi", "uvicorn", "httptools", "prometheus_client", "python_multipart")
