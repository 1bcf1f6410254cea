"""The servers that `serving.py` compares with, as their documentation has people write them.

Usage: ``python benchmarks/serving_peers.py fastapi|litserve MODEL PORT``.
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


def litserve(model: str, port: int) -> None:
    """Serve with LitServe, which gathers requests into batches in a process of its own."""
    import litserve as ls

    class Embedder(ls.LitAPI):
        def setup(self, device: str) -> None:
            import torch
            from sentence_transformers import SentenceTransformer

            torch.set_num_threads(1)
            self.network = SentenceTransformer(model, device="cpu")

        def decode_request(self, request: Any, **_: Any) -> str:
            return str(request["input"])

        def predict(self, x: Any, **_: Any) -> Any:
            texts = x if isinstance(x, list) else [x]
            return list(self.network.encode(texts, show_progress_bar=False))

        def encode_response(self, output: Any, **_: Any) -> Any:
            return {"object": "list", "data": [{"index": 0, "embedding": output.tolist()}]}

    api = Embedder(max_batch_size=32, batch_timeout=0.002, api_path="/v1/embeddings")
    server = ls.LitServer(api, accelerator="cpu", workers_per_device=1)
    server.run(port=port, host="127.0.0.1", log_level="error", generate_client_file=False)


if __name__ == "__main__":
    {"fastapi": fastapi, "litserve": litserve}[sys.argv[1]](sys.argv[2], int(sys.argv[3]))
