# %% [markdown]
# You start today at **Meridian**, a bank. In two years it has put three machine-learning systems into
# production: a filter that keeps phishing out of the mailboxes, a model that scores card payments for
# fraud, and a chat assistant called *Meri*. Nobody has asked yet what an attacker could do with them. That
# is your first month: find out what can go wrong, show it, and explain it to the people who decide.
#
# You know systems, pipelines and attackers. You need little machine learning to begin; this month brings
# what you lack. You will
#
# 1. train the mail filter and learn to read its numbers,
# 2. break it, defend it, and break the defence,
# 3. sort the real incidents of ten years,
# 4. draw the *threat model* of Meridian's three systems: what can go wrong where,
# 5. work out four principles in code, and
# 6. brief the chief information security officer.
#
# **How a month works.** Text in locked cells explains. A cell that says `write your solution here` is
# yours. Run it, then run the check below it: the check tells you what is wrong, in words. More checks,
# which you do not see, run when your work is graded; they ask the same questions of other data. Add cells
# of your own wherever you like. Read [AI-SecOps/overview.md](../resources/AI-SecOps/overview.md) beside
# this notebook: it defines the terms, and [the glossary](../resources/AI-SecOps/glossary.md) lists them.

# %%
import builtins
import io
import json
import math
import pickle
import pickletools
import re
import tempfile
from collections import Counter
from functools import lru_cache
from pathlib import Path

import matplotlib.pyplot as plt
import networkx as nx
import numpy as np
import pandas as pd
from IPython.display import HTML
from matplotlib.colors import ListedColormap
from scipy.optimize import minimize
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupShuffleSplit, train_test_split

from aisecops import standards
from aisecops.targets import incidents, mail, meridian

plt.style.use("aisecops.course")


def show(table):
    """Show a data frame as a table without row numbers."""
    display(HTML(table.to_html(index=False, border=0)))


# %% [markdown]
# ## 1 · Machine learning for security people
#
# A *classifier* is a function with adjustable numbers in it. Meridian's filter takes a mail and returns a
# *score* between 0 and 1: how much the mail looks like phishing. The adjustable numbers are called
# *weights*, one for each word. *Training* sets them so that the scores fit a pile of mails that people have
# labelled. *Inference* is using the function afterwards.
#
# The pile is a corpus of mails to Meridian's staff and customer service. This course generates it, so no
# real person's mail is in it. Each row is one mail; `phish` is the label, 1 for phishing. Mails that were
# sent in one go (a phishing campaign, one issue of a newsletter) share their `campaign`.

# %%
corpus = mail.make_corpus()
print(
    f"{len(corpus):,} mails, {corpus.phish.mean():.0%} of them phishing, {corpus.campaign.nunique():,} campaigns"
)
_sample = corpus[["sent", "subject", "body", "phish"]].sample(6, random_state=3)
show(_sample.assign(body=_sample.body.str.replace("\n", " ").str[:160] + " …"))

# %% [markdown]
# The filter sees a mail as a *bag of words*: which words occur, not how often and in which order. Each word
# that occurs adds its weight. The sum goes through the logistic function, which squeezes it into 0 … 1:
#
# $$\text{score}(\text{mail}) = \frac{1}{1 + e^{-(b + \sum_{w \in \text{mail}} \text{weight}_w)}}$$
#
# $b$ is the *bias*, the score of an empty mail before squeezing. A word with a positive weight speaks for
# phishing, one with a negative weight against it. That is the whole model. It is old, fast, and still in
# use; and most of what you do to it here has its counterpart in models with a billion weights.
#
# Train it. The mails are cut in two: the model learns from `train`, and is judged on `test`, which it has
# never seen. The cut keeps each campaign on one side. You will soon see why.


# %%
@lru_cache(maxsize=5000)
def _analysed(text):
    return tuple(set(analyse(text)))


def words_of(text):
    """The words of a mail as the filter sees them: lower case, each once."""
    return set(_analysed(text))


def train_filter(texts, labels):
    """Logistic regression on a bag of words. Returns the weights by word, and the bias."""
    vectorizer = CountVectorizer(binary=True, min_df=3)
    model = LogisticRegression(max_iter=1000).fit(vectorizer.fit_transform(texts), labels)
    weights = dict(zip(vectorizer.get_feature_names_out(), model.coef_[0].round(6).tolist()))
    return weights, float(model.intercept_[0])


def score(text, weights, bias):
    """The filter's score of one mail, 0 (harmless) to 1 (phishing)."""
    # fsum gives the same sum whatever the order of the words
    total = bias + math.fsum(weights.get(word, 0.0) for word in words_of(text))
    return 1 / (1 + math.exp(-total))


analyse = CountVectorizer(binary=True).build_analyzer()

cut = GroupShuffleSplit(n_splits=1, test_size=0.25, random_state=7)
train_rows, test_rows = next(cut.split(corpus, groups=corpus.campaign))
train, test = corpus.iloc[train_rows], corpus.iloc[test_rows]

weights, bias = train_filter(train.text, train.phish)
test_scores = np.array([score(text, weights, bias) for text in test.text])
print(f"{len(weights):,} words have a weight")
print(f"accuracy on unseen campaigns: {np.mean((test_scores >= 0.5) == test.phish):.1%}")
print("speak most for phishing:", ", ".join(sorted(weights, key=weights.get)[-8:]))
print("speak most against it:  ", ", ".join(sorted(weights, key=weights.get)[:8]))
print("The filter knows which words went with which label. It does not know what they mean.")

# %%
figure, axes = plt.subplots()
bins = np.linspace(0, 1, 41)
axes.hist(test_scores[test.phish == 0], bins, label="legitimate", alpha=0.75)
axes.hist(
    test_scores[test.phish == 1],
    bins,
    label="phishing",
    alpha=0.75,
    hatch="///",
    edgecolor="white",
    linewidth=0,
)
axes.axvline(0.5, color="black", linestyle="--", label="threshold 0.5")
axes.set(
    xlabel="score",
    ylabel="mails (log scale)",
    yscale="log",
    title="The filter's scores on mails it has not seen",
)
axes.legend(loc="upper left", bbox_to_anchor=(0.53, 1))
plt.show()
print(
    f"In words: of {sum(test.phish == 1)} phishing mails {sum(test_scores[test.phish == 1] < 0.5)} score below 0.5; "
    f"of {sum(test.phish == 0)} legitimate ones {sum(test_scores[test.phish == 0] >= 0.5)} score 0.5 or more."
)

# %% [markdown]
# ### Accuracy is not the question
#
# The score becomes a decision through a *threshold*: flag the mail if its score is at or above it. Four
# things can then happen, and they cost the bank different things:
#
# | | flagged | delivered |
# |---|---|---|
# | **phishing** | true positive (TP) | false negative (FN): a miss |
# | **legitimate** | false positive (FP): a false alarm | true negative (TN) |
#
# - *Recall* TP / (TP + FN): the share of phishing that is caught. Also called true-positive rate.
# - *Precision* TP / (TP + FP): the share of flagged mails that really are phishing.
# - *False-positive rate* (FPR) FP / (FP + TN): the share of legitimate mails that is flagged.

# %% [markdown] exercise="rates" objective="m01.4" minutes=20 difficulty=1
# ### 1.1 Read a filter's numbers
#
# Write `rates(labels, scores, threshold)`. It returns a dictionary with `precision`, `recall` and `fpr` as
# floats.
#
# - `labels` is a sequence of 0 and 1, `scores` a sequence of floats of the same length.
# - A mail is flagged if its score is **at or above** the threshold.
# - Where the denominator is 0 (nothing flagged, no phishing, no legitimate mail), the rate is `0.0`.
#
# ```python
# rates([1, 1, 0, 0], [0.9, 0.2, 0.6, 0.1], 0.5)
# # {'precision': 0.5, 'recall': 0.5, 'fpr': 0.5}
# ```
#
# <details><summary>Hint 1</summary>
#
# Turn both sequences into NumPy arrays. `flagged = scores >= threshold` is then an array of booleans, and
# `(flagged & (labels == 1)).sum()` counts the true positives.
# </details>
# <details><summary>Hint 2</summary>
#
# Count TP, FP, FN and TN first. A small inner function `ratio(part, whole)` that returns 0.0 for an empty
# whole saves three `if`s.
# </details>


# %% solution="rates"
def rates(labels, scores, threshold):
    """Return precision, recall and false-positive rate of a filter at a threshold."""
    ### BEGIN SOLUTION
    labels, flagged = np.asarray(labels), np.asarray(scores) >= threshold

    def ratio(part, whole):
        return float(part.sum() / whole.sum()) if whole.sum() else 0.0

    caught = flagged & (labels == 1)
    return {
        "precision": ratio(caught, flagged),
        "recall": ratio(caught, labels == 1),
        "fpr": ratio(flagged & (labels == 0), labels == 0),
    }
    ### END SOLUTION


# %% tests="rates" points=4
_got = rates([1, 1, 0, 0], [0.9, 0.2, 0.6, 0.1], 0.5)
assert set(_got) == {"precision", "recall", "fpr"}, (
    f"return a dictionary with precision, recall and fpr, not {sorted(_got)}"
)
assert _got == {"precision": 0.5, "recall": 0.5, "fpr": 0.5}, (
    f"the example of the task should give 0.5 three times, not {_got}"
)
_got = rates([1, 1, 1, 0, 0], [0.9, 0.8, 0.6, 0.7, 0.1], 0.5)
assert math.isclose(_got["precision"], 0.75), (
    f"3 of 4 flagged mails are phishing, so precision is 0.75, not {_got['precision']}"
)
assert math.isclose(_got["recall"], 1.0), (
    f"all 3 phishing mails are flagged, so recall is 1, not {_got['recall']}"
)
assert math.isclose(_got["fpr"], 0.5), f"1 of 2 legitimate mails is flagged, so fpr is 0.5, not {_got['fpr']}"
assert rates([1, 0], [0.5, 0.2], 0.5)["recall"] == 1, (
    "a score equal to the threshold is flagged: compare with >="
)
try:
    _got = rates([0, 0], [0.1, 0.2], 0.5)
except ZeroDivisionError:
    _got = "a division by zero"
assert _got == {"precision": 0.0, "recall": 0.0, "fpr": 0.0}, (
    f"nothing is phishing and nothing flagged here: where the denominator is 0 the rate is 0.0; you got {_got}"
)
### BEGIN HIDDEN TESTS
_rng = np.random.default_rng(11)
for _n in (1, 7, 400):
    _y = (_rng.random(_n) < 0.3).astype(int)
    _s = _rng.random(_n).round(2)
    for _t in (0.0, 0.25, 0.5, 1.1):
        _tp = sum(1 for a, b in zip(_y, _s) if a == 1 and b >= _t)
        _fp = sum(1 for a, b in zip(_y, _s) if a == 0 and b >= _t)
        _want = {
            "precision": _tp / (_tp + _fp) if _tp + _fp else 0.0,
            "recall": _tp / _y.sum() if _y.sum() else 0.0,
            "fpr": _fp / (_n - _y.sum()) if _n - _y.sum() else 0.0,
        }
        for _data in ((_y, _s), (_y.tolist(), _s.tolist())):
            _got = rates(*_data, _t)
            for _name in _want:
                assert math.isclose(_got[_name], _want[_name], abs_tol=1e-9), (
                    f"{_name} is wrong for {_n} mails at threshold {_t}; mind empty denominators and lists as input"
                )
### END HIDDEN TESTS

# %% [markdown]
# ### What a threshold costs
#
# In the corpus, about two mails in five are phishing; someone collected it to train a model. In the real
# stream to Meridian it is one in a hundred or fewer. This share is the *base rate* or *prevalence*, and it
# decides what the numbers mean. Recall and FPR do not depend on it; precision does:

# %%
_labels, _points = test.phish.to_numpy(), np.linspace(0.001, 0.5, 200)
_flagged = test_scores >= 0.5
_recall, _fpr = _flagged[_labels == 1].mean(), _flagged[_labels == 0].mean()
figure, axes = plt.subplots()
axes.plot(_points * 100, _points * _recall / (_points * _recall + (1 - _points) * _fpr))
axes.set(xlabel="phishing in the stream (% of mails)", ylabel="precision", ylim=(0, 1.02))
axes.set_title(f"One filter, one threshold: recall {_recall:.0%}, FPR {_fpr:.1%}")
for _base in (0.01, 0.1, 0.4):
    _precision = _base * _recall / (_base * _recall + (1 - _base) * _fpr)
    axes.plot(_base * 100, _precision, "o", color="C1")
    axes.annotate(
        f"{_base:.0%} phishing\nprecision {_precision:.0%}",
        (_base * 100, _precision),
        (10, -8),
        textcoords="offset points",
        va="top",
    )
    print(
        f"In words: with {_base:.0%} phishing in the stream, {_precision:.0%} of the flagged mails are phishing."
    )
plt.show()

# Wilson's interval (1927): between which rates would so few false alarms be no surprise, 95 times in 100?
_n, _z = int(sum(_labels == 0)), 1.96
_middle, _half = _fpr + _z**2 / (2 * _n), _z * math.sqrt(_fpr * (1 - _fpr) / _n + _z**2 / (4 * _n**2))
_low, _high = (_middle - _half) / (1 + _z**2 / _n), (_middle + _half) / (1 + _z**2 / _n)
print(
    f"How sure is that? The FPR rests on {round(_fpr * _n)} false alarms among {_n} mails; it may well be {_low:.2%} or {_high:.1%}. "
    f"Precision at 1% phishing then lies between {0.01 * _recall / (0.01 * _recall + 0.99 * _high):.0%} "
    f"and {0.01 * _recall / (0.01 * _recall + 0.99 * _low):.0%}."
)

# %% [markdown] exercise="threshold" objective="m01.4" minutes=35 difficulty=2
# ### 1.2 Choose a threshold by what errors cost
#
# A missed phishing mail costs Meridian 400 on average (most are ignored, a few end in an incident). A false
# alarm costs 6: somebody looks at the quarantine, a customer waits. Write `cheapest_threshold(labels,
# scores, cost_miss, cost_alarm, prevalence)`: the threshold with the least *expected cost per mail* in a
# stream where a share `prevalence` of the mails is phishing:
#
# $$\text{cost} = \text{prevalence} \cdot (1 - \text{recall}) \cdot \text{cost}_\text{miss} + (1 - \text{prevalence}) \cdot \text{FPR} \cdot \text{cost}_\text{alarm}$$
#
# `labels` and `scores` come from a labelled test set whose own share of phishing is something else; that is
# why the formula uses recall and FPR. Flagging nothing at all (a threshold above every score) is allowed,
# and so is flagging everything. If several thresholds cost the same, return any of them. Returns a float.
# (In earnest, choose on a third set of mails, a *validation set*: a threshold that was chosen on the test
# set looks a little better there than it is.)
#
# <details><summary>Hint 1</summary>
#
# The cost changes only where the threshold passes a score. So it is enough to try each score that occurs,
# and one value above them all.
# </details>
# <details><summary>Hint 2</summary>
#
# With your `rates` from 1.1 the cost of one threshold is one line. `min(candidates, key=cost)` does the
# rest.
# </details>


# %% solution="threshold"
def cheapest_threshold(labels, scores, cost_miss, cost_alarm, prevalence):
    """Return the threshold with the least expected cost per mail."""
    ### BEGIN SOLUTION
    labels, scores = np.asarray(labels), np.asarray(scores)

    def cost(threshold):
        flagged = scores >= threshold
        recall = flagged[labels == 1].mean()
        fpr = flagged[labels == 0].mean()
        return prevalence * (1 - recall) * cost_miss + (1 - prevalence) * fpr * cost_alarm

    return float(min([*np.unique(scores), scores.max() + 1], key=cost))
    ### END SOLUTION


# %% tests="threshold" points=6
def _cost(labels, scores, threshold, cost_miss, cost_alarm, prevalence):
    labels, flagged = np.asarray(labels), np.asarray(scores) >= threshold
    miss, alarm = 1 - flagged[labels == 1].mean(), flagged[labels == 0].mean()
    return prevalence * miss * cost_miss + (1 - prevalence) * alarm * cost_alarm


_y, _s = [0, 0, 1, 0, 1, 1], [0.1, 0.3, 0.4, 0.6, 0.7, 0.9]
_t = cheapest_threshold(_y, _s, 100, 1, 0.5)
assert 0.3 < _t <= 0.4, (
    f"misses are dear here, so catch all three phishing mails with as few false alarms as possible (0.4), not {_t}"
)
_t = cheapest_threshold(_y, _s, 1, 100, 0.5)
assert 0.6 < _t <= 0.7, (
    f"false alarms are dear here, so the threshold is just above the last legitimate mail (0.7), not {_t}"
)
_t = cheapest_threshold(_y, _s, 100, 1, 1e-6)
assert 0.6 < _t <= 0.7, (
    f"phishing is very rare here, so no false alarm is worth it (0.7), not {_t}: use the prevalence, not the share in labels"
)
_t = cheapest_threshold([0, 1, 0], [0.2, 0.5, 0.9], 1, 900, 0.01)
assert _t > 0.9, (
    f"it is cheapest here to flag nothing (a threshold above 0.9), not {_t}: try one value above all scores"
)
### BEGIN HIDDEN TESTS
_t = cheapest_threshold([1, 0, 1], [0.2, 0.5, 0.9], 400, 6, 0.4)
assert _t <= 0.2, (
    "it is cheapest to flag everything where the lowest score is a dear miss: try every score, also the lowest"
)
_t = cheapest_threshold([0, 1, 0], [0.0, 0.5, 1.0], 1, 900, 0.01)
assert _t > 1, f"it is cheapest here to flag nothing, and a score may be 1: a threshold above 1, not {_t}"
_rng = np.random.default_rng(5)
for _prevalence in (0.002, 0.05, 0.4):
    for _miss, _alarm in ((400, 6), (50, 50), (1, 900)):
        _y = (_rng.random(300) < 0.4).astype(int)
        _s = np.clip(_rng.normal(0.35 + 0.25 * _y, 0.2), 0, 1).round(3)
        _t = cheapest_threshold(_y.tolist(), _s.tolist(), _miss, _alarm, _prevalence)
        _best = min(_cost(_y, _s, t, _miss, _alarm, _prevalence) for t in [*np.unique(_s), 2])
        _mine = _cost(_y, _s, _t, _miss, _alarm, _prevalence)
        assert _mine <= _best + 1e-9, (
            f"with a miss at {_miss}, an alarm at {_alarm} and prevalence {_prevalence} a cheaper threshold exists; "
            "try every score, and one threshold above them all"
        )
### END HIDDEN TESTS

# %%
figure, axes = plt.subplots()
_grid = np.unique(np.r_[test_scores, 1.01])
for _base, _style in ((0.01, "-"), (0.0005, "--")):
    _costs = [_cost(test.phish, test_scores, t, 400, 6, _base) for t in _grid]
    _best = cheapest_threshold(test.phish.tolist(), test_scores.tolist(), 400, 6, _base)
    _line = axes.plot(_grid, _costs, _style, label=f"{_base:.2%} phishing: cheapest at {_best:.2f}")[0]
    axes.plot(_best, _cost(test.phish, test_scores, _best, 400, 6, _base), "o", color=_line.get_color())
    print(f"In words: with {_base:.2%} phishing in the stream the cheapest threshold is {_best:.2f}.")
axes.set(
    xlabel="threshold",
    ylabel="expected cost per mail",
    yscale="log",
    title="The right threshold depends on the stream",
)
axes.legend()
plt.show()

# %% [markdown]
# ### The evaluation that was too good
#
# The filter was bought. In its acceptance report the vendor wrote "99 % accuracy on held-out mails". You
# ask for the code of the split, and get this:


# %%
def vendor_split(mails):
    """Hold out a quarter of the mails, chosen at random."""
    return train_test_split(mails, test_size=0.25, random_state=0)


_train, _test = vendor_split(corpus)
_weights, _bias = train_filter(_train.text, _train.phish)
_vendor = np.mean(
    [(score(text, _weights, _bias) >= 0.5) == label for text, label in zip(_test.text, _test.phish)]
)
_honest = np.mean((test_scores >= 0.5) == test.phish)
print(f"vendor's split: {_vendor:.1%} accurate   split by campaign: {_honest:.1%} accurate")
print(f"errors in 1,000 mails: {1000 * (1 - _vendor):.0f} against {1000 * (1 - _honest):.0f}")

# %% [markdown] exercise="leak" objective="m01.4" minutes=35 difficulty=2 standards=["AITG-MOD-06"]
# ### 1.3 Find the leak
#
# The same model, the same mails, and far fewer errors: the vendor's test set tells the model answers in
# advance. Mails of one campaign are near-copies. If some are in `train` and some in `test`, the model is
# asked what it has been told. This is *leakage*, a common reason why a model that shone in the report fails
# in production.
#
# Write two functions.
#
# - `leaked(train, test)` takes two data frames with the columns of `corpus` and returns the set of `id`s of
#   those **test** mails whose campaign also occurs in `train`.
# - `honest_split(mails, share, seed)` returns `(train, test)`: two data frames that together hold every
#   mail once, have no campaign in common, and where `test` holds about `share` of the **mails** (within 5
#   percentage points, for frames of 1,000 mails and more). The same seed gives the same split, another seed
#   another one.
#
# <details><summary>Hint 1</summary>
#
# `test[test.campaign.isin(train.campaign)]` selects the rows in question.
# </details>
# <details><summary>Hint 2</summary>
#
# scikit-learn has `GroupShuffleSplit`; the cell that trained the filter uses it. Campaigns differ in size,
# but there are enough of them that a share of the campaigns is close to a share of the mails.
# </details>


# %% solution="leak"
def leaked(train, test):
    """Return the ids of test mails whose campaign the model has already seen in train."""
    ### BEGIN SOLUTION
    return set(test.loc[test.campaign.isin(train.campaign), "id"])
    ### END SOLUTION


def honest_split(mails, share, seed):
    """Split mails by campaign into (train, test); test holds about the given share of them."""
    ### BEGIN SOLUTION
    split = GroupShuffleSplit(n_splits=1, test_size=share, random_state=seed)
    train_rows, test_rows = next(split.split(mails, groups=mails.campaign))
    return mails.iloc[train_rows], mails.iloc[test_rows]
    ### END SOLUTION


# %% tests="leak" points=3
_a = pd.DataFrame({"id": ["1", "2", "3"], "campaign": ["x", "x", "y"]})
_b = pd.DataFrame({"id": ["4", "5", "6"], "campaign": ["x", "z", "y"]})
_got = leaked(_a, _b)
assert set(_got) == {"4", "6"}, (
    f"mails 4 and 6 belong to campaigns that train knows; you returned {sorted(_got)}"
)
_mails = corpus[["id", "campaign", "phish"]]
_mine = _mails.loc[train.index], _mails.loc[test.index]
assert len(leaked(*_mine)) == 0, "the split by campaign above has no leak, but you found one"
_vendors = vendor_split(_mails)
print(f"{len(leaked(*_vendors)):,} of {len(_vendors[1]):,} mails in the vendor's test set leak")
### BEGIN HIDDEN TESTS
_rng = np.random.default_rng(3)
for _n in (50, 600):
    _mails = pd.DataFrame(
        {"id": [f"m{k}" for k in range(_n)], "campaign": [f"c{k}" for k in _rng.integers(0, _n // 4, _n)]}
    )
    _train, _test = _mails.iloc[: _n // 2], _mails.iloc[_n // 2 :].sample(frac=1, random_state=1)
    _seen = set(_train.campaign)
    _want = {row.id for row in _test.itertuples() if row.campaign in _seen}
    assert set(leaked(_train, _test)) == _want, (
        "return the ids of the test mails whose campaign is in train: all of them, and no others"
    )
### END HIDDEN TESTS

# %% tests="leak" points=4
_mails = corpus[["id", "campaign", "phish"]]
_ids = sorted(corpus.id.tolist())
for _share in (0.25, 0.6):
    _train, _test = honest_split(_mails, _share, 1)
    assert not set(_train.campaign) & set(_test.campaign), "a campaign is on both sides of your split"
    assert sorted(_train.id.tolist() + _test.id.tolist()) == _ids, (
        "every mail must be in train or in test, once"
    )
    assert abs(len(_test) / len(corpus) - _share) <= 0.05, (
        f"test should hold about {_share:.0%} of the mails, not {len(_test) / len(corpus):.0%}"
    )
assert set(honest_split(_mails, 0.6, 1)[1].id) == set(_test.id), "the same seed must give the same split"
assert set(honest_split(_mails, 0.6, 2)[1].id) != set(_test.id), "another seed must give another split"
### BEGIN HIDDEN TESTS
for _share, _seed in ((0.2, 4), (0.5, 9), (0.35, 123)):
    _train, _test = honest_split(_mails, _share, _seed)
    _again = honest_split(_mails, _share, _seed)[1]
    _other = honest_split(_mails, _share, _seed + 1)[1]
    assert not set(_train.campaign) & set(_test.campaign), "a campaign is on both sides of your split"
    assert sorted(_train.id.tolist() + _test.id.tolist()) == _ids, (
        "every mail must be in train or in test, once"
    )
    assert abs(len(_test) / len(corpus) - _share) <= 0.05, (
        f"test should hold about {_share:.0%} of the mails, not {len(_test) / len(corpus):.0%}"
    )
    assert set(_test.id) == set(_again.id), "the same seed must give the same split"
    assert set(_test.id) != set(_other.id), "another seed must give another split"
    assert 0.2 < _test.phish.mean() < 0.6, (
        "both classes should be in test in about the corpus' proportion: choose campaigns at random"
    )
### END HIDDEN TESTS

# %% [markdown]
# The gap between the two accuracies is the price of asking the wrong question. Meridian meets *new*
# campaigns every day, so only the split by campaign says what the filter will do tomorrow. Ask every vendor
# how the test set was cut: by user, by device, by campaign, by date? (The corpus has dates; a cut by `sent`
# is the other honest way. Try it in a cell of your own.) And note what even the honest number does not say.
# It assumes that tomorrow's phisher does not know the filter. The next part drops this assumption.

# %% [markdown]
# ## 2 · The first attack
#
# An *adversarial example* is an input made to be classified wrongly while it keeps its purpose. For mail
# the purpose is that a person acts on it. Words at the end of a long mail, in white on white or in a
# footer, do not disturb that. So the attacker may **add** words. This is the *good-word attack* (Lowd &
# Meek, *Good Word Attacks on Statistical Spam Filters*, CEAS 2005). It is evasion at inference time. *ATLAS*,
# MITRE's catalogue of what attackers of AI systems did, has it as technique AML.T0015 Evade AI Model.
#
# What an attacker *knows* decides how they attack. *White-box*: they have the model. *Black-box*: they can
# only ask it. NIST AI 100-2 E2025 keeps these apart as NISTAML.022 Evasion and NISTAML.025 Black-box
# Evasion. You do both.

# %%
caught = test[(test.phish == 1) & (test_scores >= 0.5)]
print(f"{len(caught)} phishing mails of the test set are caught at threshold 0.5. One of them:\n")
print(caught.iloc[4].text[:600])

# %% [markdown] exercise="good-words" objective="m01.2" minutes=45 difficulty=3 standards=["ML01:2023", "AML.T0015", "AML.T0043.000", "NISTAML.022"]
# ### 2.1 White-box: the fewest good words
#
# The weights have leaked. Write `good_words(weights, bias, present, threshold)`: the **shortest** list of
# words that, added to a mail, brings its score **below** the threshold (which lies between 0 and 1).
#
# - `weights` maps each word the filter knows to its weight; `present` is the set of words in the mail
#   already. A word that is present cannot be added again: the filter counts it once.
# - A present word that has no weight counts 0.
# - Leave `weights` and `present` as they are.
# - Return `[]` if the mail's score is below the threshold anyway, and `None` if no words can bring it
#   there.
#
# ```python
# weights = {"urgent": 2.0, "minutes": -1.5, "agenda": -0.4, "thanks": -0.9}
# good_words(weights, 0.0, {"urgent", "now"}, 0.5)     # ['minutes', 'thanks']: 2.0 − 1.5 − 0.9 < 0
# ```
#
# Keep the numbers apart: the threshold is on the score, the weights add up *before* the logistic function.
# A score below $t$ means a sum below $\ln \frac{t}{1-t}$.
#
# <details><summary>Hint 1</summary>
#
# Each added word lowers the sum by a fixed amount, whatever else is in the mail. Which word do you take
# first?
# </details>
# <details><summary>Hint 2</summary>
#
# Sort the words with negative weight that are not present, most negative first, and add until the sum is
# below the limit. Greedy is optimal here: no other choice of $k$ words lowers the sum more than the $k$
# most negative ones.
# </details>
# <details><summary>Hint 3</summary>
#
# `limit = math.log(threshold / (1 - threshold))`. Check `total < limit` before the first word, and again
# after each.
# </details>


# %% solution="good-words"
def good_words(weights, bias, present, threshold):
    """Return the shortest list of words that brings the mail below the threshold, or None."""
    ### BEGIN SOLUTION
    limit = math.log(threshold / (1 - threshold))
    total = bias + sum(weights.get(word, 0.0) for word in present)
    added = []
    for word in sorted(weights, key=weights.get):
        if total < limit:
            break
        if word not in present:
            total += weights[word]
            added.append(word)
    return added if total < limit else None
    ### END SOLUTION


# %% tests="good-words" points=8
def _is_shortest(weights, bias, present, threshold, got):
    """Say what is wrong with an answer; empty if it is right."""
    limit = math.log(threshold / (1 - threshold))
    total = bias + sum(weights.get(word, 0.0) for word in present)
    sums = total + np.cumsum(
        [0.0, *sorted(value for word, value in weights.items() if value < 0 and word not in present)]
    )
    need = next((k for k, value in enumerate(sums) if value < limit), None)
    if need is None:
        return (
            ""
            if got is None
            else "return None where no words suffice; compare the sum with ln(t / (1 - t)), not with the threshold t"
        )
    if got is None:
        return f"{need} words are enough here, but you returned None"
    if len(set(got)) != len(got) or set(got) & set(present) or not set(got) <= weights.keys():
        return "add each word once, only words that have a weight, and none that is present already"
    if not total + sum(weights[word] for word in got) < limit:
        return "with your words the score is still not below the threshold"
    return f"{need} words are enough here, you used {len(got)}" if len(got) > need else ""


_w = {"urgent": 2.0, "minutes": -1.5, "agenda": -0.4, "thanks": -0.9}
for _present, _b, _t in (
    ({"urgent"}, 0.0, 0.5), ({"urgent", "now"}, 0.0, 0.5), ({"urgent", "minutes"}, 0.0, 0.5), ({"agenda"}, 0.0, 0.5),
    ({"urgent"}, 0.0, 0.01), ({"urgent"}, 0.0, 0.8), ({"urgent"}, -1.0, 0.5),
):  # fmt: skip
    _given = dict(_w), set(_present)
    try:
        _got = good_words(_given[0], _b, _given[1], _t)
    except KeyError as error:
        raise AssertionError(
            f"the filter knows no word {error}: a present word that has no weight counts 0"
        ) from None
    assert _given == (_w, _present), "do not change the weights or the present words you are given"
    _problem = _is_shortest(_w, _b, _present, _t, _got)
    assert not _problem, f"mail with {sorted(_present)}, bias {_b}, threshold {_t}: {_problem}"
### BEGIN HIDDEN TESTS
_rng = np.random.default_rng(21)
for _k in range(40):
    _w = {f"w{j}": float(v) for j, v in enumerate(_rng.normal(0, 1, 40).round(2))}
    _present = {*_rng.choice(list(_w), 12, replace=False).tolist(), "unknown"}
    _b, _t = float(_rng.normal(0, 2)), float(_rng.choice([0.2, 0.5, 0.9]))
    _given = dict(_w), set(_present)
    _got = good_words(_given[0], _b, _given[1], _t)
    assert _given == (_w, _present), "do not change the weights or the present words you are given"
    _problem = _is_shortest(_w, _b, _present, _t, _got)
    assert not _problem, f"random filter, bias {_b:.2f}, threshold {_t}: {_problem}"
assert good_words({"a": 1.0}, -2.0, set(), 0.5) == [], "a mail that passes anyway needs no words"
assert good_words({"a": 1.0, "b": -2.0}, 2.0, set(), 0.5) is None, (
    "a score equal to the threshold is still flagged"
)
assert good_words({"b": -2.0}, 2.0, set(), 0.5) is None, (
    "with every word added the score equals the threshold, and is still flagged"
)
assert good_words({"b": -2.0, "c": -1.0}, 2.0, set(), 0.5) == ["b", "c"], (
    "a score equal to the threshold is still flagged, so one more word is needed"
)
for _text in caught.text.iloc[::25]:
    _problem = _is_shortest(
        weights, bias, words_of(_text), 0.5, good_words(weights, bias, words_of(_text), 0.5)
    )
    assert not _problem, f"a mail of the test set: {_problem}"
### END HIDDEN TESTS

# %%
needed = pd.Series([good_words(weights, bias, words_of(text), 0.5) for text in caught.text], index=caught.id)
_counts = np.array([np.inf if words is None else len(words) for words in needed])
_budgets = np.arange(0, 26)
figure, axes = plt.subplots()
axes.step(
    _budgets, [(_counts <= k).mean() for k in _budgets], where="post", label="the k best words for each mail"
)
_footer = sorted(weights, key=weights.get)[: _budgets[-1]]
_logits = np.array([bias + sum(weights.get(w, 0.0) for w in words_of(text)) for text in caught.text])
_gains = np.array([[weights[w] if w not in words_of(text) else 0.0 for w in _footer] for text in caught.text])
_after = np.c_[_logits, _logits[:, None] + np.cumsum(_gains, axis=1)]
axes.step(
    _budgets, (_after < 0).mean(axis=0), where="post", linestyle="--", label="the same k words in every mail"
)
axes.set(
    xlabel="words inserted",
    ylabel="evasion rate",
    ylim=(0, 1.03),
    title="Evasion rate against words inserted (white-box)",
)
axes.legend(loc="lower right")
plt.show()
print(
    f"In words: a median of {np.median(_counts):.0f} inserted words is enough; 10 words let "
    f"{(_counts <= 10).mean():.0%} of the caught phishing through, 20 words {(_counts <= 20).mean():.0%}."
)

# %% [markdown]
# A filter with an honest accuracy of well over 90 % lets most phishing through for the price of a footer.
# And the dashed line says that *one* footer serves all mails: the attacker works once. Accuracy measured
# how it does on mails that were written *without regard to it*. The share of attacks that succeed is called
# *attack success rate* (ASR). It always belongs to a named attacker: what they know, and what they may
# change.
#
# ### Without the weights
#
# Attackers rarely have the weights. They do have the filter: they send mails and look what arrives. This is
# an *oracle*. It answers one bit, costs time, and too many questions are noticed, so there is a *query
# budget*. Some systems tell more than a bit: in CVE-2019-20634 ("Proof Pudding"), mail headers carried the
# gateway's *scores*; researchers trained a copy of the filter on them and found the good words there.


# %%
class OverBudget(RuntimeError):
    """The attacker asked once too often."""


def make_oracle(budget, weights=weights, bias=bias):
    """An oracle that says whether a mail is flagged, and raises OverBudget after `budget` questions."""
    asked = 0

    def oracle(text):
        nonlocal asked
        asked += 1
        if asked > budget:
            raise OverBudget(f"more than {budget} questions")
        return score(text, weights, bias) >= 0.5

    oracle.asked = lambda: asked
    return oracle


everyday = mail.common_words()
print(f"{len(everyday)} everyday words an attacker might try:", ", ".join(everyday[:15]), "…")

# %% [markdown] exercise="black-box" objective="m01.2" minutes=50 difficulty=4 standards=["ML01:2023", "AML.T0043.001", "AML.T0042", "NISTAML.025"]
# ### 2.2 Black-box: good words by asking
#
# Write `black_box(text, oracle, words, budget)`. The attacker has one phishing mail, a list of everyday
# words, and an oracle: `oracle(some_text)` returns `True` if that text is flagged. At most `budget`
# questions may be asked; the next one raises.
#
# Return a mail that the oracle lets through: the original text with words **appended** (separated by
# spaces), all from `words`. Return `None` if you find none. Two things are graded, on mails and filters you
# have not seen, with a budget of 150:
#
# 1. *It gets through.* At least 70 % of the mails that the whole list can rescue pass, and never a question
#    too many. (5 points)
# 2. *It stays short.* The mails you get through carry at most four times as many words as a white-box
#    attacker with the same list needs, in the median. (4 points)
#
# <details><summary>Hint 1: how to get through</summary>
#
# Append all the words at once. Some of them speak for phishing, but most everyday words speak against it.
# If that passes, you have a mail that gets through, after one question. The rest is making it shorter.
# </details>
# <details><summary>Hint 2: how to get shorter</summary>
#
# Take words away as long as the mail still passes: first half of them, then quarters, then smaller groups,
# down to single words. If a mail still passes without a group, the group is gone for good. This is *delta
# debugging* (Zeller & Hildebrandt, 2002).
# </details>
# <details><summary>Hint 3: how to get shorter still</summary>
#
# Count your questions, and stop before the budget is spent. With what is left, try to swap: take two words
# out and put one other in; if the mail still passes, it is one word shorter. That is more than the check
# asks.
# </details>


# %% solution="black-box"
def black_box(text, oracle, words, budget):
    """Append words so that the oracle lets the mail through; return it, or None."""
    ### BEGIN SOLUTION
    asked = 0

    def passes(chosen):
        nonlocal asked
        asked += 1
        return not oracle(" ".join([text, *chosen]))

    present = words_of(text)
    chosen = [word for word in words if word not in present]
    if not passes(chosen):
        return None
    size = len(chosen) // 2
    while size >= 1 and asked < budget:
        start = 0
        while start < len(chosen) and asked < budget:
            shorter = chosen[:start] + chosen[start + size :]
            if passes(shorter):
                chosen = shorter
            else:
                start += size
        size //= 2
    return " ".join([text, *chosen])
    ### END SOLUTION


# %% tests="black-box" points=5
def _attack_results(mails, weights, bias, words, budget):
    """Attack each mail; return (evaded, words used, words a white-box attacker needs) for those that can be rescued."""
    results = []
    for text in mails:
        present = words_of(text)
        gains = sorted(weights.get(word, 0.0) for word in set(words) - present)
        total = bias + sum(weights.get(word, 0.0) for word in present)
        need = next((k for k, value in enumerate(total + np.cumsum([0.0, *gains])) if value < 0), None)
        if total < 0 or need is None or total + sum(gains) >= 0:
            continue
        oracle = make_oracle(budget, weights, bias)
        try:
            found = black_box(text, oracle, list(words), budget)
        except OverBudget:
            found = None
        assert oracle.asked() <= budget, (
            f"your attack asked more than {budget} questions: count them, and stop in time"
        )
        if found is None:
            results.append((False, 0, need))
            continue
        assert found.startswith(text), "return the original mail with words appended, nothing else changed"
        added = found[len(text) :].split()
        assert set(added) <= set(words), "append only words from the list"
        results.append((score(found, weights, bias) < 0.5, len(added), need))
    return results


_results = _attack_results(caught.text.iloc[:60:5], weights, bias, everyday, 150)
_rate = np.mean([evaded for evaded, _, _ in _results])
print(f"{len(_results)} mails: {_rate:.0%} get through")
assert _rate >= 0.7, (
    f"only {_rate:.0%} of the mails get through; hint 1 says how to get most of them through with one question"
)
### BEGIN HIDDEN TESTS
_half = train.sample(1500, random_state=8)
_w2, _b2 = train_filter(_half.text, _half.phish)
_words2 = everyday[::-1][:160]
_results2 = _attack_results(caught.text.iloc[1::56], _w2, _b2, _words2, 150)
_rate = np.mean([evaded for evaded, _, _ in _results2])
assert _rate >= 0.7, f"on another filter only {_rate:.0%} of the mails get through"
_rng = np.random.default_rng(31)
_w3 = {**weights, **dict(zip(everyday, _rng.normal(-0.4, 0.5, len(everyday)).tolist()))}
_rate = np.mean(
    [evaded for evaded, _, _ in _attack_results(caught.text.iloc[2::100], _w3, bias, everyday, 150)]
)
assert _rate >= 0.7, (
    f"on another filter only {_rate:.0%} of the mails get through: ask the oracle, it may know other words than the filter above"
)
for _budget in (1, 2, 20):
    _attack_results(caught.text.iloc[:3], weights, bias, everyday, _budget)
assert black_box(caught.text.iloc[0], make_oracle(150, {"zzz": 1.0}, 5.0), list(everyday), 150) is None, (
    "return None where no mail passes"
)
### END HIDDEN TESTS

# %% tests="black-box" points=4
assert "_results" in globals(), (
    "this check needs the results of the one above: run that one first, without a question too many"
)
_short = [(used, need) for evaded, used, need in _results if evaded]
_ratio = np.median([used / max(need, 1) for used, need in _short]) if _short else np.inf
print(
    f"words used: median {np.median([u for u, _ in _short]) if _short else 0:.0f}, white-box {np.median([n for _, n in _short]) if _short else 0:.0f}; ratio {_ratio:.2f}"
)
assert _ratio <= 4, (
    f"your mails carry {_ratio:.1f} times the words a white-box attacker needs; take words away again as long as the mail still passes"
)
### BEGIN HIDDEN TESTS
assert "_results2" in globals(), "the check above stopped before it came to another filter"
_short = [(used, need) for evaded, used, need in _results2 if evaded]
_ratio = np.median([used / max(need, 1) for used, need in _short]) if _short else np.inf
assert _ratio <= 4, (
    f"on another filter your mails carry {_ratio:.1f} times the words a white-box attacker needs"
)
### END HIDDEN TESTS

# %%
_rows = []
for _budget in (1, 10, 25, 50, 100, 150, 250):
    for _used, _ in [
        (u, n) for e, u, n in _attack_results(caught.text.iloc[:60:3], weights, bias, everyday, _budget) if e
    ]:
        _rows.append((_budget, _used))
_length = (
    pd.DataFrame(_rows, columns=["budget", "words"])
    .groupby("budget")
    .words.quantile([0.25, 0.5, 0.75])
    .unstack()
)
figure, axes = plt.subplots()
axes.fill_between(_length.index, _length[0.25], _length[0.75], alpha=0.25, label="middle half of the mails")
axes.plot(_length.index, _length[0.5], marker="o", label="median")
axes.set(
    xlabel="questions the attacker may ask",
    ylabel="words appended",
    ylim=(0, None),
    title="What questions buy: shorter mails (black-box)",
)
axes.legend()
plt.show()
print(
    f"In words: where the attack succeeds with {_length.index[0]} question(s), a mail carries "
    f"{_length[0.5].iloc[0]:.0f} extra words in the median, with {_length.index[-1]} questions {_length[0.5].iloc[-1]:.0f}."
)

# %% [markdown]
# ### A defence, and the attack on it
#
# Good words work because some weights are negative: there is evidence *for* innocence, and an attacker can
# manufacture it. So take it away. A *monotone* filter has no negative weights. Adding words can then only
# raise its score, and the attack of 2.1 is impossible, not just harder (Incer, Theodorides, Afroz & Wagner,
# *Adversarially Robust Malware Detection Using Monotonic Classification*, IWSPA 2018).
#
# A defence is judged on two axes at once: attacks blocked, *and* legitimate traffic passed. A filter that
# flags everything blocks every attack.

# %% [markdown] exercise="monotone" objective="m01.3" minutes=55 difficulty=4 standards=["ML01:2023", "AML.T0015", "AML.M0015"]
# ### 2.3 A filter that good words cannot move, and how it falls
#
# **a)** Write `train_monotone(texts, labels)`. It returns `(weights, bias)` like `train_filter`, with every
# weight ≥ 0. It must still be useful: on campaigns it has not seen it catches at least 88 % of the phishing
# at the threshold where 5 % of the legitimate mail is flagged. (5 points)
#
# **b)** Now attack it. Adding words is out, but the attacker can *change* them: `verify` becomes `verіfy`,
# with a Cyrillic і. A person reads the same word; the filter sees one it has never met. `LOOKALIKE` maps
# Latin letters to such twins. Write `obfuscate(text, weights, most)`: change letters in **at most `most`
# different words** so that the score falls as far as possible. Replace letters only by their `LOOKALIKE`,
# in every place where the chosen word stands as a whole word, in upper or lower case, and not inside longer
# words. (4 points)
#
# <details><summary>Hint 1 for a</summary>
#
# Clipping the negative weights of a trained filter to 0 is not enough: the positive ones were trained to be
# balanced by them. Train *under the constraint*.
# </details>
# <details><summary>Hint 2 for a</summary>
#
# `scipy.optimize.minimize(loss_and_gradient, start, jac=True, method="L-BFGS-B", bounds=[(0, None)] * n +
# [(None, None)])` minimises a function under bounds. The loss is $\sum_i \ln(1 + e^{-y_i z_i}) +
# \frac{1}{2}\lVert w \rVert^2$ with $z = Xw + b$ and $y_i = \pm 1$; its gradient in $z_i$ is $-y_i / (1 +
# e^{y_i z_i})$, and $X^\top$ times this, plus $w$, is the gradient in $w$. Keep $X$ sparse.
# </details>
# <details><summary>Hint for b</summary>
#
# The words worth changing are those in the mail with the largest weights. `analyse(text)` shows the words
# as the filter cuts them. Replace a word only where it stands whole: `re.sub(rf"\b{re.escape(word)}\b", …,
# text, flags=re.IGNORECASE)`.
# </details>

# %%
LOOKALIKE = dict(zip("aceiopsxyACEIOPSXY", "асеіорѕхуАСЕІОРЅХУ"))
print("verify" == "verіfy", sorted(words_of("Please verify")), sorted(words_of("Please verіfy")))


# %% solution="monotone"
def train_monotone(texts, labels):
    """Train a filter whose weights are all at least 0. Returns the weights by word, and the bias."""
    ### BEGIN SOLUTION
    vectorizer = CountVectorizer(binary=True, min_df=3)
    X = vectorizer.fit_transform(texts).astype(float)
    y = 2.0 * np.asarray(labels) - 1

    def loss_and_gradient(parameters):
        w, b = parameters[:-1], parameters[-1]
        margins = y * (X @ w + b)
        slope = -y / (1 + np.exp(margins))
        return np.logaddexp(0, -margins).sum() + w @ w / 2, np.append(X.T @ slope + w, slope.sum())

    bounds = [(0, None)] * X.shape[1] + [(None, None)]
    found = minimize(
        loss_and_gradient, np.zeros(X.shape[1] + 1), jac=True, method="L-BFGS-B", bounds=bounds
    ).x
    return dict(zip(vectorizer.get_feature_names_out(), found[:-1].tolist())), float(found[-1])
    ### END SOLUTION


def obfuscate(text, weights, most):
    """Change letters of at most `most` words into look-alikes so that the score falls as far as possible."""
    ### BEGIN SOLUTION
    strongest = sorted(
        (word for word in words_of(text) if weights.get(word, 0) > 0), key=lambda word: -weights[word]
    )
    changeable = [word for word in strongest if any(letter in LOOKALIKE for letter in word)]
    twin = str.maketrans(LOOKALIKE)
    for word in changeable[:most]:
        text = re.sub(
            rf"\b{re.escape(word)}\b", lambda match: match[0].translate(twin), text, flags=re.IGNORECASE
        )
    return text
    ### END SOLUTION


# %% tests="monotone" points=5
def _at_fpr(scores, labels, fpr=0.05):
    """Return (threshold, recall) where the given share of the legitimate mails is flagged."""
    scores, labels = np.asarray(scores), np.asarray(labels)
    threshold = np.quantile(scores[labels == 0], 1 - fpr)
    return threshold, (scores[labels == 1] > threshold).mean()


robust_weights, robust_bias = train_monotone(train.text.tolist(), train.phish.tolist())
assert isinstance(robust_weights, dict), (
    f"return the weights by word as a dictionary, not a {type(robust_weights).__name__}"
)
assert min(robust_weights.values()) >= 0, (
    "a weight is negative: an attacker can lower the score by adding that word"
)
robust_scores = [score(text, robust_weights, robust_bias) for text in test.text]
robust_threshold, _recall = _at_fpr(robust_scores, test.phish)
print(
    f"monotone filter: recall {_recall:.1%} at 5 % false positives; the unprotected one: {_at_fpr(test_scores, test.phish)[1]:.1%}"
)
assert _recall >= 0.88, (
    f"it catches only {_recall:.0%} of unseen phishing at 5 % false positives; the weights must be trained under the constraint, not changed afterwards"
)
### BEGIN HIDDEN TESTS
_rows_a, _rows_b = next(
    GroupShuffleSplit(1, train_size=0.4, test_size=0.2, random_state=99).split(corpus, groups=corpus.campaign)
)
# Every text backwards: the same task in words that nobody has seen.
_a, _b = (corpus.iloc[_rows].assign(text=lambda mails: mails.text.str[::-1]) for _rows in (_rows_a, _rows_b))
_w, _c = train_monotone(_a.text.tolist(), _a.phish.tolist())
assert min(_w.values()) >= 0, "on other data a weight is negative"
_recall = _at_fpr([score(text, _w, _c) for text in _b.text], _b.phish)[1]
assert _recall >= 0.86, (
    f"trained on other mails it catches only {_recall:.0%} at 5 % false positives; learn from the texts that are given"
)
for _text in _b[_b.phish == 1].text.iloc[:20]:
    assert score(_text + " " + " ".join(everyday), _w, _c) >= score(_text, _w, _c) - 1e-9, (
        "adding words lowers the score"
    )
### END HIDDEN TESTS


# %% tests="monotone" points=4
def _reads_the_same(before, after):
    """Whether a person reads the same text: look-alikes folded back."""
    back = {twin: letter for letter, twin in LOOKALIKE.items()}
    return "".join(back.get(letter, letter) for letter in after) == before


def _best_logit(text, weights, most):
    """The lowest sum of weights that changing `most` words can reach."""
    values = sorted(
        (
            weights.get(w, 0.0)
            for w in words_of(text)
            if any(c in LOOKALIKE for c in w) and weights.get(w, 0.0) > 0
        ),
        reverse=True,
    )
    return sum(weights.get(w, 0.0) for w in words_of(text)) - sum(values[:most])


_toy = {"urgent": 2.0, "verify": 3.0, "bank": 0.5, "thumb": 9.0}
_text = "URGENT: verify your bank by thumb, verify now, or reverify"
_got = obfuscate(_text, _toy, 1)
assert _reads_the_same(_text, _got), "change letters only into their LOOKALIKE; everything else stays"
assert "reverify" in words_of(_got), "change whole words only: verify inside reverify stays"
assert words_of(_got) & {"urgent", "verify", "bank"} == {"urgent", "bank"}, (
    "with one word to change, change the one with the largest weight that has a look-alike letter, wherever it stands"
)
_got = obfuscate(_text, _toy, 2)
assert _reads_the_same(_text, _got) and words_of(_got) & {"urgent", "verify", "bank"} == {"bank"}, (
    "with two words to change, URGENT is the second: capitals have look-alikes as well, and stay capitals"
)
assert obfuscate(_text, _toy, 0) == _text, "with no word to change, the text stays as it is"
### BEGIN HIDDEN TESTS
_w0 = {word: max(value, 0.0) for word, value in weights.items()}
for _text in caught.text.iloc[::25]:
    for _filter, _most in ((_w0, 0), (_w0, 1), (_w0, 5), (_w0, 12), (weights, 5), (weights, 200)):
        _got = obfuscate(_text, {word: _filter.get(word, 0.0) for word in words_of(_text)}, _most)
        assert _reads_the_same(_text, _got), "change letters only into their LOOKALIKE; everything else stays"
        assert len(words_of(_text) - words_of(_got)) <= _most, f"you changed more than {_most} words"
        _sum = sum(_filter.get(word, 0.0) for word in words_of(_got))
        assert _sum <= _best_logit(_text, _filter, _most) + 1e-6, (
            f"with {_most} words the score could fall further: take the words with the largest weights that have a look-alike letter"
        )
### END HIDDEN TESTS

# %%
_phish = test[test.phish == 1].text
_hit = [text for text in _phish if score(text, robust_weights, robust_bias) > robust_threshold]
_most = np.arange(0, 16)
_changed = [
    np.mean(
        [
            score(obfuscate(t, robust_weights, int(k)), robust_weights, robust_bias) <= robust_threshold
            for t in _hit[::4]
        ]
    )
    for k in _most
]
_added = [
    np.mean(
        [
            score(t + " " + " ".join(_footer[:k]), robust_weights, robust_bias) <= robust_threshold
            for t in _hit[::4]
        ]
    )
    for k in _most
]
figure, axes = plt.subplots()
axes.plot(_most, _changed, marker="o", label="changed into look-alikes")
axes.plot(_most, _added, marker="s", linestyle="--", label="good words added")
axes.set(
    xlabel="words",
    ylabel="evasion rate",
    ylim=(-0.03, 1.03),
    title="The monotone filter: one attack is dead, the next is not",
)
axes.legend(loc="center right")
plt.show()
print(
    f"In words: adding {_most[-1]} good words lets {_added[-1]:.0%} through, changing {_most[5]} words {_changed[5]:.0%}, changing {_most[-1]} words {_changed[-1]:.0%}."
)

# %% [markdown]
# Three things to keep from this part.
#
# - **A defence answers one attacker.** The monotone filter is *proof* against added words, and falls to
#   changed ones. Folding look-alikes back to Latin letters before scoring (Unicode's confusables table, UTS
#   #39) closes this door too, and the next attacker writes `ver ify`, or puts the text in an image.
# - **It has a price, and the price can be shopped for.** Compare the two recalls that the check printed:
#   robustness cost accuracy on ordinary traffic. How much depends on how the monotone model is trained; a
#   naive Bayes filter with its negative evidence set to zero pays less here. Measure it.
# - **Measure against an attacker who knows the defence.** An evaluation with yesterday's attack says little
#   (Carlini & Wagner, *Adversarial Examples Are Not Easily Detected*, 2017; Tramèr et al., *On Adaptive
#   Attacks*, 2020). Every month of this course comes back to this.

# %% [markdown]
# ## 3 · What really happened
#
# Evasion is one of many ways. This is the catalogue of the course: real events from 2016 to 2026, each with
# a source you can look up. Most were found out because somebody wrote about them; expect many that nobody
# wrote about.
#
# Three shared vocabularies sort them. You will meet them every month, so learn what each one answers:
#
# - **OWASP Top 10 lists**: *which weakness?* `LLM01:2026` … for applications of large language models
#   (LLM), `ML01:2023` … for machine learning. Ids are only good with their edition: eight of ten LLM ids
#   changed meaning between 2025 and 2026.
# - **MITRE ATLAS**: *what did the attacker do?* Tactics are goals (`AML.TA0004` Initial Access), techniques
#   are ways to reach them.
# - **NIST AI 100-2 E2025**: *which class of attack in theory?* (`NISTAML.022` Evasion.)

# %%
events = incidents.frame()
print(f"{len(events)} events, {events.year.min()} to {events.year.max()}")
show(events[["date", "title", "kind", "system", "consequence"]])

# %% [markdown]
# All but twelve of them come with labels from the vocabularies above. The twelve are your job.

# %%
UNSORTED = [
    "tay", "proof-pudding", "torchtriton", "samsung-source-code", "langchain-llmmath", "chatgpt-training-data",
    "malicious-pickles", "air-canada", "llmjacking", "echoleak", "replit-database", "claude-distillation",
]  # fmt: skip
for event in events[events.id.isin(UNSORTED)].itertuples():
    print(
        f"{event.id} ({event.date}): {event.title}\n    {event.happened}\n    entry: {event.entry}\n    consequence: {event.consequence}\n    {event.source}\n"
    )

# %%
CATALOGUE = {
    source: {id: standards.name(id) for id in standards.ids(source)}
    for source in ("OWASP LLM 2026", "OWASP ML 2023", "ATLAS tactics")
}
for source, entries in CATALOGUE.items():
    print(source, *(f"    {id:14} {name}" for id, name in entries.items()), sep="\n")

# %% [markdown] exercise="sort-incidents" objective="m01.1" minutes=70 difficulty=2 standards=["LLM01:2026", "LLM02:2026", "ML06:2023"]
# ### 3.1 Sort twelve incidents, and map them
#
# **a)** Write `classify()`. It returns a dictionary: for each id in `UNSORTED` a pair *(OWASP id, ATLAS
# tactic id)*.
#
# - The OWASP id names the **weakness** that made it possible, from either list.
# - The tactic is one that the attacker clearly reached; where nobody attacked (a leak by mistake, a wrong
#   answer), take the harm itself, `AML.TA0011` Impact. For example `nullifai` (model files with code in
#   them that passed a scanner): `("ML06:2023", "AML.TA0005")`.
#
# Some events fit more than one label, and every fair reading counts. Label all twelve; ten must be right,
# separately for OWASP (4 points) and for tactics (3 points). Read before you label: a title alone misleads.
#
# **b)** Write `tactic_matrix(labels, tactics)`. `labels` maps an incident's id to the list of tactics it
# reached; `tactics` lists all tactics in the order of the ATLAS matrix. Return a pandas data frame of 0 and
# 1 (integers): one row an incident in the order of `labels`, one column a tactic in the order of `tactics`,
# also for tactics that never occur. A tactic that is not in `tactics` raises a `ValueError` that names it.
# (4 points)
#
# ```python
# tactic_matrix({"a": ["T2"], "b": ["T1", "T2"]}, ["T1", "T2", "T3"])
# #    T1  T2  T3
# # a   0   1   0
# # b   1   1   0
# ```
#
# <details><summary>Hint 1 for a</summary>
#
# Ask three questions of each event. Whose *input* was trusted too much? Which *component* came from
# somebody else? What did the system *give away or do* that it should not have been able to?
# </details>
# <details><summary>Hint 2 for a</summary>
#
# A package or a model file that brings code with it is supply chain. A chatbot that is simply wrong is
# misinformation, and needs no attacker. A bill that somebody else runs up is unbounded consumption. An
# agent that deletes what it should not be able to delete has too much agency.
# </details>
# <details><summary>Hint for b</summary>
#
# A nested list comprehension makes the rows: `[[int(tactic in reached) for tactic in tactics] for reached
# in labels.values()]`. Look for strangers first.
# </details>


# %% solution="sort-incidents"
def classify():
    """Return {incident id: (OWASP id, ATLAS tactic id)} for the twelve unsorted incidents."""
    ### BEGIN SOLUTION
    return {
        "tay": ("ML02:2023", "AML.TA0011"),
        "proof-pudding": ("ML01:2023", "AML.TA0007"),
        "torchtriton": ("ML06:2023", "AML.TA0004"),
        "samsung-source-code": ("LLM02:2026", "AML.TA0011"),
        "langchain-llmmath": ("LLM10:2026", "AML.TA0005"),
        "chatgpt-training-data": ("LLM02:2026", "AML.TA0010"),
        "malicious-pickles": ("ML06:2023", "AML.TA0005"),
        "air-canada": ("LLM07:2026", "AML.TA0011"),
        "llmjacking": ("LLM06:2026", "AML.TA0013"),
        "echoleak": ("LLM01:2026", "AML.TA0010"),
        "replit-database": ("LLM03:2026", "AML.TA0011"),
        "claude-distillation": ("ML05:2023", "AML.TA0010"),
    }
    ### END SOLUTION


def tactic_matrix(labels, tactics):
    """Return the incident × tactic matrix as a data frame of 0 and 1."""
    ### BEGIN SOLUTION
    strangers = {tactic for reached in labels.values() for tactic in reached} - set(tactics)
    if strangers:
        raise ValueError(f"unknown tactics: {', '.join(sorted(strangers))}")
    rows = [[int(tactic in reached) for tactic in tactics] for reached in labels.values()]
    return pd.DataFrame(rows, index=list(labels), columns=tactics)
    ### END SOLUTION


# %% tests="sort-incidents" points=4
_answer = {key: (value,) if isinstance(value, str) else tuple(value) for key, value in classify().items()}
_missing = [id for id in UNSORTED if id not in _answer]
assert not _missing, f"no answer yet for {', '.join(_missing)}"
for _id, _pair in _answer.items():
    assert len(_pair) == 2, f"{_id}: give a pair (OWASP id, ATLAS tactic id), not {_pair}"
    assert any(_pair[0] in CATALOGUE[list_] for list_ in ("OWASP LLM 2026", "OWASP ML 2023")), (
        f"{_id}: {_pair[0]!r} is in neither OWASP list; write the id with its edition, such as LLM07:2026"
    )
print("every incident has an OWASP id; whether they fit is checked at grading")
### BEGIN HIDDEN TESTS
_accept = {
    "tay": "ML02:2023 ML08:2023 ML10:2023 LLM05:2026",
    "proof-pudding": "ML01:2023 ML05:2023 LLM02:2026",
    "torchtriton": "ML06:2023 LLM04:2026",
    "samsung-source-code": "LLM02:2026",
    "langchain-llmmath": "LLM10:2026 LLM01:2026 LLM03:2026",
    "chatgpt-training-data": "LLM02:2026 ML03:2023",
    "malicious-pickles": "ML06:2023 LLM04:2026 LLM05:2026 ML10:2023",
    "air-canada": "LLM07:2026",
    "llmjacking": "LLM06:2026 LLM02:2026",
    "echoleak": "LLM01:2026 LLM02:2026 LLM09:2026 LLM10:2026",
    "replit-database": "LLM03:2026",
    "claude-distillation": "ML05:2023 LLM06:2026",
}
_wrong = [id for id, labels in _accept.items() if _answer[id][0] not in labels.split()]
assert len(_wrong) <= 2, (
    f"{len(_wrong)} of 12 OWASP labels do not name the weakness; read again: {', '.join(_wrong)}"
)
### END HIDDEN TESTS

# %% tests="sort-incidents" points=3
_missing = [id for id in UNSORTED if id not in classify()]
assert not _missing, f"no answer yet for {', '.join(_missing)}"
for _id, _pair in classify().items():
    assert _pair[1] in CATALOGUE["ATLAS tactics"], (
        f"{_id}: {_pair[1]!r} is no ATLAS tactic; tactics look like AML.TA0004, techniques like AML.T0015 do not count here"
    )
print("every incident has an ATLAS tactic; whether they fit is checked at grading")
### BEGIN HIDDEN TESTS
_accept = {
    "tay": "06 11 00 04",
    "proof-pudding": "01 07 00 08 11 10",
    "torchtriton": "04 10 05 09 03",
    "samsung-source-code": "11 10",
    "langchain-llmmath": "05 04 12",
    "chatgpt-training-data": "10 00 03 09 07",
    "malicious-pickles": "05 04 01 03 06 14",
    "air-canada": "11",
    "llmjacking": "13 04 12 11 00 03 08",
    "echoleak": "05 04 10 03 06 07 09",
    "replit-database": "11 05 12",
    "claude-distillation": "10 00 03 11 09 04",
}
_wrong = [
    id for id, tactics in _accept.items() if classify()[id][1].removeprefix("AML.TA00") not in tactics.split()
]
assert len(_wrong) <= 2, (
    f"{len(_wrong)} of 12 tactics were not reached in the event as told; read again: {', '.join(_wrong)}"
)
### END HIDDEN TESTS

# %% tests="sort-incidents" points=4
_got = tactic_matrix({"a": ["T2"], "b": ["T1", "T2"]}, ["T1", "T2", "T3"])
assert list(_got.index) == ["a", "b"] and list(_got.columns) == ["T1", "T2", "T3"], (
    "rows are incidents, columns are all tactics, both in the order given"
)
assert _got.to_numpy().tolist() == [[0, 1, 0], [1, 1, 0]], (
    f"the example should give [[0, 1, 0], [1, 1, 0]], not {_got.to_numpy().tolist()}"
)
assert _got.to_numpy().dtype.kind in "iu", f"the cells are integers, not {_got.to_numpy().dtype}"
try:
    tactic_matrix({"a": ["T9"]}, ["T1"])
    _said = None
except Exception as error:
    _said = str(error) if isinstance(error, ValueError) else None
assert _said is not None, "a tactic that is not in the list must raise a ValueError"
assert "T9" in _said, "the message of the ValueError must name the unknown tactic"
### BEGIN HIDDEN TESTS
_rng = np.random.default_rng(17)
_tactics = [f"AML.TA{k:04}" for k in _rng.permutation(16)]
_labels = {
    f"event-{k}": [_tactics[j] for j in sorted(_rng.choice(12, _rng.integers(0, 5), replace=False))]
    for k in _rng.permutation(20)
}
_got = tactic_matrix(_labels, _tactics)
assert list(_got.index) == list(_labels) and list(_got.columns) == _tactics, (
    "keep the order of incidents and tactics, and all of them"
)
assert _got.to_numpy().tolist() == [[int(t in reached) for t in _tactics] for reached in _labels.values()], (
    "a cell is 1 if the incident reached the tactic, else 0"
)
assert tactic_matrix({"a": ["x", "x"]}, ["x"]).iloc[0, 0] == 1, (
    "a tactic that is listed twice still counts once"
)
### END HIDDEN TESTS

# %%
_labels = {row.id: row.tactics or [classify()[row.id][1]] for row in events.itertuples()}
_matrix = tactic_matrix(_labels, list(CATALOGUE["ATLAS tactics"]))
figure, axes = plt.subplots(figsize=(8.5, 10))
_mine = _matrix.mul([2 if id in UNSORTED else 1 for id in _matrix.index], axis=0)
axes.imshow(_mine, cmap=ListedColormap(["#F2F2F2", "#0072B2", "#E69F00"]), aspect="auto")
axes.set_xticks(
    range(len(_matrix.columns)),
    CATALOGUE["ATLAS tactics"].values(),
    rotation=55,
    ha="right",
    rotation_mode="anchor",
)
axes.set_yticks(range(len(_matrix)), [f"{row.id} ({row.year})" for row in events.itertuples()], fontsize=9)
axes.set_xticks(np.arange(len(_matrix.columns)) - 0.5, minor=True)
axes.set_yticks(np.arange(len(_matrix)) - 0.5, minor=True)
axes.grid(False)
axes.grid(which="minor", color="white", linewidth=1)
axes.tick_params(which="both", length=0)
axes.set_title("Which ATLAS tactics the incidents reached (orange: sorted by you)")
plt.show()
_top = _matrix.sum().sort_values(ascending=False)
print(
    "In words:",
    "; ".join(
        f"{CATALOGUE['ATLAS tactics'][id]} in {count} of {len(_matrix)}" for id, count in _top.head(4).items()
    ),
)

# %% [markdown]
# Read the map with care. Its columns are what got *reported*, by whom, and for which audience. Execution
# and impact make a story, so they are full; discovery, lateral movement and command and control stay inside
# the victim's network, so their columns are empty. It is a map of evidence, not of risk. Risk needs your
# own system: the next part.

# %% [markdown]
# ## 4 · The threat model of Meridian
#
# A *threat model* answers four questions: what are we working on, what can go wrong, what are we going to
# do about it, did we do a good job (Shostack, *Threat Modeling*, 2014). Month 2 is about nothing else. Here
# you do the first two for Meridian's three systems, as data.
#
# The description knows *elements* (people outside, processes, data stores, models, tools), each in a *trust
# zone*, and *flows* between them. A flow between two zones crosses a *trust boundary*: on its far side,
# somebody else decides what is sent. `value`, 1 to 5, is the worth of the best thing that lies at an
# element, and `stages` are the stages of the machine-learning life cycle it serves.

# %%
bank = meridian.load()
_worth = {asset.element: asset.value for asset in sorted(bank.assets, key=lambda asset: asset.value)}
ELEMENTS = [
    {"id": e.id, "kind": e.kind, "zone": e.zone, "stages": list(e.stages), "value": _worth.get(e.id, 1)}
    for e in bank.elements
]
FLOWS = [
    {"from": f.source, "to": f.target, "carries": f.carries, "authenticated": f.authenticated}
    for f in bank.flows
]
_table = pd.DataFrame(ELEMENTS)
_table["stages"] = _table.stages.str.join(", ")
show(_table)
print(
    f"{len(FLOWS)} flows, {sum(bank.crosses_boundary(f) for f in bank.flows)} of them cross a trust boundary, "
    f"{sum(not f.authenticated for f in bank.flows)} do not say for sure who sent them"
)

# %% [markdown]
# The rules below say what can go wrong where. They are few and coarse; that is what rules are like. A rule
# fits an element of its `kind` that serves its `stage`.

# %%
RULES = [
    {"threat": "AML.T0020", "kind": "data store", "stage": "data collection", "likelihood": 2},
    {"threat": "AML.T0010", "kind": "data store", "stage": "registry", "likelihood": 3},
    {"threat": "AML.T0018", "kind": "process", "stage": "training", "likelihood": 2},
    {"threat": "AML.T0015", "kind": "model", "stage": "inference", "likelihood": 3},
    {"threat": "AML.T0024", "kind": "model", "stage": "inference", "likelihood": 2},
    {"threat": "AML.T0053", "kind": "tool", "stage": "inference", "likelihood": 3},
    {"threat": "AML.T0029", "kind": "process", "stage": "inference", "likelihood": 2},
    {"threat": "AML.T0031", "kind": "process", "stage": "monitoring", "likelihood": 1},
]
show(pd.DataFrame([{**rule, "name": standards.name(rule["threat"])} for rule in RULES]))

# %% [markdown] exercise="threats" objective="m01.2" minutes=40 difficulty=3 standards=["AIRMF-MAP:1.0", "AML.T0020", "AML.T0053"]
# ### 4.1 Enumerate and rank
#
# Write `enumerate_threats(elements, flows, rules)`. It returns a list of dictionaries with the keys
# `element`, `threat`, `likelihood` and `risk`, one for each element and rule that fit:
#
# - A rule fits an element if the kinds are equal and the rule's `stage` is one of the element's `stages`.
# - The likelihood starts at the rule's. It rises by 1 if **some** flow *into* the element is not
#   authenticated, and by 1 if **some** flow into it comes from another zone. It never exceeds 5.
# - `risk` is the likelihood times the element's `value`.
#
# Order: highest risk first; equal risks by element id, then by threat id.
#
# <details><summary>Hint 1</summary>
#
# Make a dictionary `zone = {element["id"]: element["zone"] for element in elements}` first, and for each
# element the list of flows that have it as `"to"`.
# </details>
# <details><summary>Hint 2</summary>
#
# `any(not flow["authenticated"] for flow in incoming)` is `True` or `False`, and Python adds them as 1 and
# 0. Sort with `key=lambda t: (-t["risk"], t["element"], t["threat"])`.
# </details>


# %% solution="threats"
def enumerate_threats(elements, flows, rules):
    """Return every threat to every element, ranked by risk."""
    ### BEGIN SOLUTION
    zone = {element["id"]: element["zone"] for element in elements}
    threats = []
    for element in elements:
        incoming = [flow for flow in flows if flow["to"] == element["id"]]
        anyone = any(not flow["authenticated"] for flow in incoming)
        crossing = any(zone[flow["from"]] != element["zone"] for flow in incoming)
        for rule in rules:
            if rule["kind"] == element["kind"] and rule["stage"] in element["stages"]:
                likelihood = min(5, rule["likelihood"] + anyone + crossing)
                threats.append(
                    {
                        "element": element["id"],
                        "threat": rule["threat"],
                        "likelihood": likelihood,
                        "risk": likelihood * element["value"],
                    }
                )
    return sorted(threats, key=lambda t: (-t["risk"], t["element"], t["threat"]))
    ### END SOLUTION


# %% tests="threats" points=6
_elements = [
    {"id": "app", "kind": "process", "zone": "dmz", "stages": [], "value": 5},
    {"id": "store", "kind": "data store", "zone": "ml", "stages": ["data collection"], "value": 2},
    {"id": "model", "kind": "model", "zone": "ml", "stages": ["inference", "deployment"], "value": 4},
]
_flows = [
    {"from": "app", "to": "model", "carries": "x", "authenticated": True},
    {"from": "model", "to": "store", "carries": "y", "authenticated": False},
    {"from": "model", "to": "store", "carries": "also y", "authenticated": False},
    {"from": "model", "to": "store", "carries": "z", "authenticated": True},
    {"from": "model", "to": "app", "carries": "z", "authenticated": False},
]
_rules = [dict(rule) for rule in RULES]
_got = enumerate_threats(_elements, _flows, _rules)
assert len(_got) == 3, (
    f"three threats fit this small system (two to the model, one to the store), you found {len(_got)}"
)
assert _rules == RULES, "leave the rules as they are: work out each likelihood in a variable of its own"
_by_name = {(t["element"], t["threat"]): t for t in _got}
assert _by_name["model", "AML.T0015"]["likelihood"] == 4, (
    "evasion of the model starts at 3 and rises by 1, because a flow into it comes from another zone"
)
assert _by_name["store", "AML.T0020"]["likelihood"] == 3, (
    "poisoning of the store starts at 2 and rises by 1, because some flow into it is not authenticated; a second one adds nothing"
)
assert _by_name["model", "AML.T0015"]["risk"] == 16, "risk is likelihood times value: 4 × 4"
assert [t["risk"] for t in _got] == [16, 12, 6], (
    f"the highest risk comes first: 16, 12, 6, not {[t['risk'] for t in _got]}"
)
_sure = {"threat": "sure", "kind": "model", "stage": "inference", "likelihood": 5}
assert enumerate_threats(_elements, _flows, [_sure])[0]["likelihood"] == 5, "the likelihood never exceeds 5"
_deployed = {**_sure, "stage": "deployment"}
assert len(enumerate_threats(_elements, _flows, [_deployed])) == 1, (
    "a rule fits if its stage is one of the element's stages, not only the first"
)
assert len(enumerate_threats(_elements, _flows, [_sure, _deployed])) == 2, (
    "two rules with one threat that both fit an element make two entries: one for each element and rule"
)
try:
    _got = enumerate_threats(_elements, _flows, [{**_sure, "kind": "tool"}])
except Exception as error:
    _got = f"{type(error).__name__}: {error}"
assert _got == [], f"where no rule fits, return an empty list, not {_got}"


### BEGIN HIDDEN TESTS
def _reference(elements, flows, rules):
    by_id = {e["id"]: e for e in elements}
    found = []
    for e in elements:
        extra = {(True, True): 2, (True, False): 1, (False, True): 1, (False, False): 0}[
            (
                not all(f["authenticated"] for f in flows if f["to"] == e["id"]),
                not all(by_id[f["from"]]["zone"] == e["zone"] for f in flows if f["to"] == e["id"]),
            )
        ]
        for r in rules:
            if r["kind"] == e["kind"] and r["stage"] in e["stages"]:
                size = min(5, r["likelihood"] + extra)
                found.append((-size * e["value"], e["id"], r["threat"], size))
    return [{"element": i, "threat": t, "likelihood": s, "risk": -r} for r, i, t, s in sorted(found)]


def _key(threat):
    return threat["element"], threat["threat"]


_rng = np.random.default_rng(31)
_kinds, _stages = (
    ["data store", "process", "model", "tool", "external entity"],
    ["data collection", "registry", "training", "inference", "monitoring"],
)
for _k in range(25):
    _n = int(_rng.integers(2, 12))
    _elements = [
        {
            "id": f"e{j}",
            "kind": str(_rng.choice(_kinds)),
            "zone": str(_rng.choice(["a", "b"])),
            "value": int(_rng.integers(1, 6)),
            "stages": [str(s) for s in _rng.choice(_stages, _rng.integers(0, 4), replace=False)],
        }
        for j in _rng.permutation(_n)
    ]
    _flows = [
        {
            "from": f"e{_rng.integers(_n)}",
            "to": f"e{_rng.integers(_n)}",
            "carries": "",
            "authenticated": bool(_rng.random() < 0.6),
        }
        for _ in range(_rng.integers(0, 2 * _n))
    ]
    _rules = [{**r, "likelihood": int(_rng.integers(1, 6))} for r in RULES]
    _want = _reference(_elements, _flows, _rules)
    _got = enumerate_threats(_elements, _flows, _rules)
    assert sorted(map(_key, _got)) == sorted(map(_key, _want)), (
        "on another system you find other threats: kind and one of the stages must fit"
    )
    assert {_key(t): t["likelihood"] for t in _got} == {_key(t): t["likelihood"] for t in _want}, (
        "on another system a likelihood differs: only flows into the element count, each of the two conditions adds 1 (both together 2), and 5 is the limit"
    )
    assert [(_key(t), t["risk"]) for t in _got] == [(_key(t), t["risk"]) for t in _want], (
        "on another system risk or order differ: highest risk first, then element id, then threat id"
    )
### END HIDDEN TESTS

# %%
_ranked = pd.DataFrame(enumerate_threats(ELEMENTS, FLOWS, RULES))
_ranked["name"] = [standards.name(id) for id in _ranked.threat]
print(f"{len(_ranked)} threats; the ten with the highest risk:")
show(_ranked.head(10))

# %% [markdown]
# A ranking like this is a place to start, no more. Likelihood and value are guesses on a scale of five, and
# multiplying guesses makes them look exact (month 2 shows where such a matrix ranks wrongly). Its use is
# that it asks the same questions of *every* element. Look at what came out on top, and ask whether you
# would have thought of it.
#
# ### Paths, not points
#
# An attacker does not want the top of your list. They want the *crown jewel*, here the bookings of all
# accounts in the core ledger, and take whatever chain of steps is cheapest. Each step of `ATTACK_STEPS`
# says: who controls `from` can take control of `to`, for so many person-`days`, estimated. `ENTRIES` is
# where anybody may begin.

# %%
ATTACK_STEPS = [
    {"from": s.source, "to": s.target, "technique": s.technique, "days": s.days, "how": s.how}
    for s in bank.attack_steps
]
ENTRIES, JEWEL = list(bank.entry_points), bank.crown_jewel.element
print("entries:", ", ".join(ENTRIES), "\ncrown jewel:", JEWEL, f"({bank.crown_jewel.name})\n")
for step in ATTACK_STEPS[:6]:
    print(
        f"{step['from']:>12} → {step['to']:<16} {step['days']:>4} days  {step['technique']:14} {step['how']}"
    )
print(f"… and {len(ATTACK_STEPS) - 6} more")

# %% [markdown] exercise="paths" objective="m01.2" minutes=40 difficulty=3 standards=["AML.T0051", "AML.T0053", "AML.T0010"]
# ### 4.2 The cheapest paths to the crown jewel
#
# Write `cheapest_paths(steps, entries, jewel, count)`. It returns a list of pairs *(days, path)*: the
# `count` cheapest paths from any entry to the jewel, cheapest first. `path` is the list of elements from
# entry to jewel, `days` the sum over its steps.
#
# - A path visits no element twice. (No step leads into an entry.)
# - If several steps join the same two elements, an attacker takes the cheapest; the path counts once.
# - If there are fewer paths than `count`, return those there are; if none, an empty list.
# - Paths of equal cost may come in any order.
#
# <details><summary>Hint 1</summary>
#
# Put the steps into a `networkx.DiGraph`, keeping the cheapest of parallel ones.
# `nx.shortest_simple_paths(graph, source, target, weight="days")` yields paths from one source in order of
# cost (Yen's algorithm, 1971).
# </details>
# <details><summary>Hint 2</summary>
#
# For several entries: take the first `count` paths of each, join the lists, sort, cut. `itertools.islice`
# takes the first few of a generator. It raises `nx.NetworkXNoPath` where there is no path and
# `nx.NodeNotFound` for an unknown element.
# </details>


# %% solution="paths"
def cheapest_paths(steps, entries, jewel, count):
    """Return the cheapest simple paths from any entry to the jewel as (days, elements)."""
    ### BEGIN SOLUTION
    from itertools import islice

    graph = nx.DiGraph()
    for step in steps:
        known = graph.get_edge_data(step["from"], step["to"], {"days": math.inf})["days"]
        graph.add_edge(step["from"], step["to"], days=min(known, step["days"]))
    found = []
    for entry in entries:
        if entry in graph and jewel in graph and nx.has_path(graph, entry, jewel):
            for path in islice(nx.shortest_simple_paths(graph, entry, jewel, weight="days"), count):
                found.append((nx.path_weight(graph, path, "days"), path))
    return sorted(found)[:count]
    ### END SOLUTION


# %% tests="paths" points=6
_steps = [
    {"from": "in", "to": "a", "days": 1.0}, {"from": "a", "to": "gold", "days": 4.0}, {"from": "a", "to": "b", "days": 1.0},
    {"from": "b", "to": "gold", "days": 1.5}, {"from": "b", "to": "a", "days": 0.1}, {"from": "a", "to": "gold", "days": 5.0},
    {"from": "side", "to": "b", "days": 9.0},
]  # fmt: skip
_got = cheapest_paths(_steps, ["in", "side"], "gold", 2)
try:
    _got = [(float(days), list(path)) for days, path in _got]
except (TypeError, ValueError):
    raise AssertionError(f"return a list of pairs (days, path), the days first, not {_got}") from None
assert _got == [(3.5, ["in", "a", "b", "gold"]), (5.0, ["in", "a", "gold"])], (
    f"the two cheapest paths are in-a-b-gold (3.5) and in-a-gold (5.0, with the cheaper of two steps), not {_got}"
)
_got = cheapest_paths(_steps, ["in", "side"], "gold", 10)
assert len(_got) == 4, (
    f"there are four paths in all, two from in and two from side (parallel steps count once); you returned {len(_got)}"
)
for _entry, _jewel in (("in", "silver"), ("side", "in"), ("nowhere", "gold")):
    try:
        _got = cheapest_paths(_steps, [_entry], _jewel, 3)
    except Exception as error:
        _got = f"{type(error).__name__}: {error}"
    assert _got is not None and len(_got) == 0, (
        f"no path leads from {_entry} to {_jewel}, so return an empty list; you got {_got}"
    )


### BEGIN HIDDEN TESTS
def _all_paths(steps, entries, jewel):
    """Every simple path by plain search."""
    price = {}
    for s in steps:
        key = (s["from"], s["to"])
        price[key] = min(s["days"], price.get(key, math.inf))
    done, stack = [], [[e] for e in entries]
    while stack:
        path = stack.pop()
        if path[-1] == jewel:
            done.append((sum(price[p] for p in zip(path, path[1:])), path))
            continue
        stack += [[*path, b] for a, b in price if a == path[-1] and b not in path]
    return sorted(done)


_rng = np.random.default_rng(12)
for _k in range(20):
    _names = ["in", "door", *"abcde", "gold"]
    _steps = [
        {
            "from": str(_rng.choice(_names[:-1])),
            "to": str(_rng.choice(_names[2:])),
            "days": float(_rng.integers(1, 500)) / 32,
        }
        for _ in range(18)
    ]
    _steps = [s for s in _steps if s["from"] != s["to"]]
    _want = _all_paths(_steps, ["in", "door", "nowhere"], "gold")
    _got = [
        (float(days), list(path))
        for days, path in cheapest_paths(_steps, ["in", "door", "nowhere"], "gold", 3)
    ]
    assert len(_got) == min(3, len(_want)), (
        f"on another system there are {len(_want)} paths and 3 are asked for; you returned {len(_got)}"
    )
    assert [days for days, _ in _got] == [days for days, _ in _want[:3]], (
        "on another system your paths are not the cheapest, or not in order"
    )
    assert all((days, path) in _want for days, path in _got), (
        "on another system days and path do not belong together"
    )
    assert len({tuple(path) for _, path in _got}) == len(_got), "a path may appear once only"
_got = [(float(days), list(path)) for days, path in cheapest_paths(ATTACK_STEPS, ENTRIES, JEWEL, 3)]
assert _got == _all_paths(ATTACK_STEPS, ENTRIES, JEWEL)[:3], (
    "the three cheapest paths to Meridian's crown jewel are others"
)
### END HIDDEN TESTS

# %%
_paths = cheapest_paths(ATTACK_STEPS, ENTRIES, JEWEL, 3)
_columns = {"internet": 0, "dmz": 1, "staff": 1, "ml-platform": 2, "core-banking": 4}
_zone = {element["id"]: element["zone"] for element in ELEMENTS}
_used = [e["id"] for e in ELEMENTS if any(e["id"] in (s["from"], s["to"]) for s in ATTACK_STEPS)]
_place, _seen = {}, Counter()
for _id in _used:
    _column = _columns[_zone[_id]] + (_zone[_id] == "ml-platform" and _seen[2] > _seen[3])
    _place[_id] = (_column, -_seen[_column])
    _seen[_column] += 1
_place = {id: (x, (y + (_seen[x] - 1) / 2) * 7 / max(_seen[x], 1)) for id, (x, y) in _place.items()}
figure, axes = plt.subplots(figsize=(9.5, 6))
_arrow = {"arrowstyle": "-|>", "shrinkA": 24, "shrinkB": 24, "connectionstyle": "arc3,rad=0.08"}
for _step in ATTACK_STEPS:
    axes.annotate(
        "", _place[_step["to"]], _place[_step["from"]], arrowprops={**_arrow, "color": "#BBBBBB", "lw": 1}
    )
for _n, (_days, _path) in reversed(list(enumerate(_paths))):
    for _a, _b in zip(_path, _path[1:]):
        axes.annotate(
            "",
            _place[_b],
            _place[_a],
            arrowprops={
                **_arrow,
                "color": f"C{_n}",
                "lw": 4 - _n,
                "ls": ["-", "--", ":"][_n],
                "connectionstyle": f"arc3,rad={0.08 + 0.07 * _n}",
            },
        )
for _id, (_x, _y) in _place.items():
    axes.text(
        _x,
        _y,
        _id.replace("-", "-\n", 1) if len(_id) > 11 else _id,
        ha="center",
        va="center",
        fontsize=9,
        zorder=5,
        bbox={
            "boxstyle": "round,pad=0.35",
            "facecolor": "#FFF3CD" if _id == JEWEL else "white",
            "edgecolor": "#4D4D4D",
        },
    )
for _label, _x in {"internet": 0, "dmz and staff": 1, "ml-platform": 2.5, "core-banking": 4}.items():
    axes.text(_x, 4.1, _label, ha="center", style="italic")
for _x in (0.5, 1.5, 3.5):
    axes.axvline(_x, color="#4D4D4D", linestyle=(0, (1, 3)), linewidth=1)
for _n, (_days, _path) in enumerate(_paths):
    axes.plot(
        [],
        [],
        color=f"C{_n}",
        lw=4 - _n,
        ls=["-", "--", ":"][_n],
        label=f"{_days:g} days: {' → '.join(_path)}",
    )
axes.legend(loc="upper center", bbox_to_anchor=(0.5, 0.0), fontsize=9)
axes.set(
    xlim=(-0.5, 4.5),
    ylim=(-4, 4.5),
    title="Attack steps across Meridian's trust zones, and the three cheapest paths",
)
axes.axis("off")
plt.show()
for _days, _path in _paths:
    print(f"In words: {_days:g} days: {' → '.join(_path)}")

# %% [markdown]
# The first two paths share Meri and refund: a control there closes both. The third shares no step with
# them: it is where the attacker goes next, for the difference in price. Note also that 4.1 ranked `refund`
# low. Its rules do not know prompt injection, and the tool itself holds nothing of value; what counts is
# where it leads. And see which *kind* of step is missing: nobody breaks cryptography here.

# %% [markdown]
# ## 5 · Four principles, in code
#
# ### Never load what you cannot trust
#
# A trained scikit-learn or PyTorch model is often saved as a *pickle*. A pickle is not data. It is a
# program for a small stack machine, and one of its instructions calls any function that Python can import
# (CWE-502, Deserialization of Untrusted Data). The model registry of Meridian takes uploads from three
# teams and two vendors. Watch:


# %%
class FraudModelV2:
    """What the vendor's model file contains: an object that tells pickle how to rebuild it."""

    def __reduce__(self):
        return (exec, ("import builtins; builtins.canary = 'code from the file ran'",))


artefact = pickle.dumps(FraudModelV2(), protocol=4)
print("canary before loading:", getattr(builtins, "canary", "nothing ran"))
pickle.loads(artefact)  # a harmless canary; never do this with a file that is not your own
print("canary after loading: ", builtins.canary)
pickletools.dis(artefact)

# %% [markdown]
# Loading was enough; no method was called. The listing shows how. `STACK_GLOBAL` imports `builtins.exec`,
# `REDUCE` calls it. JFrog found about a hundred such models on a public hub in 2024 (`malicious-pickles` in
# your catalogue). Scanners look for *bad* names, and are passed by: with a name that is not on the list, or
# with a file that breaks the scanner but not the loader (`nullifai`, 2025). So turn it round and allow only
# the names that a model needs.

# %% [markdown] exercise="pickle-gate" objective="m01.3" minutes=60 difficulty=4 standards=["LLM04:2026", "ML06:2023", "AML.T0011.000", "AML.T0018.002", "CWE-502"]
# ### 5.1 A gate for model files
#
# **a)** Write `imports_of(data)`. It takes the bytes of a pickle and returns the set of names that loading
# it would import, as `"module.name"`, **without loading it**. If the bytes are not a complete pickle, or
# take a name from where you cannot see it (an extension code, something that is not a constant string),
# raise a `ValueError`: what cannot be read is refused. So are bytes after the end of the pickle. Give each
# name as it is written in the file (old protocols write `__builtin__.exec`). (6 points)
#
# Names reach a pickle in three ways:
#
# | opcode | where the name is |
# |---|---|
# | `GLOBAL` and `INST` | in its argument: `"module name"`, one space between |
# | `STACK_GLOBAL` | the two topmost strings on the stack: module, then name. Opcodes such as `POP` and `DUP` move the stack: follow them, or refuse. A string may come from the *memo* instead: `MEMOIZE`, `PUT`, `BINPUT` and `LONG_BINPUT` store the top of the stack, `GET`, `BINGET` and `LONG_BINGET` push it again |
# | `EXT1`, `EXT2`, `EXT4` | in a registry of the running process, so it cannot be read |
#
# **b)** Better than a gate is a format that holds no program. Write `to_safetensors(weights, bias)`, which
# returns bytes in the *safetensors* format: one tensor `weights` (float64, in sorted order of the words),
# one tensor `bias` (float64, one element), and the sorted words as a JSON list in the metadata under the
# key `words`. And `from_safetensors(data)`, which returns `(weights, bias)` again. (3 points)
#
# <details><summary>Hint 1 for a</summary>
#
# `pickletools.genops(data)` yields `(opcode, argument, position)` without running anything, and raises a
# `ValueError` itself when the pickle breaks off. `opcode.name` is the name.
# </details>
# <details><summary>Hint 2 for a</summary>
#
# Keep two things while you walk: a list `strings` of what was pushed (a string, or `None` for anything that
# is not one, and for every opcode that you do not follow, `POP` included), and a dictionary `memo`. The
# opcodes that push strings all have `"UNICODE"` or `"STRING"` in their name. `STACK_GLOBAL` needs
# `strings[-2:]`; `MEMOIZE` stores at key `len(memo)`.
# </details>
# <details><summary>Hint for b</summary>
#
# `safetensors.numpy.save(tensors, metadata={"words": json.dumps(words)})` returns bytes,
# `safetensors.numpy.load` the tensors. The metadata are in the header: the first 8 bytes hold its length as
# a little-endian integer, then follows JSON with the key `__metadata__`.
# </details>


# %% solution="pickle-gate"
def imports_of(data):
    """Return the names a pickle would import, without loading it. Raises ValueError if they cannot be read."""
    ### BEGIN SOLUTION
    names, pushed, memo = set(), [], {}
    for opcode, argument, position in pickletools.genops(data):
        if opcode.name in ("GLOBAL", "INST"):
            names.add(argument.replace(" ", "."))
            pushed.append(None)
        elif opcode.name == "STACK_GLOBAL":
            parts = pushed[-2:]
            if len(parts) < 2 or None in parts:
                raise ValueError("a name is not a constant string")
            names.add(".".join(parts))
            pushed.append(None)
        elif opcode.name in ("EXT1", "EXT2", "EXT4"):
            raise ValueError("an extension code hides the name")
        elif opcode.name == "MEMOIZE":
            memo[len(memo)] = pushed[-1] if pushed else None
        elif opcode.name in ("PUT", "BINPUT", "LONG_BINPUT"):
            memo[argument] = pushed[-1] if pushed else None
        elif opcode.name in ("GET", "BINGET", "LONG_BINGET"):
            pushed.append(memo.get(argument))
        elif "UNICODE" in opcode.name or "STRING" in opcode.name:
            pushed.append(argument)
        elif opcode.name != "FRAME":
            pushed.append(None)
    if position + 1 != len(data):
        raise ValueError("bytes follow the end of the pickle")
    return names
    ### END SOLUTION


def to_safetensors(weights, bias):
    """Return a filter as safetensors bytes."""
    ### BEGIN SOLUTION
    import safetensors.numpy

    words = sorted(weights)
    tensors = {
        "weights": np.array([weights[word] for word in words], dtype=np.float64),
        "bias": np.array([bias], dtype=np.float64),
    }
    return safetensors.numpy.save(tensors, metadata={"words": json.dumps(words)})
    ### END SOLUTION


def from_safetensors(data):
    """Return (weights, bias) of a filter saved by to_safetensors."""
    ### BEGIN SOLUTION
    import safetensors.numpy

    tensors = safetensors.numpy.load(data)
    length = int.from_bytes(data[:8], "little")
    words = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["words"])
    return dict(zip(words, tensors["weights"].tolist())), float(tensors["bias"][0])
    ### END SOLUTION


# %% tests="pickle-gate" points=6
_fired = Path(tempfile.mkdtemp()) / "fired"


class _Canary:
    """Leaves a file behind when somebody loads it."""

    def __reduce__(self):
        return (exec, (f"open({str(_fired)!r}, 'w').close()",))


for _protocol in (0, 2, 4, 5):
    _got = imports_of(pickle.dumps({"model": _Canary(), "note": "data"}, _protocol))
    assert not _fired.exists(), (
        "your function loaded the pickle: the canary fired. Read it with pickletools.genops instead"
    )
    _want = {"__builtin__.exec"} if _protocol < 3 else {"builtins.exec"}
    assert set(_got) == _want, (
        f"protocol {_protocol}: the pickle imports {_want}, you found {set(_got) or 'nothing'}"
    )
assert imports_of(pickle.dumps([1, "exec", {"a": 2.5}])) == set(), (
    "plain data imports nothing, even if it contains the word exec"
)
try:
    imports_of(pickle.dumps([1, 2, 3])[:-1])
    _refused = False
except ValueError:
    _refused = True
assert _refused, "a pickle that breaks off must raise a ValueError"
# This file pushes four strings and takes two away again. Who looks at the last two pushed sees a harmless name.
_hidden = b"\x80\x04\x8c\x08builtins\x8c\x04exec\x8c\x0bcollections\x8c\x0bOrderedDict00\x93."
try:
    _got = set(imports_of(_hidden))
except ValueError:
    _got = {"builtins.exec"}
assert _got == {"builtins.exec"}, (
    f"this pickle imports builtins.exec, because POP takes strings off the stack; you found {_got}. Follow the stack, or refuse"
)
### BEGIN HIDDEN TESTS
import collections
import datetime
import decimal


class _Recorder(pickle._Unpickler):
    """Python's own unpickler, noting each name as it is imported."""

    def __init__(self, data):
        super().__init__(io.BytesIO(data))
        self.seen = set()

    def find_class(self, module, name):
        self.seen.add(f"{module}.{name}")
        return super().find_class(module, name)


for _protocol in range(6):
    _things = [
        collections.OrderedDict(a=1),
        collections.Counter("abc"),
        decimal.Decimal("1.5"),
        datetime.date(2026, 1, 1),
        collections.OrderedDict(b=2),
        np.arange(3.0),
    ]
    _data = pickle.dumps([*_things, "os", "system"], _protocol)
    _recorder = _Recorder(_data)
    _recorder.load()
    _seen = _recorder.seen
    assert set(imports_of(_data)) == _seen, (
        f"protocol {_protocol}: loading imports {sorted(_seen)}, you found {sorted(imports_of(_data))}; mind strings that come from the memo"
    )
# the same name twice: the second time both strings come from the memo
_twice = b"\x80\x04\x8c\x05posix\x94\x8c\x06system\x94\x93\x940h\x00h\x01\x93."
assert set(imports_of(_twice)) == {"posix.system"}, (
    "a name whose strings come from the memo (BINGET) is an import too"
)
assert set(imports_of(b"(S'echo'\nios\nsystem\n.")) == {"os.system"}, "INST imports a name as well"
assert set(imports_of(b"\x80\x02U\x05posixq\x05U\x06systemq\x07h\x05h\x07\x93.")) == {"posix.system"}, (
    "BINPUT stores at the index it names, and old string opcodes count too"
)
for _opcodes, _bytes in (
    ("PUT and GET", b"\x80\x04Vposix\np5\nVsystem\np7\n00g5\ng7\n\x93."),
    ("LONG_BINPUT", b"\x80\x04Vposix\nr\x05\0\0\0Vsystem\nr\x07\0\0\0h\x05h\x07\x93."),
    ("LONG_BINGET", b"\x80\x04Vposix\nq\x05Vsystem\nq\x07j\x05\0\0\0j\x07\0\0\0\x93."),
):
    assert set(imports_of(_bytes)) == {"posix.system"}, f"{_opcodes} store and fetch strings in the memo, too"
for _bytes in (b"\x94N.", b"q\x01N."):
    try:
        imports_of(_bytes)
    except ValueError:
        pass
    except Exception as error:
        raise AssertionError(
            f"a pickle that stores the top of an empty stack leads to {type(error).__name__}; what cannot be read raises a ValueError"
        ) from None
for _what, _bytes in (
    ("an extension code", b"\x80\x02\x82\x01."),
    ("an extension code of two bytes", b"\x80\x02\x83\x01\x00."),
    ("an extension code of four bytes", b"\x80\x02\x84\x01\x00\x00\x00."),
    ("a name without a module", b"\x8c\x06system\x93."),
    ("a name from an empty stack", b"\x93."),
    ("bytes that are no pickle", b"not a pickle"),
    ("an empty file", b""),
    ("a second pickle behind the first", pickle.dumps([1]) + pickle.dumps(_Canary())),
    ("a name that is a number", b"\x80\x04K\x01K\x02\x93."),
):
    try:
        imports_of(_bytes)
        _refused = False
    except ValueError:
        _refused = True
    assert _refused, f"{_what} must raise a ValueError: what cannot be read is refused"
assert not _fired.exists(), "your function loaded a pickle: the canary fired"
### END HIDDEN TESTS

# %% tests="pickle-gate" points=3
import safetensors.numpy

_w, _b = {"verify": 1.25, "agenda": -0.5, "müller": 1 / 3}, -0.75
_data = to_safetensors(_w, _b)
_tensors = safetensors.numpy.load(bytes(_data))
assert set(_tensors) == {"weights", "bias"}, f"save the tensors weights and bias, not {sorted(_tensors)}"
assert _tensors["weights"].dtype == np.float64 and _tensors["weights"].tolist() == [-0.5, 1 / 3, 1.25], (
    "weights: float64, in the sorted order of the words (agenda, müller, verify)"
)
_header = json.loads(bytes(_data[8 : 8 + int.from_bytes(_data[:8], "little")])).get("__metadata__", {})
assert _header.get("words", "").replace(" ", "") in (
    '["agenda","m\\u00fcller","verify"]',
    '["agenda","müller","verify"]',
), f"the metadata key words holds the sorted words as a JSON list, not {_header}"
assert from_safetensors(_data) == (_w, _b), (
    f"what comes back must be exactly what went in, as a tuple of weights and bias, not {from_safetensors(_data)}"
)
### BEGIN HIDDEN TESTS
_rng = np.random.default_rng(2)
_w = {f'wörd{k}\n"': float(v) for k, v in enumerate(_rng.normal(size=200))}
_w = dict(sorted(_w.items(), key=lambda item: item[1]))
_data = bytes(to_safetensors(dict(_w), 3.5))
_length = int.from_bytes(_data[:8], "little")
_words = json.loads(json.loads(_data[8 : 8 + _length])["__metadata__"]["words"])
assert _words == sorted(_w), "the metadata key words holds the sorted words as a JSON list"
assert safetensors.numpy.load(_data)["bias"].tolist() == [3.5], "bias is a tensor of one element"
assert from_safetensors(_data) == (_w, 3.5), "what comes back must be exactly what went in"
_tensors = safetensors.numpy.load(bytes(to_safetensors({"b": -2, "a": 1}, 0)))
assert all(tensor.dtype == np.float64 for tensor in _tensors.values()), (
    "both tensors are float64, also where weights and bias are whole numbers"
)
for _k in range(8):  # headers of every length: safetensors pads them
    _w = {"w" * (_k + 1): 0.25}
    assert from_safetensors(to_safetensors(dict(_w), 1.0)) == (_w, 1.0), (
        "what comes back must be what went in"
    )
### END HIDDEN TESTS

# %%
import skops.io

_model = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
_names = imports_of(pickle.dumps(_model))
print("the pickle of an honest scikit-learn model imports", sorted(_names))
print("your gate lets it pass if these are allowed; the vendor's file wants", sorted(imports_of(artefact)))
_file = skops.io.dumps(_model)
print(
    "types that skops does not know and asks you to review:",
    skops.io.get_untrusted_types(data=_file) or "none",
)

# %% [markdown]
# Where a model is more than arrays, *skops* stores scikit-learn objects without a program: it rebuilds
# types from a list of trusted ones, and lists all others for you to review. PyTorch has loaded weights only
# by default since 2.6 (2025). And the limit of your gate: an allowed name can be misused by its arguments
# (`numpy.load` with a path, a regular expression that never ends). A gate narrows what a file can do; a
# signature says who made it; neither says that the model in it is *good*. Months 5 and 7 go on from here.

# %% [markdown]
# ### Defence in depth, if the layers differ
#
# "Three layers that each catch 90 % let one attack in a thousand through." That holds if the layers fail
# *independently*. Meridian has three: the word filter you trained; a second word filter, bought elsewhere,
# trained on other mails of other campaigns; and a rule that flags mail from senders it has never seen who
# ask for something by a link. Here is what each does to the phishing of the test set, after the attacker
# has put the six best words of the *first* filter into the footer.

# %%
_second = mail.make_corpus(seed=1)  # the mails of another bank
_second_weights, _second_bias = train_filter(_second.text, _second.phish)
_known_senders = set(train[train.phish == 0].sender.str.split("@").str[-1])
LAYERS = ["our word filter", "their word filter", "unknown sender with a link"]


def verdicts(texts, senders):
    """Return an array of shape (mails, layers) with 1 where a layer flags a mail."""
    domains = [sender.split("@")[-1] for sender in senders]
    flagged = [
        [
            score(t, weights, bias) >= 0.5,
            score(t, _second_weights, _second_bias) >= 0.5,
            d not in _known_senders and "http" in t,
        ]
        for t, d in zip(texts, domains)
    ]
    return np.array(flagged, dtype=int)


_phishing, _legitimate = test[test.phish == 1], test[test.phish == 0]
caught_by = verdicts([f"{text} {' '.join(_footer[:6])}" for text in _phishing.text], _phishing.sender)
_alarms = verdicts(_legitimate.text, _legitimate.sender)
for name, share, alarms in zip(LAYERS, caught_by.mean(axis=0), _alarms.mean(axis=0)):
    print(
        f"{name:28} catches {share:4.0%} of the attacked phishing, and flags {alarms:5.1%} of the legitimate mail"
    )

# %% [markdown] exercise="layers" objective="m01.3" minutes=30 difficulty=3 standards=["AML.M0015"]
# ### 5.2 What the layers are worth together
#
# Write `layers(caught)`. `caught` is an array of shape (attacks, layers) with 1 where a layer catches an
# attack. Return a dictionary:
#
# - `independent`: the share of attacks that would pass **all** layers if they failed independently (the
#   product of their miss rates),
# - `measured`: the share that really passes all of them,
# - `best_pair`: the two layers, as a tuple of column numbers in rising order, that together let the fewest
#   attacks through. On a tie the pair that comes first in order.
#
# <details><summary>Hint</summary>
#
# `missed = caught == 0`; `missed.mean(axis=0)` has the miss rates, `missed.all(axis=1).mean()` what passes
# all. `itertools.combinations(range(n), 2)` yields the pairs in order, and `min` keeps the first of equals.
# </details>


# %% solution="layers"
def layers(caught):
    """Return what passes all layers: if independent, as measured, and the best pair of layers."""
    ### BEGIN SOLUTION
    from itertools import combinations

    missed = np.asarray(caught) == 0
    pairs = combinations(range(missed.shape[1]), 2)
    return {
        "independent": float(missed.mean(axis=0).prod()),
        "measured": float(missed.all(axis=1).mean()),
        "best_pair": min(pairs, key=lambda pair: missed[:, pair].all(axis=1).sum()),
    }
    ### END SOLUTION


# %% tests="layers" points=5
_toy = np.array([[1, 1, 0], [0, 0, 1], [0, 0, 1], [1, 1, 0], [1, 0, 0], [0, 0, 0]])
_got = layers(_toy)
assert math.isclose(_got["independent"], 3 / 6 * 4 / 6 * 4 / 6), (
    f"the layers miss 3, 4 and 4 of 6 attacks, so independent layers let 2 of 9 pass (0.222), not {_got['independent']}"
)
assert math.isclose(_got["measured"], 1 / 6), f"one attack of six passes every layer, not {_got['measured']}"
assert tuple(_got["best_pair"]) == (0, 2), (
    f"layers 0 and 2 together miss one attack only, which is the fewest; you chose {_got['best_pair']}"
)
### BEGIN HIDDEN TESTS
_rng = np.random.default_rng(8)
for _k in range(20):
    _c = (_rng.random((40, 4)) < _rng.random(4)).astype(int)
    _c[:, 3] = np.where(_rng.random(40) < 0.8, _c[:, 0], _c[:, 3])
    _miss, _got = 1 - _c, layers(_c)
    assert math.isclose(_got["independent"], float(np.prod([m.mean() for m in _miss.T])), abs_tol=1e-9), (
        "independent is the product of the miss rates of all layers"
    )
    assert math.isclose(_got["measured"], float(np.mean([all(row) for row in _miss])), abs_tol=1e-9), (
        "measured is the share of attacks that every layer misses"
    )
    _joint = {(i, j): int((_miss[:, i] * _miss[:, j]).sum()) for i in range(4) for j in range(i + 1, 4)}
    assert tuple(_got["best_pair"]) == min(_joint, key=lambda pair: (_joint[pair], pair)), (
        "best_pair lets the fewest attacks through; of equals, the first in order"
    )
### END HIDDEN TESTS

# %%
_together = layers(caught_by)
figure, axes = plt.subplots(figsize=(7.5, 3.2))
_bars = {
    "our word filter alone": 1 - caught_by[:, 0].mean(),
    "both word filters, if independent": (1 - caught_by[:, :2].mean(axis=0)).prod(),
    "both word filters, measured": (caught_by[:, :2] == 0).all(axis=1).mean(),
    "all three, if independent": _together["independent"],
    "all three, measured": _together["measured"],
}
_drawn = axes.barh(list(_bars), list(_bars.values()), color=["C6", "C4", "C1", "C4", "C1"])
axes.bar_label(_drawn, [f"{value:.1%}" for value in _bars.values()], padding=4)
axes.invert_yaxis()
axes.grid(axis="y", visible=False)
axes.set(
    xlabel="attacked phishing that passes",
    xlim=(0, max(_bars.values()) * 1.15 + 0.01),
    title="Layers that fail together count as one",
)
plt.show()
_pair_independent, _pair_measured = list(_bars.values())[1:3]
print(
    f"In words: if independent, {_pair_independent:.0%} would pass both word filters and {_together['independent']:.0%} all three layers; "
    f"measured, it is {_pair_measured:.0%} and {_together['measured']:.0%}. "
    f"Best pair: {' and '.join(LAYERS[k] for k in _together['best_pair'])}."
)

# %% [markdown]
# Two filters that learned from similar mails have similar blind spots: what gets past one gets past the
# other. And look at the false alarms above: the rule about senders is the best partner, and it flags far
# more honest mail than any bank would stand. A layer is judged on both axes, like every defence. A second
# layer is worth its price where it looks at *something else*: the sender instead of the words, the action
# instead of the text. Ask of each new layer which attack it catches that the others miss, and measure that.

# %% [markdown]
# ### Least privilege, from evidence
#
# On your two cheapest paths Meri refunds money to accounts of accomplices. Must she be able to? *Least
# privilege* says: a component gets the rights that its task needs, and no others. For agents the OWASP list
# calls the opposite excessive agency (LLM03:2026). What does she need? The log of a month says it: each row
# is one call of a tool, whose accounts it may touch (`scope`), reading or writing (`access`), and whether
# the task could not have been done without it (`needed`, judged by the owner of the process).

# %%
tool_log = meridian.tool_log()
print(f"{len(tool_log)} calls in a month")
show(tool_log.head(5))
show(tool_log.groupby(["tool", "scope", "access"]).needed.agg(calls="count", needed="sum").reset_index())

# %% [markdown] exercise="least-privilege" objective="m01.3" minutes=25 difficulty=2 standards=["LLM03:2026", "AML.T0053"]
# ### 5.3 Grants from a log
#
# A *right* is a triple `(tool, scope, access)`. Write `grants(log, least)`, which sorts every right that
# occurs in the log into one of three lists and returns them in a dictionary:
#
# - `grant`: needed at least `least` times;
# - `ask`: needed, but fewer than `least` times. A person confirms each call;
# - `revoke`: used, and never needed.
#
# Each list is sorted and holds tuples, each right once. `log` is a data frame with the columns shown above;
# `least` is 1 or more. Count only calls that were needed.
#
# <details><summary>Hint</summary>
#
# `log.groupby(["tool", "scope", "access"]).needed.sum()` counts the needed calls of each right; iterate
# over its `.items()`.
# </details>


# %% solution="least-privilege"
def grants(log, least):
    """Sort the rights in a log into grant, ask and revoke."""
    ### BEGIN SOLUTION
    sorted_rights = {"grant": [], "ask": [], "revoke": []}
    for right, needed in log.groupby(["tool", "scope", "access"]).needed.sum().items():
        verdict = "grant" if needed >= least else "ask" if needed else "revoke"
        sorted_rights[verdict].append(right)
    return sorted_rights  # groupby has sorted the rights
    ### END SOLUTION


# %% tests="least-privilege" points=4
_log = pd.DataFrame(
    [("mail", "own", "write", True)] * 3
    + [("help", "own", "read", True)] * 4
    + [("mail", "any", "write", False)] * 5
    + [("look", "any", "read", True)]
    + [("look", "any", "read", False)] * 9,
    columns=["tool", "scope", "access", "needed"],
)
_got = grants(_log, 3)
assert set(_got) == {"grant", "ask", "revoke"}, (
    f"return the three lists grant, ask and revoke, not {sorted(_got)}"
)
for _verdict, _rights in _got.items():
    assert isinstance(_rights, list), f"{_verdict} is a list, not a {type(_rights).__name__}"
    assert all(not isinstance(right, str) and len(right) == 3 for right in _rights), (
        f"a right is a triple (tool, scope, access); {_verdict} holds {_rights}"
    )
_got = {verdict: [tuple(right) for right in rights] for verdict, rights in _got.items()}
assert all(len(set(rights)) == len(rights) for rights in _got.values()), (
    "name each right once, not once a call"
)
assert ("mail", "own", "write") not in _got["ask"], "a right that was needed exactly `least` times is granted"
assert _got["ask"] == [("look", "any", "read")], (
    "a right that was used ten times but needed once is one to ask for: count needed calls only"
)
assert sorted(_got["grant"]) == [("help", "own", "read"), ("mail", "own", "write")], (
    "two rights are granted here; one of them was needed exactly `least` times"
)
assert _got["grant"] == sorted(_got["grant"]), "each list is sorted"
assert _got["revoke"] == [("mail", "any", "write")], (
    f"a right that was used and never needed is revoked, and no other: here mail (any, write), not {_got['revoke']}"
)
### BEGIN HIDDEN TESTS
_rng = np.random.default_rng(6)
for _k in range(10):
    _rows = [
        (
            str(_rng.choice(["a", "b", "c"])),
            str(_rng.choice(["own", "any"])),
            str(_rng.choice(["read", "write"])),
            bool(_rng.random() < _rng.choice([0, 0.2, 0.9])),
        )
        for _ in range(60)
    ]
    _log = pd.DataFrame(_rows, columns=["tool", "scope", "access", "needed"])
    for _least in (1, 4):
        _needed = Counter(row[:3] for row in _rows if row[3])
        _want = {"grant": [], "ask": [], "revoke": []}
        for _right in sorted({row[:3] for row in _rows}):
            _want[
                "revoke" if not _needed[_right] else "grant" if _needed[_right] >= _least else "ask"
            ].append(_right)
        _got = {
            verdict: [tuple(right) for right in rights] for verdict, rights in grants(_log, _least).items()
        }
        assert _got == _want, (
            f"on another log with least={_least} a right is in the wrong list, or a list is not sorted"
        )
### END HIDDEN TESTS

# %%
_rights = grants(tool_log, 5)
for verdict, rights in _rights.items():
    print(
        f"{verdict:7}", *(f"{tool} ({scope}, {access})" for tool, scope, access in rights), sep="\n        "
    )

# The cheapest paths use refund and run_report on accounts of others: without that right, Meri cannot take those steps.
_closed = {
    tool for verdict in ("ask", "revoke") for tool, scope, _ in _rights[verdict] if scope == "any-account"
}
_limited = [step for step in ATTACK_STEPS if not (step["from"] == "meri" and step["to"] in _closed)]
_gated = [step for step in _limited if (step["from"], step["to"]) != ("model-registry", "inference-server")]
print()
for _what, _steps in (
    ("as it is", ATTACK_STEPS),
    ("with these grants", _limited),
    ("and the gate of 5.1", _gated),
):
    _days, _path = cheapest_paths(_steps, ENTRIES, JEWEL, 1)[0]
    print(f"cheapest path {_what:20} {_days:4g} days: {' → '.join(_path)}")

# %% [markdown]
# The gate of 5.1 alone would change nothing, the grants alone are worth 1.5 days, both together 3.5: close
# one path, and the next one is the cheapest. Two warnings. A log shows what was used in one month; a rare
# task, such as an inheritance, may be missing. And a right that remains can be abused: `refund` on the
# customer's own account is needed every day, and an injected instruction may use it every day. Least
# privilege bounds the damage. It does not prevent the attack.

# %% [markdown]
# ## 6 · Milestone: explain it
#
# > *Can explain AI security threats and principles.*
#
# Nadia Okafor, Meridian's chief information security officer, has fifteen minutes and one page. She knows
# security and no machine learning. She will decide on money and on people by what you write.

# %% [markdown] exercise="briefing" objective="m01.1" minutes=90 difficulty=3 standards=["LLM01:2026", "ML01:2023"] milestone=true
# ### 6.1 The briefing to the CISO
#
# **a)** Collect your evidence. Write `evidence()`, which returns a dictionary of four numbers, each
# computed with what you built this month and not rounded (4 points):
#
# - `recall` and `fpr`: of the filter (`weights`, `bias`) on `test` at threshold 0.5, with your `rates`;
# - `median_words`: the median number of words a white-box attacker inserts into a mail of `caught` so that
#   it passes at threshold 0.5, with your `good_words` (mails that no words rescue count as infinitely many:
#   `math.inf`);
# - `cheapest_days`: the cost in person-days of the cheapest path to Meridian's crown jewel, with your
#   `cheapest_paths`.
#
# **b)** Write the briefing in the cell below the check: one page, 350 to 600 words (12 points, graded by a
# person). The rubric:
#
# | | points | full points for |
# |---|---|---|
# | **What can go wrong** | 3 | three threats to Meridian's own systems, each with entry point, consequence, and one real incident that shows it is not theory |
# | **Evidence** | 3 | the numbers from a), each with what it means and what it does *not* show |
# | **Principles** | 3 | three principles, each tied to a decision at Meridian, not quoted as a slogan |
# | **Recommendation** | 2 | what to do in the next 30 days, in order, with what it costs and what risk stays |
# | **Readable** | 1 | a person without machine-learning knowledge follows it; terms explained; ids with their edition |
#
# <details><summary>Hint</summary>
#
# Begin with the decision you want. A sentence such as "an attacker who knows our filter gets most phishing
# through by adding a dozen words" is worth more than a paragraph on logistic regression.
# </details>


# %% solution="briefing"
def evidence():
    """Return recall, fpr, median_words and cheapest_days, computed with this month's functions."""
    ### BEGIN SOLUTION
    numbers = rates(test.phish, test_scores, 0.5)
    added = [good_words(weights, bias, words_of(text), 0.5) for text in caught.text]
    days, _path = cheapest_paths(ATTACK_STEPS, ENTRIES, JEWEL, 1)[0]
    return {
        "recall": numbers["recall"],
        "fpr": numbers["fpr"],
        "median_words": float(np.median([math.inf if words is None else len(words) for words in added])),
        "cheapest_days": days,
    }
    ### END SOLUTION


# %% tests="briefing" points=4
_evidence = evidence()
_names = ("recall", "fpr", "median_words", "cheapest_days")
_missing = set(_names) - set(_evidence)
assert not _missing, f"the evidence lacks {', '.join(sorted(_missing))}"
for _name in _names:
    assert isinstance(_evidence[_name], (int, float, np.number)), (
        f"{_name} is one number, not {_evidence[_name]!r}"
    )
    print(f"{_name:15} {_evidence[_name]:.3g}")
assert 0 <= _evidence["fpr"] < _evidence["recall"] <= 1, (
    "recall and fpr are shares between 0 and 1, and a useful filter has a recall well above its fpr"
)
### BEGIN HIDDEN TESTS
_flagged = test_scores >= 0.5
_truth = {
    "recall": _flagged[test.phish == 1].mean(),
    "fpr": _flagged[test.phish == 0].mean(),
    "cheapest_days": 0.0,
}
_best_first, _lengths = sorted((value, word) for word, value in weights.items() if value < 0), []
for _text in caught.text:
    _present, _count = words_of(_text), 0
    _sum = bias + sum(weights.get(word, 0.0) for word in _present)
    for _value, _word in _best_first:
        if _sum < 0:
            break
        if _word not in _present:
            _sum, _count = _sum + _value, _count + 1
    _lengths.append(_count if _sum < 0 else math.inf)
_truth["median_words"] = float(np.median(_lengths))
_graph = nx.DiGraph()
for _step in ATTACK_STEPS:
    _old = _graph.get_edge_data(_step["from"], _step["to"], {"days": math.inf})["days"]
    _graph.add_edge(_step["from"], _step["to"], days=min(_old, _step["days"]))
_truth["cheapest_days"] = min(
    nx.dijkstra_path_length(_graph, entry, JEWEL, "days")
    for entry in ENTRIES
    if entry in _graph and nx.has_path(_graph, entry, JEWEL)
)
for _name, _value in _truth.items():
    assert math.isclose(_evidence[_name], _value, rel_tol=1e-6, abs_tol=1e-6), (
        f"{_name} is not what this notebook's systems show; do not round it, and check the function it comes from"
    )
### END HIDDEN TESTS

# %% [markdown] written="briefing" points=12
# **To:** Nadia Okafor, CISO · **Subject:** What can go wrong with our three AI systems
#
# **Decision asked for.** Approve three measures for the next 30 days. They need two engineers for three
# weeks and no purchase.
#
# **What can go wrong.** *First, the mail filter can be walked past.* It gives each mail a score between 0
# and 1, from the words in it. Whoever knows which words count as harmless adds them in a footer.
# Proofpoint's gateway was copied and evaded from outside in 2019, with the help of scores in its own mail
# headers (CVE-2019-20634). *Second, a model file can be a program.* Our registry accepts pickles, Python's
# format for saved objects; loading one runs what its author put in. JFrog found about a hundred such files
# on a public hub in 2024. Ours would run on the inference server, which holds a token for core banking.
# *Third, Meri can be given orders by what she reads.* A language model does not tell instructions from
# data: a ticket or a page with an instruction in it makes her use her tools for its author, as EchoLeak
# (CVE-2025-32711) showed for another assistant. Meri can issue refunds.
#
# **Evidence.** On campaigns it has never seen, the filter catches 91 % of the phishing and flags 0.3 % of
# the legitimate mail. That holds for mail written without regard to the filter, and says nothing about mail
# written against it: six added words, in the median, bring a caught mail through. We measured on generated
# mail, so the order of magnitude carries over, not the decimals. The cheapest path to the core ledger costs
# an attacker about 5 person-days: talk Meri into refunds to accounts of accomplices. These costs are our
# estimates and may be off by a factor of two; the order of the paths is firmer than the days.
#
# **Principles, and what they decide here.** *Least privilege:* in a month of calls Meri needed refunds on
# the customer's own account only, so she loses them for all other accounts. *Data is not code:* we refuse
# pickles at the registry and take safetensors, a format that holds only numbers. *Layers must differ:* we
# do not buy a second word filter. In our test two of them together let 43 % of an attack through, where
# independent ones would let 27 % through. We add a check of the sender, which looks at something else.
#
# **Next 30 days.** 1. Cut Meri's grants (three days of work): the cheapest path rises to 6.5 days. She can
# still mislead a customer, or refund on their own account. 2. Gate at the registry (one engineer, one
# week): together with 1 the cheapest path rises to 8.5 days.
# 3. Sender check, and a monotone filter as second opinion (two weeks): stops added words, not look-alike
#    letters. What stays: people who report phishing as harmless and so poison the training data
#    (LLM05:2026, ML02:2023). We have not looked at that yet.

# %% [markdown]
# ## What you take with you
#
# - A model is a function with numbers fitted to data. Threshold, base rate and the way the test set was cut
#   decide what its accuracy is worth.
# - Evasion needs no genius: a list, a loop, and an oracle. A defence answers a named attacker, has a price,
#   and moves the attacker on.
# - Ten years of incidents: most came in through the supply chain, through trusted input, or through rights
#   that nobody needed.
# - A threat model turns "AI is risky" into elements, threats and paths, and says where one control cuts
#   most.
# - Data is not code, rights follow need, layers must differ, and every claim needs a measurement against
#   somebody who knows your defence.
#
# **Next month** you do the threat model properly: on Meridian's claims assistant, with attack trees, money,
# and a gate in CI.
