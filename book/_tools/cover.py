"""Draw the cover, book/_static/cover*.png: one loss and five geometries, and what they look at.

Left, mirror descent on an attention problem with two parameters; right, models trained as in the
chapter on real images, on digits they were not trained on.

    python book/_tools/cover.py
"""

from pathlib import Path

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F

from mdlib import AttentionProblem, LpPotential, MirrorDescent, attention_descent
from mdlib.data.images import digit_pair
from mdlib.figures.plots import STYLE, color
from mdlib.nn import patch_corners, patch_tokens

STATIC = Path(__file__).parents[1] / "_static"
SIZE, STRIDE = 4, 2
HELD_OUT = 60  # images kept from training; the cover shows the first of each digit
EXPONENTS = {1.1: 0.3, 1.5: 1.0, 2.0: 1.0, 3.0: 1.0}  # p: the step size the chapter tunes


def draw_paths(ax):
    """Draw the first column of W, the only one that the query (1, 0) sees, over the risk."""
    problem = AttentionProblem([[[1.0, 0.55], [0.0, 0.0]]], [1.0], [[1.0, 0.0]])
    v = torch.tensor([1.0, 0.2], dtype=torch.float64)
    axis = torch.linspace(-1, 10.4, 200, dtype=torch.float64)
    W = torch.zeros(200, 200, 2, 2, dtype=torch.float64)
    W[..., 0, 0], W[..., 1, 0] = axis, axis[:, None]
    floor = F.softplus(-problem.scores(v).amax())
    above_floor = (problem.risk(W, v) - floor).log10()
    ax.contourf(
        axis.numpy(), axis.numpy(), above_floor.numpy(), levels=24, cmap="Greys_r", alpha=0.5
    )
    for p in (*EXPONENTS, 10.0):
        # Steps that grow: for p = 10 the dual has to travel nine decades.
        run = attention_descent(
            problem, v, p, steps=2600, lr=lambda k: 0.003 * 1.01**k, record=range(0, 2601, 2)
        )
        path = run.W[..., 0]
        path = path[path.amax(-1) < 8.2]
        ax.plot(*path.T.numpy(), c=color(p), lw=4, solid_capstyle="round")
        ax.text(*(path[-1] + 0.15), f"p = {p:g}", c=color(p), weight="bold", va="center")
    ax.plot(0, 0, "o", ms=9, c="black")
    ax.set(xticks=[], yticks=[], xlim=(-1, 10.4), ylim=(-1, 9))
    ax.set_title("One loss, one start, five geometries")
    ax.spines[:].set_visible(False)


def split():
    """Return the problem to train on, the held-out one, and the images of the latter."""
    images, y = digit_pair(3, 8)
    X = patch_tokens(images, SIZE, STRIDE)
    z = X.mean(1)
    problems = [
        AttentionProblem(X[part], y[part], z[part])
        for part in (slice(HELD_OUT, None), slice(HELD_OUT))
    ]
    return *problems, images[:HELD_OUT]


def train(problem, p, lr):
    """Return W after l_p mirror descent on W and v, from zero."""
    d = problem.X.shape[-1]
    W = torch.nn.Parameter(torch.zeros(d, d, dtype=torch.float64))
    v = torch.nn.Parameter(torch.zeros(d, dtype=torch.float64))
    optimizer = MirrorDescent([W, v], lr=lr, potential=LpPotential(p))
    for _ in range(500):
        optimizer.zero_grad()
        problem.risk(W, v).backward()
        optimizer.step()
    return W.detach()


def draw_digits(axes, models):
    """Outline the patch that each model attends to most, on the first unseen three and eight."""
    _, problem, images = split()
    corners = patch_corners(8, 8, SIZE, STRIDE)
    rows = [int((problem.y == 1).nonzero()[0]), int((problem.y == -1).nonzero()[0])]
    for column, (p, W) in zip(axes.T, models.items(), strict=True):
        selected = problem.attention(W).argmax(-1)
        for ax, i in zip(column, rows, strict=True):
            top, left = corners[int(selected[i])]
            corner = (left - 0.5, top - 0.5)
            ax.imshow(images[i].numpy(), vmin=0, vmax=1.5)
            ax.add_patch(plt.Rectangle(corner, SIZE, SIZE, fill=False, ec=color(p), lw=5))
            ax.axis("off")
        column[0].set_title(f"p = {p:g}", loc="center", c=color(p), weight="bold")


def draw(path, size, columns, models):
    """Draw the two halves, side by side in two columns or one above the other in one."""
    fig = plt.figure(figsize=size)
    if columns == 2:
        paths, digits = fig.subfigures(1, 2, width_ratios=(4.6, 6.4))
    else:
        paths, digits = fig.subfigures(2, 1, height_ratios=(4.2, 3.6))
    draw_paths(paths.subplots())
    digits.suptitle("Three or eight? Where each one looks", x=0.02, ha="left", fontsize=13)
    draw_digits(digits.subplots(2, len(models)), models)
    fig.savefig(path, dpi=160, metadata={"Software": None})


def main(folder=STATIC):
    """Draw the cover for wide pages and for phones."""
    plt.style.use(STYLE)
    problem = split()[0]
    models = {p: train(problem, p, lr) for p, lr in EXPONENTS.items()}
    draw(folder / "cover.png", (11, 4.2), 2, models)
    draw(folder / "cover-narrow.png", (5.4, 7.8), 1, models)


if __name__ == "__main__":
    main()
