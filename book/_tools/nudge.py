"""Disturb each weight that an optimizer is given in its last bit: what another processor does.

A startup file of IPython (``PYTHONSTARTUP``). Whoever trains a network hands its weights to an
optimizer first, so its constructor is the place. Exact zeros stay, as they mean something.
"""


def _nudge():
    import torch

    construct = torch.optim.Optimizer.__init__
    draw = torch.Generator().manual_seed(0)

    def nudged(self, params, defaults):
        construct(self, params, defaults)
        with torch.no_grad():
            for param in (param for group in self.param_groups for param in group["params"]):
                up = torch.rand(param.shape, generator=draw) < 0.5
                towards = torch.where(up, torch.inf, -torch.inf).to(param.dtype)
                param.copy_(torch.where(param == 0, param, torch.nextafter(param, towards)))

    torch.optim.Optimizer.__init__ = nudged


_nudge()
del _nudge  # a notebook finds no name that it did not make
