r"""Projected mirror descent on an l_p ball: the slow twin of `mdlib.path.frank_wolfe`.

The Bregman projection of U, :math:`\|U\|_p > R`, onto the ball minimises :math:`D_\psi(W, U)`
subject to :math:`\psi(W) \le R^p / p`. Its KKT condition is, with a multiplier mu >= 0,

.. math:: \nabla\psi(W) - \nabla\psi(U) + \mu \nabla\psi(W) = 0 .

So W has the dual :math:`\nabla\psi(U)/(1 + \mu)`. The map is homogeneous, hence W is a multiple of
U: the projection merely rescales, to :math:`U \min(1, R/\|U\|_p)`.
"""

import torch

from mdlib.path.ball import dot
from mdlib.path.frank_wolfe import change


class ProjectedMirrorDescent:
    """Projected mirror descent. The step size is spectral: the last step's inverse curvature."""

    def __init__(self, psi, a):
        self.psi, self.step = psi, torch.ones_like(a.value)

    def propose(self, a):
        """Return the next points, yet to be projected."""
        return self.psi.inverse(a.y + self.step * a.pull)

    def learn(self, a, b, ok):
        """Take in that the proposals made at a are b, and which of them are accepted."""
        s, length = b.w - a.w, dot(b.w - a.w, b.y - a.y)
        curvature = dot(s, change(a, b)) - b.push * length
        spectral = length / torch.maximum(curvature, 1e-3 * length)
        spectral = torch.where(length > 0, spectral, 1.0)
        self.step = torch.where(ok, spectral, self.step / 4)

    def keep(self, rows):
        """Forget the other rows."""
        self.step = self.step[rows]
