"""sentence-transformers in LitServe, as its documentation has it; `serving.py` starts it.

Usage: ``python benchmarks/serving_litserve.py MODEL PORT``.
"""

import os
import sys
from typing import Any

import litserve as ls


class Embedder(ls.LitAPI):
    """The vectors of one text a request, gathered into batches."""

    def setup(self, device: str) -> None:
        """Open the model that the environment names, in the process that computes."""
        import torch
        from sentence_transformers import SentenceTransformer

        torch.set_num_threads(1)
        self.network = SentenceTransformer(os.environ["SERVED_MODEL"], device="cpu")

    def decode_request(self, request):  # type: ignore[no-untyped-def]  # LitServe reads the types
        """Return the text."""
        return request["input"]

    def predict(self, x: Any) -> Any:
        """Return the vectors of a batch."""
        return list(self.network.encode(list(x), show_progress_bar=False))

    def encode_response(self, output: Any) -> Any:
        """Return the answer to one request."""
        return {"object": "list", "data": [{"index": 0, "embedding": output.tolist()}]}


if __name__ == "__main__":
    os.environ["SERVED_MODEL"] = sys.argv[1]
    api = Embedder(max_batch_size=32, batch_timeout=0.002, api_path="/v1/embeddings")
    server = ls.LitServer(api, accelerator="cpu", workers_per_device=1)
    server.run(
        port=int(sys.argv[2]), host="127.0.0.1", log_level="error", generate_client_file=False
    )
