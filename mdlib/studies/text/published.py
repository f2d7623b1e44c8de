"""Published numbers for text: what the paper reports, to stand beside what the studies measure.

Julistiono, Tarzanagh and Azizan, "Optimizing Attention with Mirror Descent: Generalized Max-Margin
Token Selection", arXiv 2410.14581: transformers of width 384 on whole reviews of IMDb, plain steps
on all weights, the best test accuracy of each of ten runs.
"""

# {layers: {p: (mean, standard deviation)}}, in per cent
TEST_ACCURACY = {
    3: {1.1: (83.47, 0.09), 2.0: (81.66, 0.09), 3.0: (82.57, 0.10)},
    4: {1.1: (83.36, 0.13), 2.0: (81.05, 0.17), 3.0: (82.40, 0.12)},
    6: {1.1: (82.57, 0.15), 2.0: (81.03, 0.18), 3.0: (80.65, 0.13)},
}

# {p: mean score of the pivotal word}, 50 sentences, attention scaled to 0 ... 1 in each
PIVOT_SCORE = {1.1: 0.439, 2.0: 0.312}
