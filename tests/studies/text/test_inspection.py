"""What a model looks at, on models whose attention and logits are known by construction."""

import copy
import json
import math
import random
from collections import Counter
from dataclasses import replace
from statistics import fmean

import pytest
import torch
from torch import nn

from mdlib.data.text.encoded import load_encoded
from mdlib.data.text.pivot import GROUPS, load_pivot_words
from mdlib.data.text.tokenizer import Tokenizer, split_words
from mdlib.nn import TextClassifier
from mdlib.runs.schema import plain, read
from mdlib.runs.training import train
from mdlib.studies.text import SentimentRun
from mdlib.studies.text.attended import attend, number_words
from mdlib.studies.text.attended import read as read_texts
from mdlib.studies.text.erasure import ORDERS, Erased, choose_texts, erase
from mdlib.studies.text.favorites import MarkedWords, find_favorites, sentiment_words, spell
from mdlib.studies.text.inspection import COUNTS, Inside, look_inside
from mdlib.studies.text.inspection import TEXTS as CHOSEN
from mdlib.studies.text.pivots import BySentence, look_at_pivots
from mdlib.train import Sequences

SENTENCES = load_pivot_words(*GROUPS)
TEXTS = [s.text for s in SENTENCES]
WHOLE = Tokenizer.train(TEXTS, size=4_000)  # a token for each word
PIECES = Tokenizer.train(TEXTS, size=150)


class Bag(nn.Module):
    """The logit is the sum of the tokens' weights; attention is the softmax of their salience."""

    padding = 0

    def __init__(self, weight, salience, length=128):
        super().__init__()
        self.tokens = nn.Embedding.from_pretrained(weight.float()[:, None])
        self.positions = nn.Embedding(length, 1)
        self.salience = salience.double()
        self.eval()

    def forward(self, ids):
        return (self.tokens(ids)[..., 0] * (ids != self.padding)).sum(1)

    def attention(self, ids):
        salience = self.salience[ids].masked_fill(ids == self.padding, -torch.inf)
        weights = salience.softmax(1).float()[:, None, None]
        return (weights.new_zeros(1), weights.expand(-1, 2, ids.shape[1], -1))


def weights_of(words, tokenizer=WHOLE, value=1.0):
    """A weight for the tokens of some words, 0 for all others."""
    weight = torch.zeros(len(tokenizer))
    for word, sign in words.items():
        weight[tokenizer.encode([word])[0][1:]] = sign * value
    return weight


def pivots(value=1.0):
    """Each pivot with the sign of its own sentiment."""
    signs = {s.pivot: -s.label if s.negation else s.label for s in SENTENCES}
    return weights_of(signs, value=value)


def classifier(tokenizer, layers=2, seed=0):
    torch.manual_seed(seed)
    return TextClassifier(len(tokenizer), width=16, layers=layers, heads=4, hidden=8).eval()


NOTHING = torch.zeros(len(WHOLE))


# ---- word by word -------------------------------------------------------------------------------


@pytest.mark.parametrize("tokenizer", [WHOLE, PIECES], ids=["whole", "pieces"])
def test_shares_are_the_last_layers_first_row_averaged_over_heads_and_summed_over_tokens(tokenizer):
    model = classifier(tokenizer)
    for text, reading in zip(TEXTS[:20], read_texts(model, tokenizer, TEXTS[:20]), strict=True):
        (ids,) = tokenizer.encode([text])  # alone, without padding
        weights = model.attention(ids[None])[-1][0].mean(0)[0]
        words = tokenizer.words(text)
        assert [word for word, _ in reading.words] == [word.text for word in words]
        expected = torch.stack([weights[word.tokens].sum() for word in words])
        torch.testing.assert_close(torch.tensor([s for _, s in reading.words]), expected)
        assert sum(s for _, s in reading.words) + reading.itself == pytest.approx(1, abs=1e-6)
        assert reading.logit == pytest.approx(model(ids[None]).item(), abs=1e-5)


def test_words_are_numbered_as_the_tokenizer_counts_them():
    texts = [*TEXTS[::7], "## a##b wasn't", ""]
    for text in texts:
        (ids,) = PIECES.encode([text])
        slow = [0] * len(ids)
        for number, word in enumerate(PIECES.words(text), start=1):
            slow[word.tokens] = [number] * (word.tokens.stop - word.tokens.start)
        padded = torch.cat([ids, torch.zeros(3, dtype=torch.int64)])
        assert number_words(padded[None], PIECES).tolist() == [[*slow, 0, 0, 0]]


def test_a_text_is_cut_where_the_model_ends():
    model = Bag(NOTHING, NOTHING, length=4)
    (reading,) = read_texts(model, WHOLE, [TEXTS[0]])
    assert [word for word, _ in reading.words] == TEXTS[0].split()[:3]
    assert [s for _, s in reading.words] == pytest.approx([0.25] * 3)


def test_a_model_in_training_and_no_texts_are_refused():
    with pytest.raises(ValueError, match=r"training mode; call model.eval\(\)"):
        attend(classifier(WHOLE).train(), WHOLE.encode(TEXTS[:1])[0][None], WHOLE)
    with pytest.raises(ValueError, match="no texts"):
        read_texts(classifier(WHOLE), WHOLE, [])


# ---- pivots -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "rank", "score"), [(3.0, "first", 1), (-3.0, "last", 0), (-2000.0, "last", 0)]
)
def test_a_model_that_looks_at_pivots_alone(value, rank, score):
    found = look_at_pivots(Bag(pivots(), pivots().abs() * value), WHOLE)
    lengths = [len(WHOLE.words(text)) for text in TEXTS]
    for group in GROUPS:
        in_group = [n for n, s in zip(lengths, SENTENCES, strict=True) if s.group == group]
        mean = sum(in_group) / len(in_group)
        assert found.groups[group].rank == pytest.approx(1 if rank == "first" else mean)
        assert found.groups[group].score == pytest.approx(score)
        assert found.groups[group].first == score
        assert found.groups[group].chance.rank == pytest.approx((mean + 1) / 2)
    # exp(value) against 1 for [CLS] and every other word
    shares = [torch.tensor(value).exp().item() for _ in lengths]
    expected = [a / (a + n) for a, n in zip(shares, lengths, strict=True)]
    written = [x for x, s in zip(expected, SENTENCES, strict=True) if s.group == "written"]
    assert found.written.share == pytest.approx(sum(written) / len(written))


@pytest.mark.parametrize("tokenizer", [WHOLE, PIECES], ids=["whole", "pieces"])
def test_uniform_attention_is_at_the_chance_level_of_its_tokens(tokenizer):
    nothing = torch.zeros(len(tokenizer))
    found = look_at_pivots(Bag(nothing, nothing), tokenizer)
    for group in GROUPS:
        whole = found.groups[group]
        for part in (whole, whole.positive, whole.negative):
            assert part.share == pytest.approx(part.chance.share, abs=1e-6)
            if tokenizer is WHOLE:
                names = ("score", "rank", "first")
                assert [getattr(part, name) for name in names] == pytest.approx(
                    [getattr(part.chance, name) for name in names]
                )
        assert whole.pairs == 0.5


def test_measures_by_hand():
    pair = [s for s in SENTENCES if s.pair == SENTENCES[0].pair]
    words = [[w.text for w in WHOLE.words(s.text)] for s in pair]
    assert words[0][:2] == ["The", "wonderful"]
    salience = weights_of({"the": 2.0, "wonderful": 1.0, "terrible": -1.0, "soup": -1.0})
    found = look_at_pivots(Bag(NOTHING, salience), WHOLE, pair).template
    assert [found.positive.rank, found.negative.rank] == [2, len(words[0]) - 0.5]
    e = torch.tensor(1.0).exp().item()
    assert found.positive.score == pytest.approx((e - 1 / e) / (e**2 - 1 / e), abs=1e-6)
    assert found.score == pytest.approx(found.positive.score / 2, abs=1e-6)


def test_ranks_and_scores_do_not_care_how_sharp_and_how_offset():
    salience = torch.randn(len(WHOLE), generator=torch.Generator().manual_seed(0)).double()
    one = look_at_pivots(Bag(NOTHING, salience), WHOLE)
    sharper = look_at_pivots(Bag(NOTHING, 2 * salience), WHOLE)
    offset = look_at_pivots(Bag(NOTHING, salience + 5), WHOLE)
    assert sharper.sentences.rank == one.sentences.rank
    assert sharper.written.share != one.written.share
    assert offset.sentences == one.sentences
    with_itself = salience.clone()
    with_itself[2] = 9.0  # [CLS] takes nearly all, and the words keep their proportions
    selfish = look_at_pivots(Bag(NOTHING, with_itself), WHOLE)
    assert selfish.written.share < one.written.share / 10
    assert selfish.written.score == pytest.approx(one.written.score, abs=1e-3)


def test_pairs_are_ordered_by_logits_whatever_the_offset():
    knows = look_at_pivots(Bag(pivots(), NOTHING), WHOLE)
    assert [knows.groups[group].pairs for group in GROUPS] == [1, 1, 0]  # a bag knows no negation
    assert [knows.groups[group].accuracy for group in GROUPS] == [1, 1, 0]
    gloomy = pivots()
    gloomy[2] = -50.0
    found = look_at_pivots(Bag(gloomy, NOTHING), WHOLE)
    assert [found.groups[group].pairs for group in GROUPS] == [1, 1, 0]
    assert [found.groups[group].accuracy for group in GROUPS] == [0.5] * 3
    inverse = look_at_pivots(Bag(-pivots(), NOTHING), WHOLE)
    assert [inverse.groups[group].pairs for group in GROUPS] == [0, 0, 1]


def test_the_negation_is_measured_apart():
    negated = [s for s in SENTENCES if s.negation]
    words = {s.text[slice(*s.negation)]: 1.0 for s in negated}
    found = look_at_pivots(Bag(NOTHING, weights_of(words)), WHOLE, negated).negated
    assert found.negation.rank == 1
    assert found.rank > 2
    assert look_at_pivots(Bag(NOTHING, NOTHING), WHOLE).written.negation is None


def test_the_order_of_the_sentences_does_not_matter():
    model = classifier(WHOLE)
    shuffled = list(range(len(SENTENCES)))
    random.Random(0).shuffle(shuffled)
    one = look_at_pivots(model, WHOLE)
    other = look_at_pivots(model, WHOLE, [SENTENCES[i] for i in shuffled])
    assert other.written.pairs == one.written.pairs
    for group in GROUPS:
        for name in ("share", "score", "rank", "first"):
            of = (getattr(each.groups[group], name) for each in (other, one))
            assert next(of) == pytest.approx(next(of))
    for name, values in vars(one.sentences).items():
        found = getattr(other.sentences, name)
        assert found == pytest.approx([values[i] for i in shuffled], abs=2e-3)


def test_half_a_pair_and_a_pivot_out_of_reach_are_refused():
    with pytest.raises(ValueError, match=r"pair 0 is not whole: 'The wonderful soup"):
        look_at_pivots(classifier(WHOLE), WHOLE, SENTENCES[:1])
    with pytest.raises(ValueError, match=r"beyond the 5 tokens .* larger max_length"):
        look_at_pivots(Bag(NOTHING, NOTHING, length=5), WHOLE)


# ---- erasure ------------------------------------------------------------------------------------


def examples(tokenizer=WHOLE, count=40):
    chosen = [s for s in SENTENCES if len(s.text.split()) > 8][:count]
    labels = [(s.label + 1) // 2 for s in chosen]
    return [s.text for s in chosen], Sequences(tokenizer.encode([s.text for s in chosen]), labels)


def random_bag(tokenizer=WHOLE):
    draw = torch.Generator().manual_seed(1)
    return Bag(*torch.randn(2, len(tokenizer), generator=draw))


def test_erasing_nothing_changes_nothing():
    _, texts = examples()
    model = classifier(WHOLE)
    found = erase(model, WHOLE, texts, counts=(0,))
    logits = attend(model, texts.collate(torch.arange(40))[0][0], WHOLE).logits
    assert found.accuracy == ((logits > 0) == texts.labels.bool()).double().mean()
    assert found.logit == pytest.approx(logits.abs().mean().item(), rel=1e-5)
    for order in ORDERS:
        nothing = dict.fromkeys(("drop", "flipped", "tokens", "attention"), (0.0,))
        assert found.orders[order] == Erased(**nothing, accuracy=(found.accuracy,))


@pytest.mark.parametrize("tokenizer", [WHOLE, PIECES], ids=["whole", "pieces"])
@pytest.mark.parametrize("order", [order for order in ORDERS if order != "random"])
def test_a_bag_of_words_loses_the_weights_of_the_erased_words(order, tokenizer):
    counts = (1, 3, 8)
    written, texts = examples(tokenizer)
    model = random_bag(tokenizer)
    found = erase(model, tokenizer, texts, counts).orders[order]
    for column, count in enumerate(counts):
        drops, sizes, right = [], [], []
        for text, ids, label in zip(written, texts.ids, texts.labels, strict=True):
            attention = model.attention(ids[None])[-1][0, 0, 0]
            weight = model.tokens.weight[ids, 0]
            words = [word.tokens for word in tokenizer.words(text)]
            decided = weight.sum().sign()
            key = {
                "most attended": lambda w, a=attention: -a[w].sum(),
                "most attended per token": lambda w, a=attention: -a[w].mean(),
                "least attended": lambda w, a=attention: a[w].sum(),
                "gradient": lambda w, x=weight, s=decided: -s * x[w].sum(),
            }[order]
            gone = sorted(words, key=key)[:count]
            lost = sum(weight[w].sum() for w in gone)
            drops.append(decided * lost)
            sizes.append(float(sum(w.stop - w.start for w in gone)))
            right.append(((weight.sum() - lost) > 0) == label.bool())
        assert found.drop[column] == pytest.approx(torch.stack(drops).mean().item(), abs=1e-4)
        assert found.tokens[column] == pytest.approx(sum(sizes) / len(sizes))
        expected = torch.stack(right).double().mean().item()
        assert found.accuracy[column] == pytest.approx(expected, abs=1e-9)


def test_the_most_attended_words_have_the_most_attention():
    _, texts = examples(PIECES)
    orders = erase(random_bag(PIECES), PIECES, texts, counts=(1, 4)).orders
    for column in (0, 1):
        found = {order: orders[order].attention[column] for order in ORDERS}
        assert max(found, key=found.__getitem__) == "most attended"
        assert min(found, key=found.__getitem__) == "least attended"


def test_random_words_are_drawn_evenly_and_repeatably():
    _, texts = examples()
    model = random_bag()
    found = erase(model, WHOLE, texts, counts=(4,), draws=300)
    total = [model.tokens.weight[ids, 0] for ids in texts.ids]
    expected = [w.sum().sign() * w[1:].mean() * 4 for w in total]  # [CLS] stays
    mean = torch.stack(expected).mean().item()
    assert found.orders["random"].drop[0] == pytest.approx(mean, abs=0.1)
    assert found.orders["random"].tokens == (4.0,)
    assert erase(model, WHOLE, texts, counts=(4,)) == erase(model, WHOLE, texts, counts=(4,))
    other = erase(model, WHOLE, texts, counts=(4,), seed=1).orders
    assert other["random"] != found.orders["random"]
    assert other["gradient"] == found.orders["gradient"]


def test_other_words_keep_their_places():
    _, texts = examples(count=1)
    model, (ids,) = classifier(WHOLE), texts.ids
    first = attend(model, ids[None], WHOLE).shares[0, 1:].argmax() + 1
    kept = torch.arange(len(ids)) != first
    moved = copy.deepcopy(model)
    moved.positions.weight.data = model.positions.weight.data[: len(ids)][kept]
    drop = model(ids[None]) - moved(ids[kept][None])  # closed up, with the places they had
    found = erase(model, WHOLE, texts, counts=(1,)).orders["most attended"].drop[0]
    assert found == pytest.approx((drop * model(ids[None]).sign()).item(), abs=1e-5)


def test_batches_do_not_matter():
    _, texts = examples(PIECES)
    model = classifier(PIECES)
    one, many = (erase(model, PIECES, texts, counts=(1, 4), batch_size=b) for b in (1, 50))
    for order in set(ORDERS) - {"random"}:
        for name, values in vars(one.orders[order]).items():
            expected = getattr(many.orders[order], name)
            assert values == pytest.approx(expected, abs=1e-5), (order, name)
    assert all(weight.grad is None for weight in model.parameters())


def test_frozen_weights_have_gradients_too():
    _, texts = examples()
    model = classifier(WHOLE)
    expected = erase(model, WHOLE, texts, counts=(2,)).orders["gradient"]
    found = erase(model.requires_grad_(False), WHOLE, texts, counts=(2,)).orders["gradient"]
    for name, values in vars(found).items():
        assert values == pytest.approx(getattr(expected, name), rel=1e-4)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"counts": (-1, 2)}, r"counts must be >= 0 and draws >= 1, got \[-1, 2\] and 3"),
        ({"draws": 0}, "got .* and 0"),
        ({"counts": (30,)}, r"words, not more than the 30 to erase"),
    ],
)
def test_what_cannot_be_erased_is_refused(values, message):
    with pytest.raises(ValueError, match=message):
        erase(random_bag(), WHOLE, examples()[1], **values)


def test_texts_are_chosen_by_their_words_and_always_the_same():
    texts = Sequences(PIECES.encode(TEXTS), torch.arange(len(TEXTS)) % 2)
    chosen = choose_texts(texts, PIECES, more_than=20, count=30)
    rows = {tuple(ids.tolist()): i for i, ids in enumerate(texts.ids)}
    places = [rows[tuple(ids.tolist())] for ids in chosen.ids]
    assert len(set(places)) == 30
    assert places != sorted(places)
    assert all(len(PIECES.words(TEXTS[i])) > 20 for i in places)
    assert chosen.labels.tolist() == texts.labels[places].tolist()
    assert choose_texts(texts, PIECES, 20, 30).fingerprint == chosen.fingerprint
    enough = sum(len(PIECES.words(text)) > 20 for text in TEXTS)
    assert len(choose_texts(texts, PIECES, 20, 10_000)) == enough
    with pytest.raises(ValueError, match="none of the 480 texts has more than 99 words"):
        choose_texts(texts, PIECES, 99, 5)


# ---- favorites ----------------------------------------------------------------------------------


def favorites(model, tokenizer=WHOLE, **options):
    return find_favorites(model, tokenizer, examples(tokenizer, 200)[1], **options)


@pytest.mark.parametrize("tokenizer", [WHOLE, PIECES], ids=["whole", "pieces"])
def test_uniform_attention_is_one_equal_share_for_every_word(tokenizer):
    nothing = torch.zeros(len(tokenizer))
    found = favorites(Bag(nothing, nothing), tokenizer, count=10_000, least=1)
    assert len(found.words) > 100
    assert [shares for _, shares, _ in found.words] == pytest.approx([1] * len(found.words))
    assert [found.itself, found.breadth] == pytest.approx([1, 1], abs=1e-5)
    marked = found.marked
    assert [marked.shares, marked.others, marked.as_rare] == pytest.approx([1] * 3, abs=1e-5)
    if tokenizer is WHOLE:  # in pieces equal ones differ in their last digit
        assert found.marked.ahead == 0.5


@pytest.mark.parametrize("tokenizer", [WHOLE, PIECES], ids=["whole", "pieces"])
def test_favorites_word_by_word(tokenizer):
    """The slow twin: each reading by itself, the words as they are written."""
    written, texts = examples(tokenizer)
    model, marked = classifier(tokenizer), set(sorted(set(split_words(" ".join(TEXTS))))[::3])
    found = find_favorites(model, tokenizer, texts, marked, count=10_000, least=3, batch_size=7)
    shares, times, itself, breadth, ahead = {}, Counter(), [], [], []
    for text, reading in zip(written, read_texts(model, tokenizer, written), strict=True):
        pieces = [w.tokens.stop - w.tokens.start for w in tokenizer.words(text)]
        total, n = sum(share for _, share in reading.words), sum(pieces)
        of = [s / total * n / k for (_, s), k in zip(reading.words, pieces, strict=True)]
        words = [word.lower() for word, _ in reading.words]
        for word, share in zip(words, of, strict=True):
            shares.setdefault(word, []).append(share)
        times.update(words)
        itself.append(reading.itself * (n + 1))
        entropy = (m * k / n * math.log(m) for m, k in zip(of, pieces, strict=True))
        breadth.append(math.exp(-sum(entropy)))
        others = [m for word, m in zip(words, of, strict=True) if word not in marked]
        for word, m in zip(words, of, strict=True):
            if word in marked:
                ahead.append(sum(m > other for other in others) / len(others))
    assert {(w, n) for w, _, n in found.words} == {(w, n) for w, n in times.items() if n >= 3}
    for word, mean, _ in found.words:
        assert mean == pytest.approx(fmean(shares[word]), abs=1e-3)
    assert [found.itself, found.breadth] == pytest.approx([fmean(itself), fmean(breadth)])
    alike, sizes = [], []
    for word in marked & set(times):
        octave = math.floor(math.log2(times[word]))
        near = [w for w in set(times) - marked if math.floor(math.log2(times[w])) == octave]
        if near:
            alike.append(fmean(m for w in near for m in shares[w]))
            sizes.append(times[word])
    assert vars(found.marked) == pytest.approx(
        {
            "times": sum(times[word] for word in marked),
            "shares": fmean(m for word in marked & set(times) for m in shares[word]),
            "others": fmean(m for word in set(times) - marked for m in shares[word]),
            "as_rare": sum(a * n for a, n in zip(alike, sizes, strict=True)) / sum(sizes),
            "ahead": fmean(ahead),
        },
        rel=1e-4,
    )


def test_a_model_that_looks_at_pivots_has_them_for_favorites():
    found = favorites(Bag(NOTHING, 4 * pivots().abs()), count=10_000, least=1)
    favored = [word for word, shares, _ in found.words if shares > 1]
    assert set(favored) == sentiment_words() & {word for word, *_ in found.words}
    assert found.marked.ahead == 1
    assert found.marked.shares > 5 > 1 > found.marked.as_rare
    averse = favorites(Bag(NOTHING, -4 * pivots().abs())).marked
    assert averse.ahead == 0
    assert averse.shares < 0.1 < 1 < averse.others


@pytest.mark.parametrize("chosen", [1, 3])
def test_breadth_is_the_part_of_the_tokens_that_is_read(chosen):
    texts = Sequences(WHOLE.encode(["The wonderful soup came from my sister"]), [1])
    salience = weights_of(dict.fromkeys(["the", "soup", "sister"][:chosen], 60.0))
    found = find_favorites(Bag(NOTHING, salience), WHOLE, texts)
    assert found.breadth == pytest.approx(chosen / 7)


def test_rarity_explains_no_difference():
    """Who looks at rare words prefers pivots to the other words, but not to those as rare."""
    _, texts = examples(count=200)
    times = Counter(word for ids in texts.ids for word in spell(ids, WHOLE))
    salience = weights_of({word: -(math.log2(n) // 1) for word, n in times.items()})
    found = find_favorites(Bag(NOTHING, salience), WHOLE, texts).marked
    assert found.shares > 5 * found.others
    assert found.as_rare == pytest.approx(found.shares, rel=0.3)


def test_what_cls_keeps_does_not_matter_to_the_words():
    salience = torch.randn(len(WHOLE), generator=torch.Generator().manual_seed(0)).double()
    one = favorites(Bag(NOTHING, salience))
    salience[2] = 9.0
    selfish = favorites(Bag(NOTHING, salience))
    assert selfish.itself > 5 * one.itself
    assert vars(selfish.marked) == pytest.approx(vars(one.marked), rel=1e-3)
    assert selfish.breadth == pytest.approx(one.breadth, rel=1e-3)
    salience[2] = 999.0  # all of it
    assert favorites(Bag(NOTHING, salience)).marked.shares == 1


def test_words_that_do_not_occur_have_no_mean():
    found = favorites(random_bag(), marked={"zebra"}).marked
    assert found == MarkedWords(0, None, found.others, None, None)
    assert found.others == pytest.approx(1)
    with pytest.raises(ValueError, match="text 1 has no word"):
        find_favorites(random_bag(), WHOLE, Sequences(WHOLE.encode([TEXTS[0], ""]), [0, 1]))


def test_words_are_spelled_as_the_tokenizer_splits_them():
    for text in TEXTS[::7]:
        (ids,) = PIECES.encode([text])
        assert spell(ids, PIECES) == split_words(text)


# ---- a run --------------------------------------------------------------------------------------


def test_a_finished_run_is_measured_with_its_best_weights(stored):
    run = SentimentRun(
        data="imdb", optimizer="adam", lr=0.01, width=8, heads=2, hidden=8, vocabulary=200,
        epochs=3, batch_size=10,
    )  # fmt: skip
    train(run, stored / "run")
    found = look_inside(run, stored / "run", device="cpu")
    assert read(Inside, json.loads(json.dumps(plain(found), allow_nan=False))) == found
    model, tokenizer = run.load_trained(stored / "run", "best"), run.tokenizer(stored / "run")
    pivots = look_at_pivots(model, tokenizer)
    assert found.pivots.groups == pivots.groups
    assert found.pivots.sentences == BySentence(pivots.sentences.score)
    assert found.erasure.counts == COUNTS
    assert 0 < found.erasure.texts <= 30
    assert found.erasure.words > max(COUNTS)
    texts = run.sequences(load_encoded("imdb", 200, ["test"])[1]["test"], "test")
    texts = choose_texts(texts, tokenizer, max(COUNTS), CHOSEN)
    assert found.favorites == find_favorites(model, tokenizer, texts)
    with pytest.raises(FileNotFoundError):
        look_inside(replace(run, seed=1), stored / "other")
