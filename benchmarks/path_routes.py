"""The two routes to the regularization path against each other, and against scipy's SLSQP.

Frank-Wolfe with a memory and projected mirror descent follow the same path of the same problems,
from the same starts; both sides are timed in turns, in one run. SLSQP gets one start, the exact
gradient and one problem at a time, at one radius.
"""

import sys
import time
from pathlib import Path

import numpy as np
from scipy.optimize import minimize

from mdlib import AttentionProblem, attention_path
from mdlib.path.frank_wolfe import FrankWolfe

sys.path.append(str(Path(__file__).parents[1]))  # projected mirror descent is a twin of the tests

SEEDS, RADII = range(1, 21), [0.1, 1.0, 10.0, 100.0, 1000.0]
SCIPY_SEEDS, SCIPY_RADIUS = range(1, 4), 10.0


def timed(f):
    """The result of f and the seconds it took."""
    start = time.perf_counter()
    result = f()
    return result, time.perf_counter() - start


def routes(p):
    """Print time, share of points that reached the tolerance, and who found the better optimum."""
    from tests.support.projected import ProjectedMirrorDescent

    problems, v = AttentionProblem.random(6, 8, 10, seed=SEEDS)
    one, two = (
        timed(lambda s=s: attention_path(problems, v, p, RADII, search=s))
        for s in (FrankWolfe, ProjectedMirrorDescent)
    )
    (fw, fw_time), (md, md_time) = one, two
    lead = fw.log_excess - md.log_excess
    arrived = [(path.residual <= 1e-8).double().mean().item() for path in (fw, md)]
    print(
        f"p = {p:<5} frank-wolfe {fw_time:5.1f} s, arrived {arrived[0]:4.0%}   "
        f"mirror {md_time:5.1f} s, arrived {arrived[1]:4.0%}   {md_time / fw_time:5.1f} x   "
        f"better optimum: {(lead < -1e-3).sum()} to {(lead > 1e-3).sum()} of {lead.numel()}"
    )


def slsqp(p):
    """Print seconds a solve, ours (with all starts) and scipy's from one start."""
    problems, v = AttentionProblem.random(6, 8, 10, seed=SCIPY_SEEDS)
    path, ours = timed(lambda: attention_path(problems, v, p, [SCIPY_RADIUS]))

    def solve(i):
        problem = AttentionProblem(problems.X[i], problems.y[i], problems.z[i])

        def risk(w):
            W = problem.X.new_tensor(w.reshape(10, 10))
            return problem.risk(W, v[i]).item(), problem.gradient(W, v[i]).numpy().ravel()

        inside = {
            "type": "ineq",
            "fun": lambda w: 1 - (abs(w / SCIPY_RADIUS) ** p).sum(),
            "jac": lambda w: -p / SCIPY_RADIUS**p * np.sign(w) * abs(w) ** (p - 1),
        }
        w = np.random.default_rng(i).normal(size=100)
        w *= SCIPY_RADIUS / (abs(w) ** p).sum() ** (1 / p)
        options = {"ftol": 1e-12, "maxiter": 500}
        return minimize(risk, w, jac=True, method="SLSQP", constraints=inside, options=options).fun

    risks, theirs = timed(lambda: [solve(i) for i in range(len(problems.X))])
    lead = max(mine - other for mine, other in zip(path.risk[0].tolist(), risks, strict=True))
    print(
        f"p = {p:<5} frank-wolfe {ours / len(risks):6.3f} s   SLSQP {theirs / len(risks):6.3f} s   "
        f"{theirs / ours:5.1f} x   our risk minus theirs: at most {lead:.1e}"
    )


def main():
    """Print a line for each p and comparison."""
    for p in (1.1, 1.5, 2.0, 3.0, 4.0):
        routes(p)
    for p in (1.5, 2.0, 3.0):
        slsqp(p)


if __name__ == "__main__":
    main()
