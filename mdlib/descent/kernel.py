"""The steps of an l_p descent, compiled: one small problem after another, each in the cache.

A step on a problem of the paper's size is a few thousand multiplications. As calls on tensors most
of its time goes into the calls; here a problem takes all its steps in one loop. The formulas are
those of `mdlib.attention.gradient`, entry by entry, and `TorchSteps` of
`mdlib.descent.steps` is the twin the tests hold this file against.

Names: B problems of n inputs with T tokens in R^d; e = 1/(p - 1), the exponent of the inverse
mirror map, which is 0 for a weight that does not learn.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from mdlib.geometry.compiled import exactly, sums

Array = np.ndarray[Any, np.dtype[np.float64]]


LOGISTIC, EXPONENTIAL, LINEAR = range(3)


@exactly
def descend(
    X: Array,  # (B, n, T, d)
    XT: Array,  # (B, n, d, T), the same
    y: Array,  # (B, n)
    z: Array,  # (B, n, d)
    padding: Array,  # (B, n, T): 0 for a token, -inf for padding
    W: Array,  # (B, d, d); changed, as are the next two
    dual_W: Array,
    log_time_W: Array,  # (B,)
    v: Array,  # (B, 1, d); changed if it learns, as are the next two
    dual_v: Array,
    log_time_v: Array,
    e_W: float,
    e_v: float,
    lr_W: Array,  # (steps,)
    lr_v: Array,
    normalize: bool,
    loss: int,
) -> None:
    """Take len(lr_W) steps on each problem."""
    B, n, T, d = X.shape
    logits, values, pull = np.empty((n, T)), np.empty((n, T)), np.empty((n, T))
    queries, log_size, log_slope = np.empty((n, d)), np.empty(n), np.empty(n)
    G_W, G_v, scratch = np.empty((d, d)), np.empty((1, d)), np.empty((d, d))
    for b in range(B):
        for k in range(len(lr_W)):
            if k == 0 or e_v > 0:
                _score(XT[b], y[b], v[b], values)
            _attend(XT[b], z[b], W[b], padding[b], queries, logits)
            for i in range(n):
                log_size[i], margin = _pull(logits[i], values[i], pull[i])
                log_slope[i] = _log_slope(margin, loss)
                log_size[i] += log_slope[i]
            scale_W = _sizes(log_size)
            _slope_in_weights(X[b], z[b], pull, log_size, queries, G_W)
            if e_v > 0:
                scale_v = _sizes(log_slope)
                _slope_in_decoder(X[b], y[b], logits, log_slope, G_v)
                spent = _step(G_v, scale_v, lr_v[k], normalize, e_v, dual_v[b], v[b], scratch)
                log_time_v[b] = np.logaddexp(log_time_v[b], spent)
            spent = _step(G_W, scale_W, lr_W[k], normalize, e_W, dual_W[b], W[b], scratch)
            log_time_W[b] = np.logaddexp(log_time_W[b], spent)


@sums
def _score(XT: Array, y: Array, v: Array, values: Array) -> None:
    """values_it = y_i v.X_it."""
    n, d, T = XT.shape
    for i in range(n):
        for t in range(T):
            values[i, t] = 0.0
        for a in range(d):
            factor = y[i] * v[0, a]
            for t in range(T):
                values[i, t] += factor * XT[i, a, t]


@sums
def _attend(XT: Array, z: Array, W: Array, padding: Array, queries: Array, logits: Array) -> None:
    """queries_i = W z_i and logits_it = X_it.W z_i."""
    n, d, T = XT.shape
    for i in range(n):
        for a in range(d):
            query = 0.0
            for c in range(d):
                query += W[a, c] * z[i, c]
            queries[i, a] = query
        for t in range(T):
            logits[i, t] = padding[i, t]
        for a in range(d):
            query = queries[i, a]
            for t in range(T):
                logits[i, t] += query * XT[i, a, t]


@exactly
def _pull(logits: Array, values: Array, pull: Array) -> tuple[float, float]:
    """Of one input: pull_t e^c = s_t (values_t - margin). Returns c and the margin.

    The logits become the attention weights s.
    """
    T = len(logits)
    top = logits.argmax()
    highest = logits[top]
    nearest = -np.inf  # the logit of the first token that makes a difference to the top one
    for t in range(T):
        logits[t] -= highest
        if values[t] != values[top]:
            nearest = max(nearest, logits[t])
    odds_of_nearest = math.exp(nearest)
    total = mean = 0.0
    for t in range(T):
        lead = values[t] - values[top]
        pull[t] = 0.0
        if lead != 0.0 and logits[t] > -np.inf:
            odds = math.exp(logits[t] - nearest)
            pull[t] = odds * lead  # kept in units of the nearest: nothing underflows together
            mean += pull[t]
            logits[t] = odds * odds_of_nearest
        else:
            logits[t] = math.exp(logits[t])
        total += logits[t]
    mean /= total
    for t in range(T):
        pull[t] = (pull[t] - logits[t] * mean) / total
        logits[t] /= total
    return nearest, values[top] + odds_of_nearest * mean


@exactly
def _log_slope(margin: float, loss: int) -> float:
    if loss == LINEAR:
        return 0.0
    if loss == EXPONENTIAL:
        return -margin
    return min(-margin, 0.0) - math.log1p(math.exp(-abs(margin)))


@exactly
def _sizes(log_size: Array) -> float:
    """Take the largest out of numbers given by their logarithms, and return its logarithm."""
    largest: float = log_size.max()
    for i in range(len(log_size)):
        log_size[i] = math.exp(log_size[i] - largest) if log_size[i] > -np.inf else 0.0
    return largest


@sums
def _slope_in_weights(
    X: Array, z: Array, pull: Array, size: Array, tokens: Array, G: Array
) -> None:
    """G = -1/n sum_i size_i (sum_t pull_it X_it) z_i^T."""
    n, T, d = X.shape
    for i in range(n):
        for a in range(d):
            tokens[i, a] = 0.0
        for t in range(T):
            factor = -size[i] / n * pull[i, t]
            for a in range(d):
                tokens[i, a] += factor * X[i, t, a]
    for a in range(d):
        for c in range(d):
            G[a, c] = 0.0
        for i in range(n):
            factor = tokens[i, a]
            for c in range(d):
                G[a, c] += factor * z[i, c]


@sums
def _slope_in_decoder(X: Array, y: Array, attention: Array, size: Array, G: Array) -> None:
    """G = -1/n sum_i size_i y_i sum_t s_it X_it."""
    n, T, d = X.shape
    for a in range(d):
        G[0, a] = 0.0
    for i in range(n):
        for t in range(T):
            factor = -size[i] / n * y[i] * attention[i, t]
            for a in range(d):
                G[0, a] += factor * X[i, t, a]


@sums
def _step(
    G: Array,
    log_scale: float,
    lr: float,
    normalize: bool,
    e: float,
    dual: Array,
    weight: Array,
    scratch: Array,
) -> float:
    """Step along the gradient e^log_scale G; returns the log of the flow's time it takes."""
    rows, columns = G.shape
    rate, spent = lr * math.exp(log_scale), math.log(lr)
    if normalize:
        largest = 0.0
        for a in range(rows):
            for c in range(columns):
                if abs(G[a, c]) > largest or math.isnan(G[a, c]):
                    largest = abs(G[a, c])
        if largest == 0.0:
            return -np.inf  # no gradient: no step, no time
        for a in range(rows):
            for c in range(columns):
                G[a, c] /= largest
        _signed_power(G, e, scratch)
        power = 0.0  # ||G||_q^q = sum |G| |G|^(q - 1), and q - 1 = e
        for a in range(rows):
            for c in range(columns):
                power += G[a, c] * scratch[a, c]
        rate = lr / power ** (1 / (e + 1))
        spent = math.log(rate) - math.log(largest) - log_scale
    for a in range(rows):
        for c in range(columns):
            dual[a, c] -= rate * G[a, c]
    _signed_power(dual, e, weight)
    return spent


@sums
def _signed_power(x: Array, e: float, out: Array) -> None:
    """Out = sign(x)|x|^e; the exponents of p = 2, 3 and 1.5 without the general power."""
    rows, columns = x.shape
    for a in range(rows):
        if e == 1.0:
            for c in range(columns):
                out[a, c] = x[a, c]
        elif e == 0.5:
            for c in range(columns):
                out[a, c] = math.copysign(math.sqrt(abs(x[a, c])), x[a, c])
        elif e == 2.0:
            for c in range(columns):
                out[a, c] = x[a, c] * abs(x[a, c])
        else:
            for c in range(columns):
                out[a, c] = math.copysign(abs(x[a, c]) ** e, x[a, c])
