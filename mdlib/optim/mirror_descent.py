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
from torch.optim import Optimizer

from mdlib.geometry import LpPotential, Potential
from mdlib.geometry.entrywise import PIECE, is_large

_STATE = {"dual", "momentum"}


Pieces = list[tuple[Tensor, ...]]
Length = tuple[Tensor, Tensor] | None


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
    place between two steps (a reset, a clamp, a loaded checkpoint), the dual follows it.

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
        the domain of its potential.
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
            _check_group(self.param_groups[-1])
        except Exception:
            self.param_groups.pop()  # a refused group leaves the optimizer as it was
            raise

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
        # Whatever can be refused is refused before the first weight moves.
        steps = [
            (self._prepare(param, group), group)
            for group in self.param_groups
            for param in group["params"]
            if param.grad is not None
        ]
        for (pieces, length), group in steps:
            for piece in pieces:
                _step(*piece, length=length, group=group)
        return loss

    def _prepare(self, param: Tensor, group: dict[str, Any]) -> tuple[Pieces, Length]:
        """Check one parameter, bring its state up to date, and cut both into pieces."""
        potential, state, dtype = group["potential"], self.state[param], _dual_dtype(param)
        _check_decay(group)
        grad = _dense(cast(Tensor, param.grad))
        if "dual" not in state:
            state["dual"] = potential.mirror(param.to(dtype))
        if group["momentum"] and "momentum" not in state:
            state["momentum"] = torch.zeros_like(state["dual"])
        for name in _STATE & state.keys():  # model.double() or .to(device) moves weights alone
            state[name] = state[name].to(param.device, dtype)
        tensors = [param, grad, state["dual"]]
        if group["momentum"]:
            tensors.append(state["momentum"])
        pieces = _pieces(tensors, potential.separable)
        for piece in pieces:
            _follow(piece[0], piece[2], potential)
        return pieces, _length(grad.to(dtype), potential) if group["normalize"] else None

    def state_dict(self) -> dict[str, Any]:
        """Return the state as plain tensors and numbers; a potential is saved as its repr.

        So ``torch.load(..., weights_only=True)`` reads it back.
        """
        saved = super().state_dict()
        for group in saved["param_groups"]:
            group["potential"] = repr(group["potential"])
        return saved

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load a state that `state_dict` returned.

        Raises
        ------
        ValueError
            If it was saved with other potentials than this optimizer's, or its groups do not fit.
        """
        potentials = [group["potential"] for group in self.param_groups]
        for ours, group in zip(potentials, state_dict["param_groups"], strict=False):
            if group.get("potential") != repr(ours):
                raise ValueError(
                    f"the state was saved with {group.get('potential')}, this optimizer uses "
                    f"{ours!r}; build it with the same potential before loading"
                )
        loaded: dict[str, Any] = {}  # what is left after everybody's hooks; ours runs last
        last = self.register_load_state_dict_pre_hook(lambda _, final: loaded.update(final))
        try:
            super().load_state_dict(state_dict)
        finally:
            last.remove()
        for ours, group in zip(potentials, self.param_groups, strict=True):
            group["potential"] = ours
        self._restore_precision(loaded)

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


def _step(
    param: Tensor,
    grad: Tensor,
    dual: Tensor,
    momentum: Tensor | None = None,
    *,
    length: Length,
    group: dict[str, Any],
) -> None:
    """Take one step on a parameter or on a piece of one."""
    potential, lr = group["potential"], float(group["lr"])
    grad = grad.to(dual.dtype)
    if length is not None:
        largest, norm = length
        grad = (grad / largest).div_(norm)
    if momentum is not None:
        grad = momentum.mul_(group["momentum"]).add_(grad)
    if group["weight_decay"]:
        dual.mul_(1 - lr * group["weight_decay"])
    dual.add_(grad, alpha=lr if group["maximize"] else -lr)
    param.copy_(potential.inverse(dual))


def _length(grad: Tensor, potential: Potential) -> tuple[Tensor, Tensor]:
    """The dual norm of a gradient in two factors; their product may leave the dtype's range.

    Those of a zero gradient are 1, so that it stays zero.
    """
    largest = grad.abs().amax() if grad.numel() else grad.new_zeros(())
    largest = largest.masked_fill(largest == 0, 1)
    norm = potential.dual_norm(grad / largest)
    return largest, norm.masked_fill(norm == 0, 1)


def _follow(param: Tensor, dual: Tensor, potential: Potential) -> None:
    """Bring the dual up to date where somebody changed the parameter since the last step."""
    left = potential.inverse(dual)  # what the last step wrote, before it was rounded
    if torch.equal(left.to(param.dtype), param):
        return
    # Another device may compute the last bits of the inverse otherwise: that is no change.
    slack = left.abs() * (8 * torch.finfo(dual.dtype).eps)
    same = (param >= (left - slack).to(param.dtype)) & (param <= (left + slack).to(param.dtype))
    if not (potential.separable or same.all()):
        same = torch.zeros_like(same)
    dual.copy_(torch.where(same, dual, potential.mirror(param.to(dual.dtype))))


def _pieces(tensors: list[Tensor], separable: bool) -> Pieces:
    """Cut a large parameter and its state into pieces that stay in the processor's cache.

    Every map reads and writes its entries several times; only an entrywise one may be cut.
    """
    if not (separable and all(map(is_large, tensors))):
        return [tuple(tensors)]
    return list(zip(*(torch.split(tensor.view(-1), PIECE) for tensor in tensors), strict=True))


def _dense(grad: Tensor) -> Tensor:
    if grad.layout != torch.strided:
        raise RuntimeError(
            f"MirrorDescent does not support sparse gradients, got layout {grad.layout}; "
            "use sparse=False in the embedding"
        )
    return grad


def _check_group(group: dict[str, Any]) -> None:
    for param in group["params"]:
        if not param.is_floating_point():
            raise TypeError(
                f"MirrorDescent needs real floating-point parameters, got {param.dtype}; "
                "split complex weights with torch.view_as_real"
            )
    potential = group["potential"]
    if not isinstance(potential, Potential):
        raise TypeError(
            f"potential must be a Potential such as LpPotential(1.5), got {potential!r}"
        )
    if isinstance(group["lr"], Tensor) and group["lr"].numel() != 1:
        raise ValueError(f"lr must be one number, got a tensor of shape {tuple(group['lr'].shape)}")
    if not 0.0 <= group["lr"] < float("inf"):
        raise ValueError(f"lr must be finite and >= 0, got {group['lr']}")
    if not 0.0 <= group["momentum"] < 1.0:
        raise ValueError(f"momentum must lie in [0, 1), got {group['momentum']}")
    if not 0.0 <= group["weight_decay"] < float("inf"):
        raise ValueError(f"weight_decay must be finite and >= 0, got {group['weight_decay']}")
    if group["normalize"] and type(potential).dual_norm is Potential.dual_norm:
        raise ValueError(
            f"normalize=True needs a dual norm: {potential} has none of its own; "
            "use normalize=False"
        )


def _check_decay(group: dict[str, Any]) -> None:
    shrink = float(group["lr"]) * group["weight_decay"]
    if shrink >= 1:
        raise ValueError(
            f"lr * weight_decay must stay below 1, got {shrink}: decay would turn the dual around"
        )
