r"""MirrorDescent: a torch optimizer that steps in the dual of any potential.

.. math:: y_{k+1} = y_k - \eta\, g_k, \qquad w_{k+1} = (\nabla\psi)^{-1}(y_{k+1}).

The step knows no potential by name: it asks for ``mirror`` once and for ``inverse`` every time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import chain
from typing import Any, cast, overload

import torch
from torch import Tensor
from torch._compile import _disable_dynamo
from torch.optim import Optimizer

from mdlib.geometry import LpPotential, Potential
from mdlib.geometry.shards import is_distributed, laid_out_as, on_each_shard
from mdlib.optim.mirror_step import MirrorStep, sharing_memory
from mdlib.optim.options import (
    check_decay,
    check_group,
    check_saved,
    check_whole,
    dense,
    saved_name,
)

_STATE = {"dual", "momentum"}


class MirrorDescent(Optimizer):
    r"""Mirror descent, l_p-AttGD of the paper when the potential is `LpPotential`.

    One step on a parameter w with gradient g is

    .. math::
        g &\leftarrow g / \|g\|_* && \text{if normalize} \\
        m &\leftarrow \mu m + g   && \text{if momentum} \\
        y &\leftarrow (1 - \eta\lambda)\, y - \eta\, m \\
        w &\leftarrow (\nabla\psi)^{-1}(y)

    The dual point y is kept as state, in float32 at least, so steps too small for the weights'
    dtype add up, and weights that round to 0 keep their history. When a parameter was changed in
    place between two steps (a reset, a clamp, a loaded checkpoint), the dual follows it. A weight
    whose dual does not move, because its gradient is 0 or the step too small, stays to the last
    bit, also where its dual leaves the dtype's range (p = 20 raises to the 19th power).

    DTensors (FSDP2, tensor parallel) are stepped shard by shard, with the dual norm of the whole
    gradient. Parameters that share memory take their steps one after the other, as in SGD.

    Parameters
    ----------
    params : iterable
        Real floating-point tensors, named tensors, or parameter groups. Each group may have its
        own potential and every other option below.
    lr : float
        The step size eta, measured in the dual.
    potential : Potential
        The geometry. With ``LpPotential(2)``, the default, and no weight decay every step equals
        ``torch.optim.SGD``'s.
    momentum : float
        The factor mu, in [0, 1), of a heavy ball that rolls in the dual.
    weight_decay : float
        The factor lambda. Decoupled from the gradient and applied in the dual, where shrinking y
        is the mirror step on ``lambda * potential.value(w)``: decay pulls towards the potential's
        own minimiser.
    normalize : bool
        Divide each parameter's gradient by its dual norm first, as the paper's experiments do. A
        zero gradient stays zero.
    maximize : bool
        Ascend instead of descend.

    Raises
    ------
    ValueError
        For options out of range, a potential without a dual norm when ``normalize`` is set, a
        saved state that belongs to another potential; at the first step, for a parameter outside
        the domain of its potential, or sharded where that is not separable.
    TypeError
        For complex or integer parameters, or a potential that is none.
    RuntimeError
        For sparse gradients.

    Examples
    --------
    >>> w = torch.nn.Parameter(torch.tensor([1.0, -1.0, 0.0]))
    >>> optimizer = MirrorDescent([w], lr=0.1, potential=LpPotential(p=1.5))
    >>> target = torch.tensor([0.5, 0.5, 4.0])
    >>> for _ in range(200):
    ...     optimizer.zero_grad()
    ...     (w - target).square().sum().backward()
    ...     optimizer.step()
    >>> torch.allclose(w, target)
    True
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 1e-3,
        potential: Potential = LpPotential(2.0),
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        normalize: bool = False,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "potential": potential,
            "momentum": momentum,
            "weight_decay": weight_decay,
            "normalize": normalize,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a parameter group, with its own options where it names them."""
        super().add_param_group(param_group)
        try:
            check_group(self.param_groups[-1])
        except Exception:
            self.param_groups.pop()  # a refused group leaves the optimizer as it was
            raise
        self.__dict__.setdefault("_potentials", []).append(self.param_groups[-1]["potential"])

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Take one step; a closure is evaluated first, gradients enabled, and its loss returned."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        self._step()
        return loss

    @_disable_dynamo  # a step compiled in parts reads a state that another part has replaced
    def _step(self) -> None:
        self._recall_potentials()
        # Whatever can be refused is refused before the first weight moves.
        steps = [
            self._prepare(param, group)
            for group in self.param_groups
            for param in group["params"]
            if param.grad is not None
        ]
        shared = sharing_memory([step.param for step in steps])
        for i, step in enumerate(steps):
            if i in shared:
                step.follow()  # the step before may have moved these weights
            step.take()

    def _prepare(self, param: Tensor, group: dict[str, Any]) -> MirrorStep:
        """Check one parameter and bring its state up to date."""
        potential, state, dtype = group["potential"], self.state[param], _dual_dtype(param)
        check_decay(group)
        grad = dense(cast(Tensor, param.grad))
        if is_distributed(param):
            check_whole(param, potential)
            grad = laid_out_as(grad, param)
        if "dual" not in state:
            state["dual"] = on_each_shard(lambda w: potential.mirror(w.to(dtype)), param)
        if group["momentum"] and "momentum" not in state:
            state["momentum"] = torch.zeros_like(state["dual"])
        for name, value in state.items():  # model.double() or .to(device) moves weights alone
            if name in _STATE and (value.dtype != dtype or value.device != param.device):
                state[name] = value.to(param.device, dtype)
        momentum = [state["momentum"]] if group["momentum"] else []
        return MirrorStep(group, param, grad, state["dual"], *momentum)

    def _recall_potentials(self) -> None:
        """Put a potential where a wrapper left the name that it is saved under.

        ZeroRedundancyOptimizer writes the groups of a loaded state over ours.
        """
        known = self.__dict__.setdefault("_potentials", [])
        for i, group in enumerate(self.param_groups):
            if isinstance(group["potential"], str):
                ours = known[i] if i < len(known) else self.defaults["potential"]
                check_saved(group, ours)
                group["potential"] = ours
        known[:] = [group["potential"] for group in self.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """Return the state as plain tensors and numbers; a potential is saved as its identity.

        So ``torch.load(..., weights_only=True)`` reads it back.
        """
        first = self.register_state_dict_post_hook(_name_potentials, prepend=True)
        try:
            return super().state_dict()
        finally:
            first.remove()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load a state that `state_dict` returned.

        An option that the state lacks, as it was saved before there was one, stays.

        Raises
        ------
        ValueError
            If it was saved with other potentials than this optimizer's, or its groups do not fit.
        """
        loaded: dict[str, Any] = {}  # what is left after everybody's hooks; ours runs last
        last = self.register_load_state_dict_pre_hook(
            lambda _, final: loaded.update(self._accepted(final)) or loaded
        )
        potentials = [group["potential"] for group in self.param_groups]
        try:
            super().load_state_dict(state_dict)
        finally:
            last.remove()
        for ours, group in zip(potentials, self.param_groups, strict=True):
            group["potential"] = ours
        self._restore_precision(loaded)

    def _accepted(self, state_dict: dict[str, Any]) -> dict[str, Any]:
        """Check a state's potentials, and fill in the options that it lacks."""
        groups = state_dict["param_groups"]
        for ours, group in zip(self.param_groups, groups, strict=False):
            check_saved(group, ours["potential"])
        if len(groups) == len(self.param_groups):  # otherwise torch has a word for it
            options = [
                {k: v for k, v in g.items() if k in self.defaults} for g in self.param_groups
            ]
            groups = [ours | group for ours, group in zip(options, groups, strict=True)]
        return state_dict | {"param_groups": groups}

    def _restore_precision(self, loaded: dict[str, Any]) -> None:
        # torch casts the state to the parameter's dtype, which rounds a bfloat16 weight's dual.
        keys = chain.from_iterable(group["params"] for group in loaded["param_groups"])
        params = chain.from_iterable(group["params"] for group in self.param_groups)
        for key, param in zip(keys, params, strict=True):
            state = loaded["state"].get(key, {})
            for name in _STATE & state.keys():
                value = state[name].to(param.device, _dual_dtype(param), copy=True)
                self.state[param][name] = value


def _dual_dtype(param: Tensor) -> torch.dtype:
    return torch.promote_types(param.dtype, torch.float32)


def _name_potentials(_: Optimizer, saved: dict[str, Any]) -> None:
    for group in saved["param_groups"]:
        group["potential"] = saved_name(group["potential"])
