"""sentence-transformers in FastAPI, as people write it; `serving.py` starts it.

Usage: ``python benchmarks/serving_fastapi.py MODEL PORT``.
"""

from __future__ import annotations

import sys
from typing import Any

from pydantic import BaseModel


class Asked(BaseModel):
    """The body that a route takes; FastAPI resolves its name in the module."""

    input: str | list[str]
    encoding_format: str = "float"


def fastapi(model: str, port: int) -> None:
    """Serve with sentence-transformers in a FastAPI route, which runs it in a pool of threads."""
    import torch
    import uvicorn
    from fastapi import FastAPI
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(1)
    network = SentenceTransformer(model, device="cpu")
    app = FastAPI()

    @app.post("/v1/embeddings")
    def embeddings(asked: Asked) -> dict[str, Any]:
        texts = [asked.input] if isinstance(asked.input, str) else asked.input
        vectors = network.encode(texts, show_progress_bar=False)
        rows = [{"index": index, "embedding": row.tolist()} for index, row in enumerate(vectors)]
        return {"object": "list", "data": rows}

    uvicorn.run(app, port=port, log_level="error", access_log=False)


if __name__ == "__main__":
    fastapi(sys.argv[1], int(sys.argv[2]))
