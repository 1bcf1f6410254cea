"""Static token vectors that reproduce the vectors of a larger encoder, in closed form.

What a static encoder makes of a record is linear in its token vectors, so the best ones solve a
ridge regression (Hoerl & Kennard 1970). It does not shrink them towards zero, but towards what the
larger encoder makes of each token by itself (Model2Vec, Tulkens & van Dongen 2024,
https://github.com/MinishLab/model2vec), mapped onto whole records: so rare tokens have good
vectors, too. There are no epochs and no learning rate; it takes seconds.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.linear_model import Ridge

#: Penalties: of the map, relative to the mean variance of its inputs; of a token's departure from
#: it, relative to the mean squared length of a row of weights (of 0.3, 1 and 3 the best is 1 on
#: held-out records, see ``docs/log.md``).
MAP, DEPARTURE = 1e-3, 1.0
#: Relative error of the conjugate gradients that solve the large regression.
TOLERANCE = 1e-3


def fit_token_vectors(
    weights: Any, tokens: np.ndarray, targets: np.ndarray, width: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return token vectors (V,width) and the mean (width,) of the records' vectors, in float32.

    The vector of a record is then ``weights @ vectors - mean``: an estimate of the first ``width``
    principal components of its target.

    Args:
        weights: (N,V) sparse, the weight of each token in each record.
        tokens: (V,D) the larger encoder's vector of each token by itself.
        targets: (N,D) its vectors of the records.
        width: at most D.

    Example::

        vectors, mean = fit_token_vectors(weights, teacher(vocabulary), teacher(texts), 256)
    """
    wanted = _principal(targets.astype(np.float32), width)
    occurs = np.asarray(weights.sum(0)).ravel()
    tokens = (tokens - occurs @ tokens / max(occurs.sum(), 1e-12)).astype(np.float32)
    averages = np.asarray(weights @ tokens)  # (N,D)
    onto = Ridge(alpha=_penalty(MAP, averages.var(0).mean() * len(averages)))
    left = wanted - onto.fit(averages, wanted).predict(averages)
    size = float(weights.multiply(weights).sum()) / weights.shape[0]
    departure = Ridge(alpha=_penalty(DEPARTURE, size), solver="sparse_cg", tol=TOLERANCE)
    departure.fit(weights, left)
    vectors = tokens @ np.atleast_2d(onto.coef_).T + np.atleast_2d(departure.coef_).T
    return vectors.astype(np.float32), np.asarray(weights @ vectors).mean(0).astype(np.float32)


def _principal(targets: np.ndarray, width: int) -> np.ndarray:
    """Return the first principal components (N,width), centred."""
    centred = targets - targets.mean(0)
    _, directions = np.linalg.eigh(centred.T @ centred)  # of rising variance
    return np.asarray(centred @ directions[:, : -width - 1 : -1])


def _penalty(share: float, size: float) -> float:
    # Where all records are the same nothing is left to fit, and any penalty will do.
    return share * size or 1.0
