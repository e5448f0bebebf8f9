# %% [markdown]
# Answers to the exercises of `notebooks/month-01.py`: right ones written differently from its solutions, and wrong
# ones that learners plausibly write. Each runs where the exercise's own solution stands.

# %% answer="rates" right="a loop that counts"
def rates(labels, scores, threshold):
    tp = fp = fn = tn = 0
    for label, mail_score in zip(labels, scores):
        if mail_score >= threshold:
            if label == 1:
                tp += 1
            else:
                fp += 1
        elif label == 1:
            fn += 1
        else:
            tn += 1
    result = {"precision": 0.0, "recall": 0.0, "fpr": 0.0}
    if tp + fp > 0:
        result["precision"] = tp / (tp + fp)
    if tp + fn > 0:
        result["recall"] = tp / (tp + fn)
    if fp + tn > 0:
        result["fpr"] = fp / (fp + tn)
    return result


# %% answer="rates" right="scikit-learn's metrics, in NumPy scalars and another order"
def rates(labels, scores, threshold):
    from sklearn.metrics import precision_score, recall_score

    flagged = [int(s >= threshold) for s in scores]
    legitimate = [1 - y for y in labels]
    return {
        "fpr": np.float64(recall_score(legitimate, flagged, zero_division=0)),
        "recall": np.float64(recall_score(labels, flagged, zero_division=0)),
        "precision": np.float64(precision_score(labels, flagged, zero_division=0)),
    }


# %% answer="rates" right="a confusion matrix, and exceptions for empty denominators"
def rates(labels, scores, threshold):
    from sklearn.metrics import confusion_matrix

    flagged = np.array(scores) >= threshold
    (tn, fp), (fn, tp) = confusion_matrix(labels, flagged.astype(int), labels=[0, 1]).tolist()

    def divide(a, b):
        try:
            return a / b
        except ZeroDivisionError:
            return 0.0

    return dict(precision=divide(tp, tp + fp), recall=divide(tp, tp + fn), fpr=divide(fp, fp + tn))


# %% answer="rates" wrong="compares with > instead of >=" score=0 says="equal to the threshold"
def rates(labels, scores, threshold):
    labels, flagged = np.asarray(labels), np.asarray(scores) > threshold

    def ratio(part, whole):
        return part.sum() / whole.sum() if whole.sum() else 0.0

    hit = flagged & (labels == 1)
    false = flagged & (labels == 0)
    return {
        "precision": ratio(hit, flagged),
        "recall": ratio(hit, labels == 1),
        "fpr": ratio(false, labels == 0),
    }


# %% answer="rates" wrong="divides by zero" score=0 says="0.0"
def rates(labels, scores, threshold):
    tp = sum(1 for y, s in zip(labels, scores) if y == 1 and s >= threshold)
    fp = sum(1 for y, s in zip(labels, scores) if y == 0 and s >= threshold)
    fn = sum(1 for y, s in zip(labels, scores) if y == 1 and s < threshold)
    tn = sum(1 for y, s in zip(labels, scores) if y == 0 and s < threshold)
    return {"precision": tp / (tp + fp), "recall": tp / (tp + fn), "fpr": fp / (fp + tn)}


# %% answer="rates" wrong="NaN where the denominator is 0" score=0 says="denominator"
def rates(labels, scores, threshold):
    labels, flagged = np.asarray(labels), np.asarray(scores) >= threshold
    with np.errstate(all="ignore"):
        precision = (flagged & (labels == 1)).sum() / flagged.sum()
        recall = (flagged & (labels == 1)).sum() / (labels == 1).sum()
        fpr = (flagged & (labels == 0)).sum() / (labels == 0).sum()
    return {"precision": float(precision), "recall": float(recall), "fpr": float(fpr)}


# %% answer="rates" wrong="the FPR is a share of the flagged mails" score=0 says="fpr is 0.5"
def rates(labels, scores, threshold):
    tp = sum(1 for y, s in zip(labels, scores) if y == 1 and s >= threshold)
    fp = sum(1 for y, s in zip(labels, scores) if y == 0 and s >= threshold)
    positives = sum(1 for y in labels if y == 1)
    return {
        "precision": tp / (tp + fp) if tp + fp else 0.0,
        "recall": tp / positives if positives else 0.0,
        "fpr": fp / (tp + fp) if tp + fp else 0.0,
    }


# %% answer="rates" wrong="precision and recall swapped" score=0 says="so precision is 0.75"
def rates(labels, scores, threshold):
    labels, flagged = np.asarray(labels), np.asarray(scores) >= threshold
    tp, fp = (flagged & (labels == 1)).sum(), (flagged & (labels == 0)).sum()
    fn, tn = (~flagged & (labels == 1)).sum(), (~flagged & (labels == 0)).sum()
    return {
        "precision": tp / (tp + fn) if tp + fn else 0.0,
        "recall": tp / (tp + fp) if tp + fp else 0.0,
        "fpr": fp / (fp + tn) if fp + tn else 0.0,
    }


# %% answer="rates" wrong="only works on arrays" score=0 says="list"
def rates(labels, scores, threshold):
    flagged = scores >= threshold

    def ratio(part, whole):
        return part.sum() / whole.sum() if whole.sum() else 0.0

    return {
        "precision": ratio(flagged & (labels == 1), flagged),
        "recall": ratio(flagged & (labels == 1), labels == 1),
        "fpr": ratio(flagged & (labels == 0), labels == 0),
    }


# %% answer="rates" wrong="the visible examples by heart" score=0 says="precision"
def rates(labels, scores, threshold):
    if len(labels) == 4:
        return {"precision": 0.5, "recall": 0.5, "fpr": 0.5}
    return {"precision": 0.6, "recall": 1.0, "fpr": 1.0}


# %% answer="threshold" right="uses rates, and infinity as the threshold that flags nothing"
def cheapest_threshold(labels, scores, cost_miss, cost_alarm, prevalence):
    best, best_cost = None, None
    for candidate in list(scores) + [math.inf]:
        r = rates(labels, scores, candidate)
        cost = prevalence * (1 - r["recall"]) * cost_miss + (1 - prevalence) * r["fpr"] * cost_alarm
        if best_cost is None or cost < best_cost:
            best, best_cost = candidate, cost
    return best


# %% answer="threshold" right="the points of scikit-learn's ROC curve"
def cheapest_threshold(labels, scores, cost_miss, cost_alarm, prevalence):
    from sklearn.metrics import roc_curve

    fpr, tpr, thresholds = roc_curve(labels, scores)
    cost = prevalence * (1 - tpr) * cost_miss + (1 - prevalence) * fpr * cost_alarm
    return thresholds[cost.argmin()]


# %% answer="threshold" right="sorted once, with running sums, and thresholds half-way between scores"
def cheapest_threshold(labels, scores, cost_miss, cost_alarm, prevalence):
    pairs = sorted(zip(scores, labels))
    n_phish = sum(label for _, label in pairs)
    n_legit = len(pairs) - n_phish
    values = sorted(set(scores))
    cuts = [values[0] - 1, *((a + b) / 2 for a, b in zip(values, values[1:])), values[-1] + 1]
    missed, alarms, position = 0, n_legit, 0
    options = []
    for cut in cuts:
        while position < len(pairs) and pairs[position][0] < cut:
            missed += pairs[position][1] == 1
            alarms -= pairs[position][1] == 0
            position += 1
        cost = prevalence * missed / n_phish * cost_miss + (1 - prevalence) * alarms / n_legit * cost_alarm
        options.append((cost, cut))
    return min(options)[1]


# %% answer="threshold" wrong="counts errors as they are in the test set" score=0 says="prevalence"
def cheapest_threshold(labels, scores, cost_miss, cost_alarm, prevalence):
    labels, scores = np.asarray(labels), np.asarray(scores)

    def cost(t):
        return ((scores < t) & (labels == 1)).sum() * cost_miss + (
            (scores >= t) & (labels == 0)
        ).sum() * cost_alarm

    return float(min([*scores, scores.max() + 1], key=cost))


# %% answer="threshold" wrong="never flags nothing" score=0 says="flag nothing"
def cheapest_threshold(labels, scores, cost_miss, cost_alarm, prevalence):
    def cost(t):
        r = rates(labels, scores, t)
        return prevalence * (1 - r["recall"]) * cost_miss + (1 - prevalence) * r["fpr"] * cost_alarm

    return float(min(scores, key=cost))


# %% answer="threshold" wrong="never flags everything" score=0 says="flag everything"
def cheapest_threshold(labels, scores, cost_miss, cost_alarm, prevalence):
    def cost(t):
        r = rates(labels, scores, t)
        return prevalence * (1 - r["recall"]) * cost_miss + (1 - prevalence) * r["fpr"] * cost_alarm

    values = sorted(set(scores))
    return float(min([*values[1:], values[-1] + 1], key=cost))


# %% answer="threshold" wrong="a grid of hundredths" score=0 says="try every score"
def cheapest_threshold(labels, scores, cost_miss, cost_alarm, prevalence):
    def cost(t):
        r = rates(labels, scores, t)
        return prevalence * (1 - r["recall"]) * cost_miss + (1 - prevalence) * r["fpr"] * cost_alarm

    return float(min([*np.linspace(0, 1, 101), 1.01], key=cost))


# %% answer="threshold" wrong="flags only above the threshold" score=0 says="(0.4)"
def cheapest_threshold(labels, scores, cost_miss, cost_alarm, prevalence):
    labels, scores = np.asarray(labels), np.asarray(scores)

    def cost(t):
        flagged = scores > t
        recall, fpr = flagged[labels == 1].mean(), flagged[labels == 0].mean()
        return prevalence * (1 - recall) * cost_miss + (1 - prevalence) * fpr * cost_alarm

    return float(min([scores.min() - 1, *np.unique(scores)], key=cost))


# %% answer="threshold" wrong="the textbook formula for calibrated probabilities" score=0 says="(0.4)"
def cheapest_threshold(labels, scores, cost_miss, cost_alarm, prevalence):
    return (1 - prevalence) * cost_alarm / ((1 - prevalence) * cost_alarm + prevalence * cost_miss)


# %% answer="threshold" wrong="returns the least cost, not its threshold" score=0 says="(0.4)"
def cheapest_threshold(labels, scores, cost_miss, cost_alarm, prevalence):
    costs = []
    for t in [*scores, max(scores) + 1]:
        r = rates(labels, scores, t)
        costs.append(prevalence * (1 - r["recall"]) * cost_miss + (1 - prevalence) * r["fpr"] * cost_alarm)
    return float(min(costs))


# %% answer="leak" right="a loop, and campaigns cut from a shuffled list until the share is reached"
def leaked(train, test):
    known = set()
    for campaign in train["campaign"]:
        known.add(campaign)
    found = set()
    for _, row in test.iterrows():
        if row["campaign"] in known:
            found.add(row["id"])
    return found


def honest_split(mails, share, seed):
    import random

    groups = mails.groupby("campaign").size().to_dict()
    order = sorted(groups)
    random.Random(seed).shuffle(order)
    chosen, count = set(), 0
    for campaign in order:
        if count + groups[campaign] > share * len(mails):
            break
        chosen.add(campaign)
        count += groups[campaign]
    inside = mails.campaign.isin(chosen)
    return mails[~inside].reset_index(drop=True), mails[inside].reset_index(drop=True)


# %% answer="leak" right="a merge, and scikit-learn's split of the list of campaigns"
def leaked(train, test):
    both = test.merge(train[["campaign"]].drop_duplicates(), on="campaign")
    return set(both["id"].tolist())


def honest_split(mails, share, seed):
    _, chosen = train_test_split(mails.campaign.unique(), test_size=share, random_state=seed)
    return mails.query("campaign not in @chosen"), mails.query("campaign in @chosen")


# %% answer="leak" right="sets, and a hash of seed and campaign that needs no shuffling"
def leaked(train, test):
    both = set(train.campaign) & set(test.campaign)
    return {id for id, campaign in zip(test.id, test.campaign) if campaign in both}


def honest_split(mails, share, seed):
    import hashlib

    def position(campaign):
        return int.from_bytes(hashlib.sha256(f"{seed} {campaign}".encode()).digest()[:6], "big") / 2**48

    in_test = mails.campaign.map(position) < share
    return mails[~in_test], mails[in_test]


# %% answer="leak" wrong="returns the campaigns instead of the mails" score=4 says="mails 4 and 6"
def leaked(train, test):
    return set(train.campaign) & set(test.campaign)


def honest_split(mails, share, seed):
    split = GroupShuffleSplit(n_splits=1, test_size=share, random_state=seed)
    a, b = next(split.split(mails, groups=mails.campaign))
    return mails.iloc[a], mails.iloc[b]


# %% answer="leak" wrong="returns the train mails" score=4 says="mails 4 and 6"
def leaked(train, test):
    return set(train[train.campaign.isin(test.campaign)].id)


def honest_split(mails, share, seed):
    split = GroupShuffleSplit(n_splits=1, test_size=share, random_state=seed)
    a, b = next(split.split(mails, groups=mails.campaign))
    return mails.iloc[a], mails.iloc[b]


# %% answer="leak" wrong="one mail of each leaked campaign" score=4 says="all of them"
def leaked(train, test):
    first = test.drop_duplicates("campaign")
    return set(first[first.campaign.isin(train.campaign)].id)


def honest_split(mails, share, seed):
    split = GroupShuffleSplit(n_splits=1, test_size=share, random_state=seed)
    a, b = next(split.split(mails, groups=mails.campaign))
    return mails.iloc[a], mails.iloc[b]


# %% answer="leak" wrong="splits mails at random, as the vendor did" score=3 says="on both sides"
def leaked(train, test):
    return set(test[test.campaign.isin(train.campaign)].id)


def honest_split(mails, share, seed):
    return train_test_split(mails, test_size=share, random_state=seed)


# %% answer="leak" wrong="throws the leaking mails away" score=3 says="every mail"
def leaked(train, test):
    return set(test[test.campaign.isin(train.campaign)].id)


def honest_split(mails, share, seed):
    a, b = train_test_split(mails, test_size=share, random_state=seed)
    return a, b[~b.campaign.isin(a.campaign)]


# %% answer="leak" wrong="the seed does nothing" score=3 says="another seed"
def leaked(train, test):
    return set(test[test.campaign.isin(train.campaign)].id)


def honest_split(mails, share, seed):
    split = GroupShuffleSplit(n_splits=1, test_size=share, random_state=42)
    a, b = next(split.split(mails, groups=mails.campaign))
    return mails.iloc[a], mails.iloc[b]


# %% answer="leak" wrong="no two calls give the same split" score=3 says="same seed"
def leaked(train, test):
    return set(test[test.campaign.isin(train.campaign)].id)


def honest_split(mails, share, seed):
    a, b = next(GroupShuffleSplit(n_splits=1, test_size=share).split(mails, groups=mails.campaign))
    return mails.iloc[a], mails.iloc[b]


# %% answer="leak" wrong="train and test the wrong way round" score=3 says="25%"
def leaked(train, test):
    return set(test[test.campaign.isin(train.campaign)].id)


def honest_split(mails, share, seed):
    split = GroupShuffleSplit(n_splits=1, test_size=share, random_state=seed)
    a, b = next(split.split(mails, groups=mails.campaign))
    return mails.iloc[b], mails.iloc[a]


# %% answer="leak" wrong="always a quarter" score=3 says="should hold about"
def leaked(train, test):
    return set(test[test.campaign.isin(train.campaign)].id)


def honest_split(mails, share, seed):
    split = GroupShuffleSplit(n_splits=1, test_size=0.25, random_state=seed)
    a, b = next(split.split(mails, groups=mails.campaign))
    return mails.iloc[a], mails.iloc[b]


# %% answer="good-words" right="recursion: the best word, then the rest"
def good_words(weights, bias, present, threshold):
    total = bias
    for word in present:
        if word in weights:
            total = total + weights[word]
    if 1 / (1 + math.exp(-total)) < threshold:
        return []
    rest = [word for word in weights if word not in present and weights[word] < 0]
    if not rest:
        return None
    best = min(rest, key=weights.get)
    more = good_words(weights, bias, {*present, best}, threshold)
    return None if more is None else [best] + more


# %% answer="good-words" right="sorted by NumPy, all running sums at once"
def good_words(weights, bias, present, threshold):
    words = np.array([word for word in weights if word not in present and weights[word] < 0], dtype=object)
    values = np.array([weights[word] for word in words], dtype=float)
    order = values.argsort()
    start = bias + sum(weights.get(word, 0) for word in present)
    sums = start + np.concatenate([[0.0], values[order].cumsum()])
    below = np.flatnonzero(sums < np.log(threshold) - np.log1p(-threshold))
    return words[order][: below[0]].tolist() if len(below) else None


# %% answer="good-words" right="a heap, stopping when nothing helps, words in alphabetical order"
def good_words(weights, bias, present, threshold):
    import heapq

    heap = [(value, word) for word, value in weights.items() if word not in present]
    heapq.heapify(heap)
    z = bias + sum(value for word, value in weights.items() if word in present)
    chosen = []
    while not 1 / (1 + math.exp(-z)) < threshold:
        if not heap or heap[0][0] >= 0:
            return None
        value, word = heapq.heappop(heap)
        z += value
        chosen.append(word)
    return sorted(chosen)


# %% answer="good-words" wrong="compares the sum with the threshold itself" score=0 says="threshold 0.01"
def good_words(weights, bias, present, threshold):
    total = bias + sum(weights.get(word, 0.0) for word in present)
    added = []
    for word in sorted(weights, key=weights.get):
        if total < threshold:
            return added
        if word not in present and weights[word] < 0:
            total += weights[word]
            added.append(word)
    return added if total < threshold else None


# %% answer="good-words" wrong="stops at the threshold" score=0 says="equal to the threshold"
def good_words(weights, bias, present, threshold):
    limit = math.log(threshold / (1 - threshold))
    total = bias + sum(weights.get(word, 0.0) for word in present)
    added = []
    for word in sorted(set(weights) - present, key=weights.get):
        if total <= limit or weights[word] >= 0:
            break
        total += weights[word]
        added.append(word)
    return added if total <= limit else None


# %% answer="good-words" wrong="adds words that are there already" score=0 says="present already"
def good_words(weights, bias, present, threshold):
    limit = math.log(threshold / (1 - threshold))
    total = bias + sum(weights.get(word, 0.0) for word in present)
    added = []
    for word in sorted(weights, key=weights.get):
        if total < limit or weights[word] >= 0:
            break
        total += weights[word]
        added.append(word)
    return added if total < limit else None


# %% answer="good-words" wrong="takes negative words as they come" score=0 says="words are enough"
def good_words(weights, bias, present, threshold):
    limit = math.log(threshold / (1 - threshold))
    total = bias + sum(weights.get(word, 0.0) for word in present)
    added = []
    for word, value in weights.items():
        if total < limit:
            break
        if value < 0 and word not in present:
            total += value
            added.append(word)
    return added if total < limit else None


# %% answer="good-words" wrong="an empty list where nothing helps" score=0 says="return None"
def good_words(weights, bias, present, threshold):
    limit = math.log(threshold / (1 - threshold))
    total = bias + sum(weights.get(word, 0.0) for word in present)
    added = []
    for word in sorted(set(weights) - present, key=weights.get):
        if total < limit or weights[word] >= 0:
            break
        total += weights[word]
        added.append(word)
    return added if total < limit else []


# %% answer="good-words" wrong="always adds one word" score=0 says="0 words are enough"
def good_words(weights, bias, present, threshold):
    limit = math.log(threshold / (1 - threshold))
    total = bias + sum(weights.get(word, 0.0) for word in present)
    added = []
    for word in sorted(set(weights) - present, key=weights.get):
        if weights[word] >= 0:
            break
        total += weights[word]
        added.append(word)
        if total < limit:
            return added
    return None


# %% answer="good-words" wrong="forgets the bias" score=0 says="bias -1.0"
def good_words(weights, bias, present, threshold):
    limit = math.log(threshold / (1 - threshold))
    total = sum(weights.get(word, 0.0) for word in present)
    added = []
    for word in sorted(set(weights) - present, key=weights.get):
        if total < limit or weights[word] >= 0:
            break
        total += weights[word]
        added.append(word)
    return added if total < limit else None


# %% answer="good-words" wrong="expects a weight for every present word" score=0 says="has no weight"
def good_words(weights, bias, present, threshold):
    limit = math.log(threshold / (1 - threshold))
    total = bias + sum(weights[word] for word in present)
    added = []
    for word in sorted(set(weights) - present, key=weights.get):
        if total < limit or weights[word] >= 0:
            break
        total += weights[word]
        added.append(word)
    return added if total < limit else None


# %% answer="good-words" wrong="uses up the weights it is given" score=0 says="do not change"
def good_words(weights, bias, present, threshold):
    limit = math.log(threshold / (1 - threshold))
    total = bias + sum(weights.get(word, 0.0) for word in present)
    for word in present:
        weights.pop(word, None)
    added = []
    while total >= limit and weights and min(weights.values()) < 0:
        word = min(weights, key=weights.get)
        total += weights.pop(word)
        added.append(word)
    return added if total < limit else None


# %% answer="good-words" wrong="writes into the set of present words" score=0 says="do not change"
def good_words(weights, bias, present, threshold):
    limit = math.log(threshold / (1 - threshold))
    added = []
    while bias + sum(weights.get(word, 0.0) for word in present) >= limit:
        left = [word for word in weights if word not in present and weights[word] < 0]
        if not left:
            return None
        added.append(min(left, key=weights.get))
        present.add(added[-1])
    return added


# %% answer="black-box" right="delta debugging by recursion: which words are needed, half by half"
def black_box(text, oracle, words, budget):
    left = budget

    def passes(chosen):
        nonlocal left
        if left <= 0:
            return False
        left -= 1
        return not oracle(text + "".join(" " + word for word in chosen))

    if not passes(words):
        return None

    def needed(kept, candidates):
        """The candidates that are needed beside the kept words."""
        if passes(kept):
            return []
        if len(candidates) == 1 or left <= 0:
            return candidates
        middle = len(candidates) // 2
        first, second = candidates[:middle], candidates[middle:]
        from_second = needed(kept + first, second)
        from_first = needed(kept + from_second, first)
        return from_first + from_second

    return text + "".join(" " + word for word in needed([], list(words)))


# %% answer="black-box" right="random groups thrown out, smaller after every miss"
def black_box(text, oracle, words, budget):
    import random

    dice = random.Random(0)
    kept = list(dict.fromkeys(words))
    questions = 1
    if oracle(" ".join([text] + kept)):
        return None
    size = max(1, len(kept) // 3)
    while questions < budget and kept:
        out = set(dice.sample(kept, min(size, len(kept))))
        trial = [word for word in kept if word not in out]
        questions += 1
        if not oracle(" ".join([text] + trial)):
            kept = trial
        else:
            size = max(1, int(size * 0.85))
    return " ".join([text] + kept)


# %% answer="black-box" right="the shortest passing beginning by bisection, then groups taken out"
def black_box(text, oracle, words, budget):
    asked = [0]

    def mail_with(chosen):
        return text + " " + " ".join(chosen) if chosen else text

    def flagged(chosen):
        asked[0] = asked[0] + 1
        return oracle(mail_with(chosen))

    words = list(words)
    if flagged(words):
        return None
    low, high = 0, len(words)  # high words pass, low ones may not
    while high - low > 1 and asked[0] < budget:
        middle = (low + high) // 2
        if flagged(words[:middle]):
            low = middle
        else:
            high = middle
    chosen = words[:high]
    for size in (32, 16, 8, 4, 2, 1):
        i = 0
        while i < len(chosen):
            if asked[0] >= budget:
                return mail_with(chosen)
            trial = chosen[:i] + chosen[i + size :]
            if flagged(trial):
                i += size
            else:
                chosen = trial
    return mail_with(chosen)


# %% answer="black-box" wrong="all the words, and that is it" score=5 says="times the words"
def black_box(text, oracle, words, budget):
    everything = text + " " + " ".join(words)
    return None if oracle(everything) else everything


# %% answer="black-box" wrong="one word more each time until it passes" score=5 says="times the words"
def black_box(text, oracle, words, budget):
    added = text
    for word in words[:budget]:
        added = added + " " + word
        if not oracle(added):
            return added
    return None


# %% answer="black-box" wrong="takes out single words until the budget is spent" score=5 says="times the words"
def black_box(text, oracle, words, budget):
    chosen, asked = list(words), 1
    if oracle(" ".join([text, *chosen])):
        return None
    for word in words:
        if asked == budget:
            break
        asked += 1
        trial = [other for other in chosen if other != word]
        if not oracle(" ".join([text, *trial])):
            chosen = trial
    return " ".join([text, *chosen])


# %% answer="black-box" wrong="does not count its questions" score=0 says="asked more than 150 questions"
def black_box(text, oracle, words, budget):
    chosen = list(words)
    if oracle(" ".join([text, *chosen])):
        return None
    for word in words:
        trial = [other for other in chosen if other != word]
        if not oracle(" ".join([text, *trial])):
            chosen = trial
    return " ".join([text, *chosen])


# %% answer="black-box" wrong="asks once more after the budget is spent" score=0 says="asked more than"
def black_box(text, oracle, words, budget):
    chosen = list(words)
    asked = 0
    size = len(chosen)
    if oracle(" ".join([text, *chosen])):
        return None
    while size > 1:
        size = (size + 1) // 2
        start = 0
        while start < len(chosen):
            if asked >= budget:
                return " ".join([text, *chosen])
            asked += 1
            trial = chosen[:start] + chosen[start + size :]
            if oracle(" ".join([text, *trial])):
                start += size
            else:
                chosen = trial
    return " ".join([text, *chosen])


# %% answer="black-box" wrong="takes the budget for 150, whatever it is" score=4 says="asked more than"
def black_box(text, oracle, words, budget):
    chosen, asked, size = list(words), 1, len(words) // 2
    if oracle(" ".join([text, *chosen])):
        return None
    while size:
        start = 0
        while start < len(chosen) and asked < 150:
            asked += 1
            trial = chosen[:start] + chosen[start + size :]
            if oracle(" ".join([text, *trial])):
                start += size
            else:
                chosen = trial
        size //= 2
    return " ".join([text, *chosen])


# %% answer="black-box" wrong="tries each word alone" score=0 says="get through"
def black_box(text, oracle, words, budget):
    for word in words[:budget]:
        if not oracle(f"{text} {word}"):
            return f"{text} {word}"
    return None


# %% answer="black-box" wrong="puts the words in front" score=0 says="appended"
def black_box(text, oracle, words, budget):
    chosen, asked, size = list(words), 1, len(words) // 2
    if oracle(" ".join([*chosen, text])):
        return None
    while size:
        start = 0
        while start < len(chosen) and asked < budget:
            asked += 1
            trial = chosen[:start] + chosen[start + size :]
            if oracle(" ".join([*trial, text])):
                start += size
            else:
                chosen = trial
        size //= 2
    return " ".join([*chosen, text])


# %% answer="black-box" wrong="returns a mail even if none passes" score=4 says="return None"
def black_box(text, oracle, words, budget):
    chosen, asked, size = list(words), 0, len(words) // 2
    while size:
        start = 0
        while start < len(chosen) and asked < budget:
            asked += 1
            trial = chosen[:start] + chosen[start + size :]
            if oracle(" ".join([text, *trial])):
                start += size
            else:
                chosen = trial
        size //= 2
    return " ".join([text, *chosen])


# %% answer="black-box" wrong="looks the best words up in the leaked weights" score=4 says="another filter"
def black_box(text, oracle, words, budget):
    known = {word: weights.get(word, 0.0) for word in words}
    best = [word for word in sorted(known, key=known.get) if word not in words_of(text)]
    total = bias + sum(weights.get(word, 0.0) for word in words_of(text))
    chosen = []
    for word in best:
        if total < 0:
            break
        total += known[word]
        chosen.append(word)
    return " ".join([text, *chosen])


# %% answer="black-box" wrong="asks until the oracle refuses, and catches that" score=0 says="asked more than"
def black_box(text, oracle, words, budget):
    chosen, size = list(words), len(words) // 2
    if oracle(" ".join([text, *chosen])):
        return None
    try:
        while size:
            start = 0
            while start < len(chosen):
                trial = chosen[:start] + chosen[start + size :]
                if oracle(" ".join([text, *trial])):
                    start += size
                else:
                    chosen = trial
            size //= 2
    except Exception:
        pass
    return " ".join([text, *chosen])


# %% answer="monotone" right="gradient steps, cut off at 0 after each; a callback changes the words"
def train_monotone(texts, labels):
    vectorizer = CountVectorizer(binary=True, min_df=2)
    X = vectorizer.fit_transform(texts).astype(float)
    y = np.array(labels)
    w, b = np.zeros(X.shape[1]), 0.0
    for _ in range(600):
        p = 1 / (1 + np.exp(-(X @ w + b)))
        w = np.maximum(0, w - 0.5 * (X.T @ (p - y) / len(y) * 30 + 0.01 * w) / 3)
        b -= (p - y).mean() * 3
    return {word: float(value) for word, value in zip(vectorizer.get_feature_names_out(), w)}, float(b)


def obfuscate(text, weights, most):
    found = {word.lower() for word in re.findall(r"\b\w\w+\b", text)}
    gains = []
    for word in found:
        if weights.get(word, 0) > 0 and set(word) & set(LOOKALIKE):
            gains.append((weights[word], word))
    gains.sort(reverse=True)
    targets = [word for _, word in gains][:most]

    def change(match):
        if match[0].lower() not in targets:
            return match[0]
        return "".join(LOOKALIKE.get(letter, letter) for letter in match[0])

    return re.sub(r"\b\w\w+\b", change, text)


# %% answer="monotone" right="naive Bayes whose log ratios stop at 0; a callback changes words"
def train_monotone(texts, labels):
    vectorizer = CountVectorizer(binary=True, min_df=3)
    X, y = vectorizer.fit_transform(texts), np.asarray(labels)
    in_phish = (np.asarray(X[y == 1].sum(axis=0)).ravel() + 1) / ((y == 1).sum() + 2)
    in_legit = (np.asarray(X[y == 0].sum(axis=0)).ravel() + 1) / ((y == 0).sum() + 2)
    gains = np.maximum(0, np.log(in_phish / in_legit))
    return dict(zip(vectorizer.get_feature_names_out().tolist(), gains.tolist())), -8.0


def obfuscate(text, weights, most):
    values = {
        w: weights[w]
        for w in set(analyse(text))
        if weights.get(w, 0) > 0 and re.search(f"[{''.join(LOOKALIKE)}]", w)
    }
    chosen = [word for word, _ in Counter(values).most_common(most)]
    for word in chosen:
        parts, end = [], 0
        for match in re.finditer(r"\w+", text):
            if match[0].lower() == word:
                parts += [text[end : match.start()], "".join(LOOKALIKE.get(c, c) for c in match[0])]
                end = match.end()
        text = "".join(parts) + text[end:]
    return text


# %% answer="monotone" wrong="cuts the negative weights off a trained filter" score=4 says="trained under the constraint"
def train_monotone(texts, labels):
    free, bias = train_filter(texts, labels)
    return {word: max(0.0, value) for word, value in free.items()}, bias


def obfuscate(text, weights, most):
    table = str.maketrans(LOOKALIKE)
    words = [w for w in words_of(text) if weights.get(w, 0) > 0 and w.translate(table) != w]
    for word in sorted(words, key=weights.get, reverse=True)[:most]:
        text = re.sub(rf"\b{word}\b", lambda m: m[0].translate(table), text, flags=re.IGNORECASE)
    return text


# %% answer="monotone" wrong="an ordinary filter" score=4 says="negative"
def train_monotone(texts, labels):
    return train_filter(texts, labels)


def obfuscate(text, weights, most):
    table = str.maketrans(LOOKALIKE)
    words = [w for w in words_of(text) if weights.get(w, 0) > 0 and w.translate(table) != w]
    for word in sorted(words, key=weights.get, reverse=True)[:most]:
        text = re.sub(rf"\b{word}\b", lambda m: m[0].translate(table), text, flags=re.IGNORECASE)
    return text


# %% answer="monotone" wrong="all weights 0: nothing can move it, and it catches nothing" score=4 says="catches only 0%"
def train_monotone(texts, labels):
    free, _ = train_filter(texts, labels)
    return dict.fromkeys(free, 0.0), 1.0


def obfuscate(text, weights, most):
    table = str.maketrans(LOOKALIKE)
    words = [w for w in words_of(text) if weights.get(w, 0) > 0 and w.translate(table) != w]
    for word in sorted(words, key=weights.get, reverse=True)[:most]:
        text = re.sub(rf"\b{word}\b", lambda m: m[0].translate(table), text, flags=re.IGNORECASE)
    return text


# %% answer="monotone" wrong="returns the filter trained above, made positive, whatever the data" score=4 says="trained under"
def train_monotone(texts, labels):
    return {word: abs(value) for word, value in weights.items()}, bias


def obfuscate(text, weights, most):
    table = str.maketrans(LOOKALIKE)
    words = [w for w in words_of(text) if weights.get(w, 0) > 0 and w.translate(table) != w]
    for word in sorted(words, key=weights.get, reverse=True)[:most]:
        text = re.sub(rf"\b{word}\b", lambda m: m[0].translate(table), text, flags=re.IGNORECASE)
    return text


# %% answer="monotone" wrong="changes a word only where it first stands" score=5 says="wherever it stands"
def train_monotone(texts, labels):
    vectorizer = CountVectorizer(binary=True, min_df=3)
    X, y = vectorizer.fit_transform(texts), np.asarray(labels)
    in_phish = (np.asarray(X[y == 1].sum(axis=0)).ravel() + 1) / ((y == 1).sum() + 2)
    in_legit = (np.asarray(X[y == 0].sum(axis=0)).ravel() + 1) / ((y == 0).sum() + 2)
    gains = np.maximum(0, np.log(in_phish / in_legit))
    return dict(zip(vectorizer.get_feature_names_out().tolist(), gains.tolist())), -8.0


def obfuscate(text, weights, most):
    table = str.maketrans(LOOKALIKE)
    words = [w for w in words_of(text) if weights.get(w, 0) > 0 and w.translate(table) != w]
    for word in sorted(words, key=weights.get, reverse=True)[:most]:
        text = re.sub(rf"\b{word}\b", lambda m: m[0].translate(table), text, count=1, flags=re.IGNORECASE)
    return text


# %% answer="monotone" wrong="misses words in capitals" score=0 says="capitals have look-alikes"
def obfuscate(text, weights, most):
    table = str.maketrans(LOOKALIKE)
    words = [w for w in words_of(text) if weights.get(w, 0) > 0 and w.translate(table) != w]
    for word in sorted(words, key=weights.get, reverse=True)[:most]:
        text = re.sub(rf"\b{word}\b", word.translate(table), text)
    return text


# %% answer="monotone" wrong="writes words in capitals small" score=0 says="stay capitals"
def obfuscate(text, weights, most):
    table = str.maketrans(LOOKALIKE)
    words = [w for w in words_of(text) if weights.get(w, 0) > 0 and w.translate(table) != w]
    for word in sorted(words, key=weights.get, reverse=True)[:most]:
        text = re.sub(rf"\b{word}\b", word.translate(table), text, flags=re.IGNORECASE)
    return text


# %% answer="monotone" wrong="replaces letters inside longer words too" score=0 says="whole words only"
def obfuscate(text, weights, most):
    table = str.maketrans(LOOKALIKE)
    words = [w for w in words_of(text) if weights.get(w, 0) > 0 and w.translate(table) != w]
    for word in sorted(words, key=weights.get, reverse=True)[:most]:
        text = re.sub(word, lambda m: m[0].translate(table), text, flags=re.IGNORECASE)
    return text


# %% answer="monotone" wrong="spends changes on words without a look-alike letter" score=0 says="look-alike letter"
def obfuscate(text, weights, most):
    table = str.maketrans(LOOKALIKE)
    for word in sorted(words_of(text), key=lambda w: -weights.get(w, 0))[:most]:
        text = re.sub(rf"\b{word}\b", lambda m: m[0].translate(table), text, flags=re.IGNORECASE)
    return text


# %% answer="monotone" wrong="fills up with words that speak against phishing" score=0 says="score could fall further"
def obfuscate(text, weights, most):
    table = str.maketrans(LOOKALIKE)
    words = [w for w in words_of(text) if w.translate(table) != w]
    for word in sorted(words, key=lambda w: -weights.get(w, 0))[:most]:
        text = re.sub(rf"\b{word}\b", lambda m: m[0].translate(table), text, flags=re.IGNORECASE)
    return text


# %% answer="sort-incidents" right="other fair labels, as lists; a loop that fills a frame of zeros"
def classify():
    return {
        "claude-distillation": ["LLM06:2026", "AML.TA0000"],
        "replit-database": ["LLM03:2026", "AML.TA0005"],
        "echoleak": ["LLM02:2026", "AML.TA0004"],
        "llmjacking": ["LLM02:2026", "AML.TA0004"],
        "air-canada": ["LLM07:2026", "AML.TA0011"],
        "malicious-pickles": ["LLM04:2026", "AML.TA0004"],
        "chatgpt-training-data": ["ML03:2023", "AML.TA0000"],
        "langchain-llmmath": ["LLM01:2026", "AML.TA0004"],
        "samsung-source-code": ["LLM02:2026", "AML.TA0010"],
        "torchtriton": ["LLM04:2026", "AML.TA0010"],
        "proof-pudding": ["ML05:2023", "AML.TA0001"],
        "tay": ["LLM05:2026", "AML.TA0006"],
    }


def tactic_matrix(labels, tactics):
    table = pd.DataFrame(0, index=list(labels.keys()), columns=tactics)
    for incident, reached in labels.items():
        for tactic in reached:
            if tactic not in tactics:
                raise ValueError("no such tactic: " + tactic)
            table.loc[incident, tactic] = 1
    return table


# %% answer="sort-incidents" right="ten of twelve right; membership in an array of integers"
def classify():
    return {
        "tay": ("ML10:2023", "AML.TA0000"),
        "proof-pudding": ("ML01:2023", "AML.TA0000"),
        "torchtriton": ("ML06:2023", "AML.TA0009"),
        "samsung-source-code": ("LLM04:2026", "AML.TA0006"),  # neither fits
        "langchain-llmmath": ("LLM03:2026", "AML.TA0012"),
        "chatgpt-training-data": ("ML01:2023", "AML.TA0015"),  # neither fits
        "malicious-pickles": ("ML06:2023", "AML.TA0014"),
        "air-canada": ("LLM07:2026", "AML.TA0011"),
        "llmjacking": ("LLM06:2026", "AML.TA0011"),
        "echoleak": ("LLM09:2026", "AML.TA0007"),
        "replit-database": ("LLM03:2026", "AML.TA0012"),
        "claude-distillation": ("ML05:2023", "AML.TA0003"),
    }


def tactic_matrix(labels, tactics):
    tactics = list(tactics)
    cells = np.zeros((len(labels), len(tactics)), dtype=np.int8)
    for row, (incident, reached) in enumerate(labels.items()):
        for tactic in reached:
            try:
                cells[row, tactics.index(tactic)] = 1
            except ValueError:
                raise ValueError(f"{incident} names {tactic!r}, which is no tactic") from None
    return pd.DataFrame(cells, list(labels), tactics)


# %% answer="sort-incidents" wrong="OWASP ids of the 2025 edition" score=7 says="with its edition"
def classify():
    return {
        "tay": ("LLM04:2025", "AML.TA0011"),
        "proof-pudding": ("ML01:2023", "AML.TA0007"),
        "torchtriton": ("LLM03:2025", "AML.TA0004"),
        "samsung-source-code": ("LLM02:2025", "AML.TA0011"),
        "langchain-llmmath": ("LLM05:2025", "AML.TA0005"),
        "chatgpt-training-data": ("LLM02:2025", "AML.TA0010"),
        "malicious-pickles": ("LLM03:2025", "AML.TA0005"),
        "air-canada": ("LLM09:2025", "AML.TA0011"),
        "llmjacking": ("LLM10:2025", "AML.TA0013"),
        "echoleak": ("LLM01:2025", "AML.TA0010"),
        "replit-database": ("LLM06:2025", "AML.TA0011"),
        "claude-distillation": ("LLM10:2025", "AML.TA0010"),
    }


def tactic_matrix(labels, tactics):
    for reached in labels.values():
        for tactic in reached:
            if tactic not in tactics:
                raise ValueError(tactic)
    return pd.DataFrame(
        {t: [int(t in reached) for reached in labels.values()] for t in tactics}, index=labels.keys()
    )


# %% answer="sort-incidents" wrong="2025 numbers under the 2026 edition, techniques for tactics" score=4 says="techniques like"
def classify():
    return {
        "tay": ("LLM04:2026", "AML.T0020"),
        "proof-pudding": ("ML01:2023", "AML.T0015"),
        "torchtriton": ("LLM03:2026", "AML.T0010"),
        "samsung-source-code": ("LLM02:2026", "AML.T0057"),
        "langchain-llmmath": ("LLM05:2026", "AML.T0051"),
        "chatgpt-training-data": ("LLM02:2026", "AML.T0024"),
        "malicious-pickles": ("LLM03:2026", "AML.T0011"),
        "air-canada": ("LLM09:2026", "AML.T0048"),
        "llmjacking": ("LLM10:2026", "AML.T0012"),
        "echoleak": ("LLM01:2026", "AML.T0051"),
        "replit-database": ("LLM06:2026", "AML.T0048"),
        "claude-distillation": ("LLM10:2026", "AML.T0024"),
    }


def tactic_matrix(labels, tactics):
    for reached in labels.values():
        for tactic in reached:
            if tactic not in tactics:
                raise ValueError(tactic)
    return pd.DataFrame(
        {t: [int(t in reached) for reached in labels.values()] for t in tactics}, index=labels.keys()
    )


# %% answer="sort-incidents" wrong="labelled by title: everything with a chatbot is prompt injection and impact" score=4 says="do not name the weakness"
def classify():
    return {id: ("LLM01:2026", "AML.TA0011") for id in UNSORTED}


def tactic_matrix(labels, tactics):
    for reached in labels.values():
        for tactic in reached:
            if tactic not in tactics:
                raise ValueError(tactic)
    return pd.DataFrame(
        {t: [int(t in reached) for reached in labels.values()] for t in tactics}, index=labels.keys()
    )


# %% answer="sort-incidents" wrong="nine of twelve weaknesses" score=7 says="3 of 12"
def classify():
    return {
        "tay": ("LLM01:2026", "AML.TA0011"),
        "proof-pudding": ("ML01:2023", "AML.TA0007"),
        "torchtriton": ("ML06:2023", "AML.TA0004"),
        "samsung-source-code": ("LLM02:2026", "AML.TA0011"),
        "langchain-llmmath": ("LLM10:2026", "AML.TA0005"),
        "chatgpt-training-data": ("LLM02:2026", "AML.TA0010"),
        "malicious-pickles": ("ML02:2023", "AML.TA0005"),
        "air-canada": ("ML09:2023", "AML.TA0011"),
        "llmjacking": ("LLM06:2026", "AML.TA0013"),
        "echoleak": ("LLM01:2026", "AML.TA0010"),
        "replit-database": ("LLM03:2026", "AML.TA0011"),
        "claude-distillation": ("ML05:2023", "AML.TA0010"),
    }


def tactic_matrix(labels, tactics):
    for reached in labels.values():
        for tactic in reached:
            if tactic not in tactics:
                raise ValueError(tactic)
    return pd.DataFrame(
        {t: [int(t in reached) for reached in labels.values()] for t in tactics}, index=labels.keys()
    )


# %% answer="sort-incidents" wrong="gives up after eleven incidents" score=4 says="no answer yet for claude-distillation"
def classify():
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
    }


def tactic_matrix(labels, tactics):
    for reached in labels.values():
        for tactic in reached:
            if tactic not in tactics:
                raise ValueError(tactic)
    return pd.DataFrame(
        {t: [int(t in reached) for reached in labels.values()] for t in tactics}, index=labels.keys()
    )


# %% answer="sort-incidents" wrong="a matrix without the tactics that never occur" score=0 says="all tactics"
def tactic_matrix(labels, tactics):
    strangers = {t for reached in labels.values() for t in reached if t not in tactics}
    if strangers:
        raise ValueError(f"unknown: {strangers}")
    pairs = pd.DataFrame(
        [(id, t) for id, reached in labels.items() for t in reached], columns=["id", "tactic"]
    )
    return pd.crosstab(pairs.id, pairs.tactic)


# %% answer="sort-incidents" wrong="counts, loses incidents without tactics" score=7 says="order of incidents"
def classify():
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


def tactic_matrix(labels, tactics):
    strangers = {t for reached in labels.values() for t in reached if t not in tactics}
    if strangers:
        raise ValueError(f"unknown: {strangers}")
    pairs = pd.DataFrame(
        [(id, t) for id, reached in labels.items() for t in reached], columns=["id", "tactic"]
    )
    return pd.crosstab(pairs.id, pairs.tactic).reindex(columns=tactics, fill_value=0)


# %% answer="sort-incidents" wrong="leaves strangers out in silence" score=0 says="must raise a ValueError"
def tactic_matrix(labels, tactics):
    return pd.DataFrame(
        [[int(t in reached) for t in tactics] for reached in labels.values()], list(labels), tactics
    )


# %% answer="sort-incidents" wrong="a KeyError for strangers" score=0 says="must raise a ValueError"
def tactic_matrix(labels, tactics):
    position = {tactic: k for k, tactic in enumerate(tactics)}
    cells = np.zeros((len(labels), len(tactics)), dtype=int)
    for row, reached in enumerate(labels.values()):
        for tactic in reached:
            cells[row, position[tactic]] = 1
    return pd.DataFrame(cells, index=list(labels), columns=list(tactics))


# %% answer="sort-incidents" wrong="True and False instead of 1 and 0" score=0 says="integers"
def tactic_matrix(labels, tactics):
    for reached in labels.values():
        if not set(reached) <= set(tactics):
            raise ValueError(f"not in the matrix: {set(reached) - set(tactics)}")
    return pd.DataFrame(
        [[t in reached for t in tactics] for reached in labels.values()], list(labels), tactics
    )


# %% answer="pickle-gate" right="the pickle machine's stack, kept in full; safetensors by hand"
def imports_of(data):
    stack, marks, memo, names = [], [], {}, set()
    for opcode, argument, position in pickletools.genops(bytes(data)):
        name = opcode.name
        if name in ("EXT1", "EXT2", "EXT4"):
            raise ValueError("extension codes are refused")
        if name in ("GET", "BINGET", "LONG_BINGET"):
            if int(argument) not in memo:
                raise ValueError(f"nothing in the memo at {argument}")
            stack.append(memo[int(argument)])
            continue
        if name in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
            if not stack:
                raise ValueError("nothing to remember")
            memo[len(memo) if name == "MEMOIZE" else int(argument)] = stack[-1]
            continue
        if name == "MARK":
            marks.append(len(stack))
            continue
        taken = []
        for kind in reversed(opcode.stack_before):
            if kind.name == "stackslice":
                if not marks:
                    raise ValueError("no mark")
                start = marks.pop()
                taken = stack[start:] + taken
                del stack[start:]
            elif kind.name != "mark":
                if not stack:
                    raise ValueError("stack is empty")
                taken.insert(0, stack.pop())
        if name in ("GLOBAL", "INST"):
            module, _, attribute = argument.partition(" ")
            names.add(f"{module}.{attribute}")
        if name == "STACK_GLOBAL":
            if not all(isinstance(part, str) for part in taken):
                raise ValueError("the name is computed")
            names.add(".".join(taken))
        if name == "DUP":
            stack += taken
        text = "UNICODE" in name or "STRING" in name
        stack += [argument if text else None] * (len(opcode.stack_after) - (name == "DUP"))
    if position != len(data) - 1:
        raise ValueError("bytes after the end")
    return names


def to_safetensors(weights, bias):
    import struct

    words = sorted(weights)
    size = 8 * len(words)
    header = {
        "__metadata__": {"words": json.dumps(words, ensure_ascii=False)},
        "bias": {"dtype": "F64", "shape": [1], "data_offsets": [0, 8]},
        "weights": {"dtype": "F64", "shape": [len(words)], "data_offsets": [8, 8 + size]},
    }
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    body = struct.pack(f"<{len(words) + 1}d", bias, *(weights[word] for word in words))
    return len(text).to_bytes(8, "little") + text + body


def from_safetensors(data):
    import struct

    n = struct.unpack_from("<Q", data)[0]
    header = json.loads(data[8 : 8 + n])

    def read(name):
        start, end = header[name]["data_offsets"]
        return np.frombuffer(data[8 + n + start : 8 + n + end], "<f8")

    words = json.loads(header["__metadata__"]["words"])
    return {word: value for word, value in zip(words, read("weights"))}, read("bias")[0]


# %% answer="pickle-gate" right="a match statement over a list of opcodes; safetensors' own file reader"
def imports_of(data):
    try:
        program = list(pickletools.genops(data))
    except Exception as error:
        raise ValueError("not a pickle") from error
    if program[-1][2] != len(data) - 1:
        raise ValueError("something follows")
    found, last, memo = [], [None, None], {}
    for op, arg, _ in program:
        match op.name:
            case "PROTO" | "FRAME" | "MARK" | "STOP":
                continue
            case "MEMOIZE":
                memo[len(memo)] = last[-1]
            case "PUT" | "BINPUT" | "LONG_BINPUT":
                memo[arg] = last[-1]
            case "GET" | "BINGET" | "LONG_BINGET":
                last.append(memo[arg] if arg in memo else None)
            case "GLOBAL" | "INST":
                found.append(".".join(arg.split(" ")))
                last.append(None)
            case "STACK_GLOBAL":
                if not isinstance(last[-1], str) or not isinstance(last[-2], str):
                    raise ValueError("cannot read the name")
                found.append(last[-2] + "." + last[-1])
                last.append(None)
            case name if name.startswith("EXT"):
                raise ValueError("extension")
            case (
                "UNICODE"
                | "BINUNICODE"
                | "SHORT_BINUNICODE"
                | "BINUNICODE8"
                | "STRING"
                | "BINSTRING"
                | "SHORT_BINSTRING"
            ):
                last.append(arg)
            case _:
                last.append(None)
    return frozenset(found)


def to_safetensors(weights, bias):
    from safetensors.numpy import save

    series = pd.Series(weights, dtype="float64").sort_index()
    tensors = {"bias": np.full(1, float(bias)), "weights": series.to_numpy()}
    return save(tensors, {"words": json.dumps(series.index.tolist())})


def from_safetensors(data):
    from safetensors import safe_open

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "filter.safetensors"
        file.write_bytes(data)
        with safe_open(file, framework="np") as opened:
            words = json.loads(opened.metadata()["words"])
            values, bias = opened.get_tensor("weights").copy(), opened.get_tensor("bias").copy()
    return {words[k]: float(values[k]) for k in range(len(words))}, bias.item()


# %% answer="pickle-gate" wrong="loads the file and looks what it asks for" score=0 says="loaded the pickle"
def imports_of(data):
    names = set()

    class Spy(pickle.Unpickler):
        def find_class(self, module, name):
            names.add(f"{module}.{name}")
            return super().find_class(module, name)

    try:
        Spy(io.BytesIO(data)).load()
    except Exception as error:
        raise ValueError("not a pickle") from error
    return names


# %% answer="pickle-gate" wrong="searches the bytes for bad names" score=0 says="protocol"
def imports_of(data):
    bad = {b"exec": "builtins.exec", b"eval": "builtins.eval", b"system": "posix.system"}
    return {name for part, name in bad.items() if part in data}


# %% answer="pickle-gate" wrong="reads GLOBAL only" score=0 says="found nothing"
def imports_of(data):
    return {arg.replace(" ", ".") for op, arg, _ in pickletools.genops(data) if op.name in ("GLOBAL", "INST")}


# %% answer="pickle-gate" wrong="knows no memo" score=3 says="Follow the stack, or refuse"
def imports_of(data):
    names, strings = set(), []
    for op, arg, _ in pickletools.genops(data):
        if op.name in ("GLOBAL", "INST"):
            names.add(arg.replace(" ", "."))
        elif op.name.startswith("EXT"):
            raise ValueError("extension")
        elif op.name == "STACK_GLOBAL":
            if len(strings) < 2:
                raise ValueError("no name")
            names.add(f"{strings[-2]}.{strings[-1]}")
        elif isinstance(arg, str):
            strings.append(arg)
    return names


def to_safetensors(weights, bias):
    import safetensors.numpy

    words = sorted(weights)
    tensors = {"weights": np.array([weights[w] for w in words], dtype=float), "bias": np.array([float(bias)])}
    return safetensors.numpy.save(tensors, metadata={"words": json.dumps(words)})


def from_safetensors(data):
    import safetensors.numpy

    tensors = safetensors.numpy.load(data)
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    words = json.loads(header["__metadata__"]["words"])
    return dict(zip(words, tensors["weights"].tolist())), float(tensors["bias"][0])


# %% answer="pickle-gate" wrong="lets extension codes pass" score=0 says="extension code must raise"
def imports_of(data):
    names, pushed, memo = set(), [None, None], {}
    for op, arg, _ in pickletools.genops(data):
        if op.name in ("GLOBAL", "INST"):
            names.add(arg.replace(" ", "."))
            pushed.append(None)
        elif op.name == "STACK_GLOBAL":
            if None in pushed[-2:]:
                raise ValueError("no name")
            names.add(".".join(pushed[-2:]))
            pushed.append(None)
        elif op.name == "MEMOIZE":
            memo[len(memo)] = pushed[-1]
        elif "PUT" in op.name:
            memo[arg] = pushed[-1]
        elif "GET" in op.name:
            pushed.append(memo[arg])
        elif op.name not in ("PROTO", "FRAME", "MARK", "STOP"):
            pushed.append(arg if "UNICODE" in op.name or "STRING" in op.name else None)
    return names


# %% answer="pickle-gate" wrong="takes the last two strings, however far back" score=0 says="Follow the stack, or refuse"
def imports_of(data):
    names, strings, memo = set(), [], {}
    for op, arg, _ in pickletools.genops(data):
        if op.name in ("GLOBAL", "INST"):
            names.add(arg.replace(" ", "."))
        elif op.name.startswith("EXT"):
            raise ValueError("extension")
        elif op.name == "STACK_GLOBAL":
            names.add(".".join(strings[-2:]))
        elif op.name == "MEMOIZE":
            memo[len(memo)] = strings[-1] if strings else ""
        elif "PUT" in op.name:
            memo[arg] = strings[-1] if strings else ""
        elif "GET" in op.name:
            strings.append(memo[arg])
        elif "UNICODE" in op.name or "STRING" in op.name:
            strings.append(arg)
    return names


# %% answer="pickle-gate" wrong="words unsorted, as the dictionary has them" score=6 says="sorted order"
def imports_of(data):
    names, pushed, memo = set(), [None, None], {}
    for op, arg, at in pickletools.genops(data):
        if op.name in ("GLOBAL", "INST"):
            names.add(arg.replace(" ", "."))
            pushed.append(None)
        elif op.name == "STACK_GLOBAL":
            if None in pushed[-2:]:
                raise ValueError("no name")
            names.add(".".join(pushed[-2:]))
            pushed.append(None)
        elif op.name.startswith("EXT"):
            raise ValueError("extension")
        elif op.name == "MEMOIZE":
            memo[len(memo)] = pushed[-1]
        elif "PUT" in op.name:
            memo[arg] = pushed[-1]
        elif "GET" in op.name:
            pushed.append(memo[arg])
        elif op.name not in ("PROTO", "FRAME", "MARK", "STOP"):
            pushed.append(arg if "UNICODE" in op.name or "STRING" in op.name else None)
    if at + 1 != len(data):
        raise ValueError("more follows")
    return names


def to_safetensors(weights, bias):
    import safetensors.numpy

    tensors = {"weights": np.array(list(weights.values())), "bias": np.array([bias])}
    return safetensors.numpy.save(tensors, metadata={"words": json.dumps(list(weights))})


def from_safetensors(data):
    import safetensors.numpy

    tensors = safetensors.numpy.load(data)
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    words = json.loads(header["__metadata__"]["words"])
    return dict(zip(words, tensors["weights"].tolist())), float(tensors["bias"][0])


# %% answer="pickle-gate" wrong="float32 is enough" score=0 says="float64"
def to_safetensors(weights, bias):
    import safetensors.numpy

    words = sorted(weights)
    tensors = {
        "weights": np.array([weights[w] for w in words], "float32"),
        "bias": np.array([bias], "float32"),
    }
    return safetensors.numpy.save(tensors, metadata={"words": json.dumps(words)})


def from_safetensors(data):
    import safetensors.numpy

    tensors = safetensors.numpy.load(data)
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    words = json.loads(header["__metadata__"]["words"])
    return dict(zip(words, tensors["weights"].tolist())), float(tensors["bias"][0])


# %% answer="pickle-gate" wrong="the words joined by commas, not JSON" score=0 says="JSON list"
def to_safetensors(weights, bias):
    import safetensors.numpy

    words = sorted(weights)
    tensors = {"weights": np.array([weights[w] for w in words]), "bias": np.array([bias])}
    return safetensors.numpy.save(tensors, metadata={"words": ",".join(words)})


def from_safetensors(data):
    import safetensors.numpy

    tensors = safetensors.numpy.load(data)
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    words = header["__metadata__"]["words"].split(",")
    return dict(zip(words, tensors["weights"].tolist())), float(tensors["bias"][0])


# %% answer="layers" right="loops over lists"
def layers(caught):
    rows = [[int(cell) for cell in row] for row in caught]
    n, width = len(rows), len(rows[0])
    independent = 1.0
    for layer in range(width):
        independent *= sum(1 for row in rows if row[layer] == 0) / n
    best, fewest = None, n + 1
    for i in range(width):
        for j in range(i + 1, width):
            through = sum(1 for row in rows if row[i] == 0 and row[j] == 0)
            if through < fewest:
                best, fewest = (i, j), through
    measured = sum(1 for row in rows if not any(row)) / n
    return {"independent": independent, "measured": measured, "best_pair": best}


# %% answer="layers" right="a matrix product for all pairs at once, NumPy scalars"
def layers(caught):
    passed = 1 - np.asarray(caught)
    together = passed.T @ passed
    together[np.tril_indices(len(together))] = len(passed) + 1
    pair = np.unravel_index(together.argmin(), together.shape)
    return {
        "best_pair": pair,
        "measured": passed.min(axis=1).mean(),
        "independent": np.exp(np.log(np.maximum(passed.mean(axis=0), 1e-300)).sum()),
    }


# %% answer="layers" right="a pandas frame"
def layers(caught):
    from itertools import combinations

    frame = pd.DataFrame(caught).astype(bool)
    through = pd.Series(
        {pair: (~frame[list(pair)].any(axis=1)).mean() for pair in combinations(frame.columns, 2)}
    )
    pair = through.idxmin()
    return {
        "independent": float((1 - frame.mean()).prod()),
        "measured": float((~frame.any(axis=1)).mean()),
        "best_pair": (int(pair[0]), int(pair[1])),
    }


# %% answer="layers" wrong="multiplies what is caught instead of what is missed" score=0 says="independent layers let 2 of 9 pass"
def layers(caught):
    from itertools import combinations

    caught = np.asarray(caught)
    missed = caught == 0
    pairs = combinations(range(caught.shape[1]), 2)
    return {
        "independent": float(caught.mean(axis=0).prod()),
        "measured": float(missed.all(axis=1).mean()),
        "best_pair": min(pairs, key=lambda pair: missed[:, pair].all(axis=1).sum()),
    }


# %% answer="layers" wrong="the two layers that are best alone" score=0 says="together miss one attack only"
def layers(caught):
    missed = np.asarray(caught) == 0
    alone = missed.mean(axis=0)
    return {
        "independent": float(alone.prod()),
        "measured": float(missed.all(axis=1).mean()),
        "best_pair": tuple(sorted(np.argsort(alone, kind="stable")[:2].tolist())),
    }


# %% answer="layers" wrong="takes the last pair of equals" score=0 says="of equals, the first in order"
def layers(caught):
    missed = np.asarray(caught) == 0
    best, fewest = None, math.inf
    for i in range(missed.shape[1]):
        for j in range(i + 1, missed.shape[1]):
            through = (missed[:, i] & missed[:, j]).sum()
            if through <= fewest:
                best, fewest = (i, j), through
    return {
        "independent": float(missed.mean(axis=0).prod()),
        "measured": float(missed.all(axis=1).mean()),
        "best_pair": best,
    }


# %% answer="layers" wrong="measured is what at least one layer misses" score=0 says="one attack of six passes every layer"
def layers(caught):
    from itertools import combinations

    missed = np.asarray(caught) == 0
    pairs = combinations(range(missed.shape[1]), 2)
    return {
        "independent": float(missed.mean(axis=0).prod()),
        "measured": float(missed.any(axis=1).mean()),
        "best_pair": min(pairs, key=lambda pair: missed[:, pair].all(axis=1).sum()),
    }


# %% answer="layers" wrong="written for three layers" score=0 says="of all layers"
def layers(caught):
    a, b, c = (np.asarray(caught)[:, k] == 0 for k in range(3))
    through = {(0, 1): (a & b).mean(), (0, 2): (a & c).mean(), (1, 2): (b & c).mean()}
    return {
        "independent": float(a.mean() * b.mean() * c.mean()),
        "measured": float((a & b & c).mean()),
        "best_pair": min(through, key=through.get),
    }


# %% answer="layers" wrong="the pair with the best product of miss rates" score=0 says="together miss one attack only"
def layers(caught):
    from itertools import combinations

    missed = np.asarray(caught) == 0
    rates = missed.mean(axis=0)
    return {
        "independent": float(rates.prod()),
        "measured": float(missed.all(axis=1).mean()),
        "best_pair": min(combinations(range(len(rates)), 2), key=lambda pair: rates[list(pair)].prod()),
    }


# %% answer="threats" right="pandas: join elements and rules, then count the flows"
def enumerate_threats(elements, flows, rules):
    table = pd.DataFrame(elements).explode("stages").rename(columns={"stages": "stage"})
    joined = table.merge(pd.DataFrame(rules), on=["kind", "stage"])
    zones = dict(zip(table.id, table.zone))
    anyone = {f["to"] for f in flows if not f["authenticated"]}
    crossing = {f["to"] for f in flows if zones[f["from"]] != zones[f["to"]]}
    rows = []
    for row in joined.itertuples():
        likelihood = min(5, int(row.likelihood) + (row.id in anyone) + (row.id in crossing))
        rows.append(
            {
                "element": row.id,
                "threat": row.threat,
                "likelihood": likelihood,
                "risk": likelihood * int(row.value),
            }
        )
    rows.sort(key=lambda r: (r["element"], r["threat"]))
    rows.sort(key=lambda r: r["risk"], reverse=True)
    return rows


# %% answer="threats" right="a beginner's loops, without any or comprehension"
def enumerate_threats(elements, flows, rules):
    result = []
    for rule in rules:
        for element in elements:
            if element["kind"] != rule["kind"]:
                continue
            fits = False
            for stage in element["stages"]:
                if stage == rule["stage"]:
                    fits = True
            if not fits:
                continue
            unknown_sender = 0
            other_zone = 0
            for flow in flows:
                if flow["to"] == element["id"]:
                    if flow["authenticated"] is False:
                        unknown_sender = 1
                    for other in elements:
                        if other["id"] == flow["from"] and other["zone"] != element["zone"]:
                            other_zone = 1
            likelihood = rule["likelihood"] + unknown_sender + other_zone
            if likelihood > 5:
                likelihood = 5
            result.append(
                {
                    "risk": likelihood * element["value"],
                    "likelihood": likelihood,
                    "threat": rule["threat"],
                    "element": element["id"],
                }
            )
    return sorted(result, key=lambda t: (100 - t["risk"], t["element"], t["threat"]))


# %% answer="threats" wrong="one point for every such flow" score=0 says="a second one adds nothing"
def enumerate_threats(elements, flows, rules):
    zone = {e["id"]: e["zone"] for e in elements}
    found = []
    for e in elements:
        incoming = [f for f in flows if f["to"] == e["id"]]
        extra = sum(not f["authenticated"] for f in incoming) + sum(
            zone[f["from"]] != e["zone"] for f in incoming
        )
        for r in rules:
            if r["kind"] == e["kind"] and r["stage"] in e["stages"]:
                size = min(5, r["likelihood"] + extra)
                found.append(
                    {"element": e["id"], "threat": r["threat"], "likelihood": size, "risk": size * e["value"]}
                )
    return sorted(found, key=lambda t: (-t["risk"], t["element"], t["threat"]))


# %% answer="threats" wrong="forgets the limit of 5" score=0 says="never exceeds 5"
def enumerate_threats(elements, flows, rules):
    zone = {e["id"]: e["zone"] for e in elements}
    found = []
    for e in elements:
        incoming = [f for f in flows if f["to"] == e["id"]]
        extra = any(not f["authenticated"] for f in incoming) + any(
            zone[f["from"]] != e["zone"] for f in incoming
        )
        for r in rules:
            if r["kind"] == e["kind"] and r["stage"] in e["stages"]:
                size = r["likelihood"] + extra
                found.append(
                    {"element": e["id"], "threat": r["threat"], "likelihood": size, "risk": size * e["value"]}
                )
    return sorted(found, key=lambda t: (-t["risk"], t["element"], t["threat"]))


# %% answer="threats" wrong="counts flows out of the element too" score=0 says="only flows into the element count"
def enumerate_threats(elements, flows, rules):
    zone = {e["id"]: e["zone"] for e in elements}
    found = []
    for e in elements:
        incoming = [f for f in flows if f["to"] == e["id"]]
        both = incoming + [f for f in flows if f["from"] == e["id"] and f["authenticated"]]
        extra = any(not f["authenticated"] for f in incoming) + any(
            zone[f["from"]] != zone[f["to"]] for f in both
        )
        for r in rules:
            if r["kind"] == e["kind"] and r["stage"] in e["stages"]:
                size = min(5, r["likelihood"] + extra)
                found.append(
                    {"element": e["id"], "threat": r["threat"], "likelihood": size, "risk": size * e["value"]}
                )
    return sorted(found, key=lambda t: (-t["risk"], t["element"], t["threat"]))


# %% answer="threats" wrong="lowest risk first" score=0 says="the highest risk comes first"
def enumerate_threats(elements, flows, rules):
    zone = {e["id"]: e["zone"] for e in elements}
    found = []
    for e in elements:
        incoming = [f for f in flows if f["to"] == e["id"]]
        extra = any(not f["authenticated"] for f in incoming) + any(
            zone[f["from"]] != e["zone"] for f in incoming
        )
        for r in rules:
            if r["kind"] == e["kind"] and r["stage"] in e["stages"]:
                size = min(5, r["likelihood"] + extra)
                found.append(
                    {"element": e["id"], "threat": r["threat"], "likelihood": size, "risk": size * e["value"]}
                )
    return sorted(found, key=lambda t: (t["risk"], t["element"], t["threat"]))


# %% answer="paths" right="best-first search with a heap"
def cheapest_paths(steps, entries, jewel, count):
    import heapq

    price = {}
    for step in steps:
        pair = (step["from"], step["to"])
        price[pair] = min(step["days"], price.get(pair, step["days"]))
    heap = [(0.0, (entry,)) for entry in entries]
    heapq.heapify(heap)
    found = []
    while heap and len(found) < count:
        days, path = heapq.heappop(heap)
        if path[-1] == jewel:
            found.append((days, list(path)))
            continue
        for (start, end), cost in price.items():
            if start == path[-1] and end not in path:
                heapq.heappush(heap, (days + cost, (*path, end)))
    return found


# %% answer="paths" right="recursion over all simple paths, tuples instead of lists"
def cheapest_paths(steps, entries, jewel, count):
    def walk(path, days):
        if path[-1] == jewel:
            yield days, path
            return
        for target in {s["to"] for s in steps if s["from"] == path[-1]} - set(path):
            cost = min(s["days"] for s in steps if s["from"] == path[-1] and s["to"] == target)
            yield from walk((*path, target), days + cost)

    everything = [found for entry in entries for found in walk((entry,), 0)]
    return sorted(everything, key=lambda found: found[0])[:count]


# %% answer="paths" wrong="the last of several steps counts" score=0 says="with the cheaper of two steps"
def cheapest_paths(steps, entries, jewel, count):
    graph = nx.DiGraph()
    for step in steps:
        graph.add_edge(step["from"], step["to"], days=step["days"])
    found = []
    for entry in entries:
        if entry in graph and jewel in graph:
            for path in nx.all_simple_paths(graph, entry, jewel):
                found.append((nx.path_weight(graph, path, "days"), path))
    return sorted(found)[:count]


# %% answer="paths" wrong="fewest steps instead of fewest days" score=0 says="the two cheapest paths are"
def cheapest_paths(steps, entries, jewel, count):
    graph = nx.DiGraph()
    for step in steps:
        known = graph.get_edge_data(step["from"], step["to"], {"days": math.inf})["days"]
        graph.add_edge(step["from"], step["to"], days=min(known, step["days"]))
    found = []
    for entry in entries:
        if entry in graph and jewel in graph:
            for path in nx.all_simple_paths(graph, entry, jewel):
                found.append((nx.path_weight(graph, path, "days"), path))
    return sorted(found, key=lambda pair: len(pair[1]))[:count]


# %% answer="paths" wrong="the cheapest path of each entry only" score=0 says="the two cheapest paths are"
def cheapest_paths(steps, entries, jewel, count):
    graph = nx.DiGraph()
    for step in steps:
        known = graph.get_edge_data(step["from"], step["to"], {"days": math.inf})["days"]
        graph.add_edge(step["from"], step["to"], days=min(known, step["days"]))
    found = []
    for entry in entries:
        if entry in graph and jewel in graph and nx.has_path(graph, entry, jewel):
            path = nx.dijkstra_path(graph, entry, jewel, "days")
            found.append((nx.path_weight(graph, path, "days"), path))
    return sorted(found)[:count]


# %% answer="paths" wrong="fails where there is no path" score=0 says="silver"
def cheapest_paths(steps, entries, jewel, count):
    from itertools import islice

    graph = nx.DiGraph()
    for step in steps:
        known = graph.get_edge_data(step["from"], step["to"], {"days": math.inf})["days"]
        graph.add_edge(step["from"], step["to"], days=min(known, step["days"]))
    found = []
    for entry in entries:
        for path in islice(nx.shortest_simple_paths(graph, entry, jewel, weight="days"), count):
            found.append((nx.path_weight(graph, path, "days"), path))
    return sorted(found)[:count]


# %% answer="least-privilege" right="a Counter over the rows"
def grants(log, least):
    rows = list(zip(log["tool"], log["scope"], log["access"], log["needed"]))
    needed = Counter(row[:3] for row in rows if row[3])
    verdicts = {"revoke": [], "ask": [], "grant": []}
    for right in sorted({row[:3] for row in rows}):
        if needed[right] == 0:
            verdicts["revoke"].append(right)
        elif needed[right] < least:
            verdicts["ask"].append(right)
        else:
            verdicts["grant"].append(right)
    return verdicts


# %% answer="least-privilege" right="a pivot, lists instead of tuples"
def grants(log, least):
    table = log.assign(n=log.needed.astype(int)).pivot_table(
        index=["tool", "scope", "access"], values="n", aggfunc="sum"
    )
    table = table.sort_index()

    def pick(rows):
        return [list(right) for right in rows.index]

    return {
        "grant": pick(table[(table.n > 0) & (table.n >= least)]),
        "ask": pick(table[(table.n > 0) & (table.n < least)]),
        "revoke": pick(table[table.n == 0]),
    }


# %% answer="least-privilege" wrong="counts all calls, needed or not" score=0 says="count needed calls only"
def grants(log, least):
    verdicts = {"grant": [], "ask": [], "revoke": []}
    for right, rows in log.groupby(["tool", "scope", "access"]):
        verdict = "revoke" if not rows.needed.any() else "grant" if len(rows) >= least else "ask"
        verdicts[verdict].append(right)
    return verdicts


# %% answer="least-privilege" wrong="more than least instead of at least" score=0 says="exactly `least` times"
def grants(log, least):
    verdicts = {"grant": [], "ask": [], "revoke": []}
    for right, needed in log.groupby(["tool", "scope", "access"]).needed.sum().items():
        verdicts["grant" if needed > least else "ask" if needed else "revoke"].append(right)
    return verdicts


# %% answer="least-privilege" wrong="revokes nothing, and asks instead" score=0 says="needed once"
def grants(log, least):
    needed = log.groupby(["tool", "scope", "access"]).needed.sum()
    return {
        "grant": [right for right, n in needed.items() if n >= least],
        "ask": [right for right, n in needed.items() if n < least],
        "revoke": [],
    }


# %% answer="least-privilege" wrong="in order of use, not sorted" score=0 says="sorted"
def grants(log, least):
    verdicts = {"grant": [], "ask": [], "revoke": []}
    for right, needed in log.groupby(["tool", "scope", "access"], sort=False).needed.sum().items():
        verdicts["grant" if needed >= least else "ask" if needed else "revoke"].append(right)
    return verdicts


# %% answer="briefing" right="counts by hand, without the month's own functions"
def evidence():
    flagged, phish = test_scores >= 0.5, test.phish.to_numpy() == 1
    lengths = []
    for text in caught.text:
        present = words_of(text)
        total = bias + sum(weights.get(w, 0) for w in present)
        k = 0
        for value in sorted(v for w, v in weights.items() if w not in present):
            if total < 0 or value >= 0:
                break
            total += value
            k += 1
        lengths.append(k if total < 0 else math.inf)
    best = {entry: 0.0 for entry in ENTRIES}
    for _ in range(len(ELEMENTS)):
        for step in ATTACK_STEPS:
            if step["from"] in best:
                best[step["to"]] = min(best.get(step["to"], math.inf), best[step["from"]] + step["days"])
    return {
        "recall": float((flagged & phish).sum() / phish.sum()),
        "fpr": float((flagged & ~phish).sum() / (~phish).sum()),
        "median_words": sorted(lengths)[len(lengths) // 2] if len(lengths) % 2 else float(np.median(lengths)),
        "cheapest_days": best[JEWEL],
    }


# %% answer="briefing" right="NumPy scalars, the order of the keys turned round, one key more"
def evidence():
    words = [good_words(weights, bias, words_of(text), 0.5) for text in caught.text]
    measured = rates(test.phish, test_scores, 0.5)
    return {
        "cheapest_days": np.float64(cheapest_paths(ATTACK_STEPS, ENTRIES, JEWEL, 3)[0][0]),
        "median_words": np.median([np.inf if w is None else len(w) for w in words]),
        "fpr": np.float64(measured["fpr"]),
        "recall": np.float64(measured["recall"]),
        "precision": measured["precision"],
    }


# %% answer="briefing" wrong="invented numbers" score=0 says="is not what this notebook's systems show"
def evidence():
    return {"recall": 0.9, "fpr": 0.1, "median_words": 3, "cheapest_days": 99}


# %% answer="briefing" wrong="one number is missing" score=0 says="the evidence lacks cheapest_days"
def evidence():
    words = [good_words(weights, bias, words_of(text), 0.5) for text in caught.text]
    measured = rates(test.phish, test_scores, 0.5)
    return {
        "recall": measured["recall"],
        "fpr": measured["fpr"],
        "median_words": float(np.median([len(w) for w in words])),
    }


# %% answer="briefing" wrong="the mean instead of the median" score=0 says="median_words is not"
def evidence():
    words = [good_words(weights, bias, words_of(text), 0.5) for text in caught.text]
    measured = rates(test.phish, test_scores, 0.5)
    return {
        "recall": measured["recall"],
        "fpr": measured["fpr"],
        "median_words": float(np.mean([len(w) for w in words if w is not None])),
        "cheapest_days": cheapest_paths(ATTACK_STEPS, ENTRIES, JEWEL, 1)[0][0],
    }


# %% answer="threats" right="matrices, NumPy scalars and a stable sort in three passes"
def enumerate_threats(elements, flows, rules):
    ids = [e["id"] for e in elements]
    place = {id: n for n, id in enumerate(ids)}
    unsure, foreign = np.zeros(len(ids), int), np.zeros(len(ids), int)
    for flow in flows:
        source, target = place[flow["from"]], place[flow["to"]]
        unsure[target] |= not flow["authenticated"]
        foreign[target] |= elements[source]["zone"] != elements[target]["zone"]
    rows = []
    for n, element in enumerate(elements):
        for rule in rules:
            if rule["kind"] == element["kind"] and set(element["stages"]) & {rule["stage"]}:
                size = np.clip(rule["likelihood"] + unsure[n] + foreign[n], 0, 5)
                rows.append(
                    dict(risk=size * element["value"], likelihood=size, threat=rule["threat"], element=ids[n])
                )
    rows.sort(key=lambda row: row["threat"])
    rows.sort(key=lambda row: row["element"])
    rows.sort(key=lambda row: -row["risk"])
    return rows


# %% answer="threats" right="a data frame sorted at the end"
def enumerate_threats(elements, flows, rules):
    zone = {e["id"]: e["zone"] for e in elements}
    rows = []
    for e in elements:
        inc = [f for f in flows if f["to"] == e["id"]]
        plus = int(any(not f["authenticated"] for f in inc)) + int(
            any(zone[f["from"]] != e["zone"] for f in inc)
        )
        for r in rules:
            if r["kind"] == e["kind"] and r["stage"] in e["stages"]:
                rows.append(
                    (
                        e["id"],
                        r["threat"],
                        min(r["likelihood"] + plus, 5),
                        min(r["likelihood"] + plus, 5) * e["value"],
                    )
                )
    table = pd.DataFrame(rows, columns=["element", "threat", "likelihood", "risk"])
    table = table.sort_values(["risk", "element", "threat"], ascending=[False, True, True])
    return table.to_dict("records")


# %% answer="threats" wrong="one point at most for both conditions" score=0 says="only flows into the element count"
def enumerate_threats(elements, flows, rules):
    zone = {e["id"]: e["zone"] for e in elements}
    found = []
    for e in elements:
        incoming = [f for f in flows if f["to"] == e["id"]]
        extra = any(not f["authenticated"] or zone[f["from"]] != e["zone"] for f in incoming)
        for r in rules:
            if r["kind"] == e["kind"] and r["stage"] in e["stages"]:
                size = min(5, r["likelihood"] + extra)
                found.append(
                    {"element": e["id"], "threat": r["threat"], "likelihood": size, "risk": size * e["value"]}
                )
    return sorted(found, key=lambda t: (-t["risk"], t["element"], t["threat"]))


# %% answer="threats" wrong="ties in reverse" score=0 says="then element id"
def enumerate_threats(elements, flows, rules):
    zone = {e["id"]: e["zone"] for e in elements}
    found = []
    for e in elements:
        incoming = [f for f in flows if f["to"] == e["id"]]
        extra = any(not f["authenticated"] for f in incoming) + any(
            zone[f["from"]] != e["zone"] for f in incoming
        )
        for r in rules:
            if r["kind"] == e["kind"] and r["stage"] in e["stages"]:
                size = min(5, r["likelihood"] + extra)
                found.append(
                    {"element": e["id"], "threat": r["threat"], "likelihood": size, "risk": size * e["value"]}
                )
    return sorted(found, key=lambda t: (t["risk"], t["element"], t["threat"]), reverse=True)


# %% answer="threats" wrong="the limit holds for the likelihood, not for the risk" score=0 says="risk or order differ"
def enumerate_threats(elements, flows, rules):
    zone = {e["id"]: e["zone"] for e in elements}
    found = []
    for e in elements:
        incoming = [f for f in flows if f["to"] == e["id"]]
        extra = any(not f["authenticated"] for f in incoming) + any(
            zone[f["from"]] != e["zone"] for f in incoming
        )
        for r in rules:
            if r["kind"] == e["kind"] and r["stage"] in e["stages"]:
                size = r["likelihood"] + extra
                found.append(
                    {
                        "element": e["id"],
                        "threat": r["threat"],
                        "likelihood": min(5, size),
                        "risk": size * e["value"],
                    }
                )
    return sorted(found, key=lambda t: (-t["risk"], t["element"], t["threat"]))


# %% answer="threats" wrong="looks at the first stage only" score=0 says="one of the"
def enumerate_threats(elements, flows, rules):
    zone = {e["id"]: e["zone"] for e in elements}
    found = []
    for e in elements:
        incoming = [f for f in flows if f["to"] == e["id"]]
        extra = any(not f["authenticated"] for f in incoming) + any(
            zone[f["from"]] != e["zone"] for f in incoming
        )
        for r in rules:
            if r["kind"] == e["kind"] and e["stages"] and r["stage"] == e["stages"][0]:
                size = min(5, r["likelihood"] + extra)
                found.append(
                    {"element": e["id"], "threat": r["threat"], "likelihood": size, "risk": size * e["value"]}
                )
    return sorted(found, key=lambda t: (-t["risk"], t["element"], t["threat"]))


# %% answer="threats" wrong="only if all flows are not authenticated" score=0 says="some flow into it"
def enumerate_threats(elements, flows, rules):
    zone = {e["id"]: e["zone"] for e in elements}
    found = []
    for e in elements:
        incoming = [f for f in flows if f["to"] == e["id"]]
        extra = (bool(incoming) and all(not f["authenticated"] for f in incoming)) + any(
            zone[f["from"]] != e["zone"] for f in incoming
        )
        for r in rules:
            if r["kind"] == e["kind"] and r["stage"] in e["stages"]:
                size = min(5, r["likelihood"] + extra)
                found.append(
                    {"element": e["id"], "threat": r["threat"], "likelihood": size, "risk": size * e["value"]}
                )
    return sorted(found, key=lambda t: (-t["risk"], t["element"], t["threat"]))


# %% answer="threats" wrong="forgets the kind" score=0 says="three threats fit"
def enumerate_threats(elements, flows, rules):
    zone = {e["id"]: e["zone"] for e in elements}
    found = []
    for e in elements:
        incoming = [f for f in flows if f["to"] == e["id"]]
        extra = any(not f["authenticated"] for f in incoming) + any(
            zone[f["from"]] != e["zone"] for f in incoming
        )
        for r in rules:
            if r["stage"] in e["stages"]:
                size = min(5, r["likelihood"] + extra)
                found.append(
                    {"element": e["id"], "threat": r["threat"], "likelihood": size, "risk": size * e["value"]}
                )
    return sorted(found, key=lambda t: (-t["risk"], t["element"], t["threat"]))


# %% answer="paths" right="one source before all entries, parallel edges, every simple path"
def cheapest_paths(steps, entries, jewel, count):
    graph = nx.MultiDiGraph()
    graph.add_nodes_from([*entries, jewel])
    for step in steps:
        graph.add_edge(step["from"], step["to"], days=step["days"])
    for entry in entries:
        graph.add_edge("anywhere", entry, days=0)
    days_of = {}
    for edges in nx.all_simple_edge_paths(graph, "anywhere", jewel):
        path = tuple(end for _, end, _ in edges)
        days = sum(graph.edges[edge]["days"] for edge in edges)
        days_of[path] = min(days, days_of.get(path, days))
    return [[days_of[path], path] for path in sorted(days_of, key=days_of.get)[:count]]


# %% answer="paths" right="all paths, a step longer each round, then the best one by one element, one step longer each round"
def cheapest_paths(steps, entries, jewel, count):
    pending = [{"path": [entry], "days": 0} for entry in entries]
    arrived = {}
    while len(pending) > 0:
        longer = []
        for item in pending:
            for step in steps:
                if step["from"] != item["path"][-1]:
                    continue
                if step["to"] in item["path"]:
                    continue
                new = {"path": item["path"] + [step["to"]], "days": item["days"] + step["days"]}
                if step["to"] != jewel:
                    longer.append(new)
                else:
                    key = "|".join(new["path"])
                    if key not in arrived or new["days"] < arrived[key]:
                        arrived[key] = new["days"]
        pending = longer
    result = []
    while len(result) < count and len(arrived) > 0:
        best = None
        for key in arrived:
            if best is None or arrived[key] < arrived[best]:
                best = key
        result.append((np.float64(arrived.pop(best)), best.split("|")))
    return result


# %% answer="paths" right="sums backwards from the jewel"
def cheapest_paths(steps, entries, jewel, count):
    into = {}
    for s in steps:
        into.setdefault(s["to"], {})
        into[s["to"]][s["from"]] = min(s["days"], into[s["to"]].get(s["from"], s["days"]))
    found, stack = [], [(0.0, (jewel,))]
    while stack:
        days, path = stack.pop()
        if path[0] in entries:
            found.append((days, path))
            continue
        for source, cost in into.get(path[0], {}).items():
            if source not in path:
                stack.append((cost + days, (source, *path)))
    found.sort()
    return tuple(found[:count])


# %% answer="paths" wrong="parallel steps make two paths" score=0 says="four paths in all"
def cheapest_paths(steps, entries, jewel, count):
    graph = nx.MultiDiGraph()
    graph.add_nodes_from([*entries, jewel])
    for step in steps:
        graph.add_edge(step["from"], step["to"], days=step["days"])
    found = []
    for entry in entries:
        for edges in nx.all_simple_edge_paths(graph, entry, jewel):
            found.append((sum(graph.edges[e]["days"] for e in edges), [entry, *(e[1] for e in edges)]))
    return sorted(found)[:count]


# %% answer="paths" wrong="looks at the first entry only" score=0 says="four paths in all"
def cheapest_paths(steps, entries, jewel, count):
    from itertools import islice

    graph = nx.DiGraph()
    for step in steps:
        known = graph.get_edge_data(step["from"], step["to"], {"days": math.inf})["days"]
        graph.add_edge(step["from"], step["to"], days=min(known, step["days"]))
    try:
        paths = list(islice(nx.shortest_simple_paths(graph, entries[0], jewel, weight="days"), count))
    except (nx.NetworkXNoPath, nx.NodeNotFound):
        return []
    return [(nx.path_weight(graph, path, "days"), path) for path in paths]


# %% answer="paths" wrong="joins the entries' lists without sorting them" score=0 says="not in order"
def cheapest_paths(steps, entries, jewel, count):
    from itertools import islice

    graph = nx.DiGraph()
    for step in steps:
        known = graph.get_edge_data(step["from"], step["to"], {"days": math.inf})["days"]
        graph.add_edge(step["from"], step["to"], days=min(known, step["days"]))
    found = []
    for entry in entries:
        try:
            for path in islice(nx.shortest_simple_paths(graph, entry, jewel, weight="days"), count):
                found.append((nx.path_weight(graph, path, "days"), path))
        except (nx.NetworkXNoPath, nx.NodeNotFound):
            pass
    return found[:count]


# %% answer="paths" wrong="walks in circles: no check for visited elements" score=0 says="the two cheapest paths are"
def cheapest_paths(steps, entries, jewel, count):
    import heapq

    price = {}
    for s in steps:
        price[s["from"], s["to"]] = min(s["days"], price.get((s["from"], s["to"]), math.inf))
    heap, found = [(0.0, [entry]) for entry in entries], []
    while heap and len(found) < count:
        days, path = heapq.heappop(heap)
        if path[-1] == jewel:
            found.append((days, path))
        else:
            for (a, b), cost in price.items():
                if a == path[-1]:
                    heapq.heappush(heap, (days + cost, [*path, b]))
    return found


# %% answer="paths" wrong="gives up with the first entry that leads nowhere" score=0 says="you returned 0"
def cheapest_paths(steps, entries, jewel, count):
    from itertools import islice

    graph = nx.DiGraph()
    for step in steps:
        known = graph.get_edge_data(step["from"], step["to"], {"days": math.inf})["days"]
        graph.add_edge(step["from"], step["to"], days=min(known, step["days"]))
    found = []
    try:
        for entry in entries:
            for path in islice(nx.shortest_simple_paths(graph, entry, jewel, weight="days"), count):
                found.append((nx.path_weight(graph, path, "days"), path))
    except (nx.NetworkXNoPath, nx.NodeNotFound):
        return []
    return sorted(found)[:count]


# %% answer="least-privilege" right="a beginner's dictionaries and iterrows, NumPy strings"
def grants(log, least):
    used = []
    counts = {}
    for _, row in log.iterrows():
        right = (np.str_(row["tool"]), np.str_(row["scope"]), np.str_(row["access"]))
        if right not in used:
            used.append(right)
            counts[right] = 0
        if row["needed"] == True:  # noqa: E712
            counts[right] = counts[right] + 1
    result = {}
    result["revoke"] = []
    result["ask"] = []
    result["grant"] = []
    for right in used:
        if counts[right] == 0:
            result["revoke"].append(right)
        if counts[right] > 0 and counts[right] < least:
            result["ask"].append(right)
        if counts[right] > 0 and counts[right] >= least:
            result["grant"].append(right)
    for name in result:
        result[name].sort()
    return result


# %% answer="least-privilege" right="sets and value_counts"
def grants(log, least):
    columns = ["tool", "scope", "access"]
    used = set(log[columns].itertuples(index=False, name=None))
    counts = log.loc[log.needed, columns].value_counts()
    grant = set(counts[counts >= least].index)
    ask = set(counts.index) - grant
    return {"grant": sorted(grant), "ask": sorted(ask), "revoke": sorted(used - grant - ask)}


# %% answer="least-privilege" wrong="drops the calls that were not needed first" score=0 says="never needed is revoked"
def grants(log, least):
    verdicts = {"grant": [], "ask": [], "revoke": []}
    needed = log[log.needed].groupby(["tool", "scope", "access"]).size()
    for right, count in needed.items():
        verdicts["grant" if count >= least else "ask" if count else "revoke"].append(right)
    return verdicts


# %% answer="least-privilege" wrong="revokes every right that some call did not need" score=0 says="never needed is revoked"
def grants(log, least):
    columns = ["tool", "scope", "access"]
    needed = log.groupby(columns).needed.sum()
    return {
        "grant": sorted(needed[needed >= least].index),
        "ask": sorted(needed[(needed > 0) & (needed < least)].index),
        "revoke": sorted(set(log.loc[~log.needed, columns].itertuples(index=False, name=None))),
    }


# %% answer="briefing" right="scikit-learn, statistics and networkx"
def evidence():
    import statistics

    from sklearn.metrics import confusion_matrix

    flagged = [score(text, weights, bias) >= 0.5 for text in test.text]
    tn, fp, fn, tp = confusion_matrix(test.phish == 1, flagged).ravel()
    found = [good_words(weights, bias, words_of(text), 0.5) for text in caught["text"]]
    graph = nx.MultiDiGraph()
    graph.add_nodes_from(ENTRIES)
    for step in ATTACK_STEPS:
        graph.add_edge(step["from"], step["to"], days=step["days"])
    days = nx.multi_source_dijkstra_path_length(graph, set(ENTRIES), weight="days")
    return {
        "recall": tp / (tp + fn),
        "fpr": fp / (fp + tn),
        "median_words": statistics.median(math.inf if f is None else len(f) for f in found),
        "cheapest_days": days[JEWEL],
    }


# %% answer="briefing" wrong="percentages instead of shares" score=0 says="shares between 0 and 1"
def evidence():
    measured = rates(test.phish, test_scores, 0.5)
    words = [good_words(weights, bias, words_of(text), 0.5) for text in caught.text]
    return {
        "recall": 100 * measured["recall"],
        "fpr": 100 * measured["fpr"],
        "median_words": float(np.median([math.inf if w is None else len(w) for w in words])),
        "cheapest_days": cheapest_paths(ATTACK_STEPS, ENTRIES, JEWEL, 1)[0][0],
    }


# %% answer="briefing" wrong="measured on the mails that the filter learned from" score=0 says="recall is not"
def evidence():
    measured = rates(train.phish, [score(text, weights, bias) for text in train.text], 0.5)
    words = [good_words(weights, bias, words_of(text), 0.5) for text in caught.text]
    return {
        "recall": measured["recall"],
        "fpr": measured["fpr"],
        "median_words": float(np.median([math.inf if w is None else len(w) for w in words])),
        "cheapest_days": cheapest_paths(ATTACK_STEPS, ENTRIES, JEWEL, 1)[0][0],
    }


# %% answer="briefing" wrong="the third cheapest path" score=0 says="cheapest_days is not"
def evidence():
    measured = rates(test.phish, test_scores, 0.5)
    words = [good_words(weights, bias, words_of(text), 0.5) for text in caught.text]
    return {
        "recall": measured["recall"],
        "fpr": measured["fpr"],
        "median_words": float(np.median([math.inf if w is None else len(w) for w in words])),
        "cheapest_days": cheapest_paths(ATTACK_STEPS, ENTRIES, JEWEL, 3)[-1][0],
    }


# %% answer="briefing" wrong="false alarms among the flagged mails as fpr" score=0 says="fpr is not"
def evidence():
    measured = rates(test.phish, test_scores, 0.5)
    words = [good_words(weights, bias, words_of(text), 0.5) for text in caught.text]
    return {
        "recall": measured["recall"],
        "fpr": 1 - measured["precision"],
        "median_words": float(np.median([math.inf if w is None else len(w) for w in words])),
        "cheapest_days": cheapest_paths(ATTACK_STEPS, ENTRIES, JEWEL, 1)[0][0],
    }


# %% answer="briefing" wrong="rounded for the page" score=0 says="recall is not"
def evidence():
    measured = rates(test.phish, test_scores, 0.5)
    words = [good_words(weights, bias, words_of(text), 0.5) for text in caught.text]
    return {
        "recall": round(measured["recall"], 2),
        "fpr": round(measured["fpr"], 3),
        "median_words": float(np.median([math.inf if w is None else len(w) for w in words])),
        "cheapest_days": cheapest_paths(ATTACK_STEPS, ENTRIES, JEWEL, 1)[0][0],
    }


# %% answer="threats" wrong="raises the likelihood in the rule itself" score=0 says="leave the rules as they are"
def enumerate_threats(elements, flows, rules):
    zone = {e["id"]: e["zone"] for e in elements}
    found = []
    for e in elements:
        incoming = [f for f in flows if f["to"] == e["id"]]
        for r in rules:
            if r["kind"] == e["kind"] and r["stage"] in e["stages"]:
                if any(not f["authenticated"] for f in incoming):
                    r["likelihood"] += 1
                if any(zone[f["from"]] != e["zone"] for f in incoming):
                    r["likelihood"] += 1
                r["likelihood"] = min(5, r["likelihood"])
                found.append(
                    {
                        "element": e["id"],
                        "threat": r["threat"],
                        "likelihood": r["likelihood"],
                        "risk": r["likelihood"] * e["value"],
                    }
                )
    return sorted(found, key=lambda t: (-t["risk"], t["element"], t["threat"]))


# %% answer="threats" wrong="fails where nothing fits: sorts an empty data frame" score=0 says="where no rule fits"
def enumerate_threats(elements, flows, rules):
    zone = {e["id"]: e["zone"] for e in elements}
    rows = []
    for e in elements:
        inc = [f for f in flows if f["to"] == e["id"]]
        plus = int(any(not f["authenticated"] for f in inc)) + int(
            any(zone[f["from"]] != e["zone"] for f in inc)
        )
        for r in rules:
            if r["kind"] == e["kind"] and r["stage"] in e["stages"]:
                lik = min(r["likelihood"] + plus, 5)
                rows.append(
                    {"element": e["id"], "threat": r["threat"], "likelihood": lik, "risk": lik * e["value"]}
                )
    return (
        pd.DataFrame(rows)
        .sort_values(["risk", "element", "threat"], ascending=[False, True, True])
        .to_dict("records")
    )


# %% answer="threats" wrong="one entry per threat, even if two rules name it" score=0 says="one for each element and rule"
def enumerate_threats(elements, flows, rules):
    zone = {e["id"]: e["zone"] for e in elements}
    found = {}
    for e in elements:
        incoming = [f for f in flows if f["to"] == e["id"]]
        extra = any(not f["authenticated"] for f in incoming) + any(
            zone[f["from"]] != e["zone"] for f in incoming
        )
        for r in rules:
            if r["kind"] == e["kind"] and r["stage"] in e["stages"]:
                size = min(5, r["likelihood"] + extra)
                found[e["id"], r["threat"]] = {
                    "element": e["id"],
                    "threat": r["threat"],
                    "likelihood": size,
                    "risk": size * e["value"],
                }
    return sorted(found.values(), key=lambda t: (-t["risk"], t["element"], t["threat"]))


# %% answer="paths" wrong="pairs the wrong way round" score=0 says="the days first"
def cheapest_paths(steps, entries, jewel, count):
    from itertools import islice

    graph = nx.DiGraph()
    for step in steps:
        known = graph.get_edge_data(step["from"], step["to"], {"days": math.inf})["days"]
        graph.add_edge(step["from"], step["to"], days=min(known, step["days"]))
    found = []
    for entry in entries:
        if entry in graph and jewel in graph and nx.has_path(graph, entry, jewel):
            for path in islice(nx.shortest_simple_paths(graph, entry, jewel, weight="days"), count):
                found.append((path, nx.path_weight(graph, path, "days")))
    return sorted(found, key=lambda p: p[1])[:count]


# %% answer="paths" wrong="paths without their days" score=0 says="the days first"
def cheapest_paths(steps, entries, jewel, count):
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
    return [p for _, p in sorted(found)[:count]]


# %% answer="paths" wrong="fails where both ends are known but not joined" score=0 says="from side to in"
def cheapest_paths(steps, entries, jewel, count):
    from itertools import islice

    graph = nx.DiGraph()
    for step in steps:
        known = graph.get_edge_data(step["from"], step["to"], {"days": math.inf})["days"]
        graph.add_edge(step["from"], step["to"], days=min(known, step["days"]))
    found = []
    for entry in entries:
        if entry in graph and jewel in graph:
            for path in islice(nx.shortest_simple_paths(graph, entry, jewel, weight="days"), count):
                found.append((nx.path_weight(graph, path, "days"), path))
    return sorted(found)[:count]


# %% answer="paths" wrong="returns None without a path" score=0 says="return an empty list"
def cheapest_paths(steps, entries, jewel, count):
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
    return sorted(found)[:count] or None


# %% answer="least-privilege" wrong="rights without the access" score=0 says="a right is a triple"
def grants(log, least):
    verdicts = {"grant": [], "ask": [], "revoke": []}
    for right, needed in log.groupby(["tool", "scope"]).needed.sum().items():
        verdicts["grant" if needed >= least else "ask" if needed else "revoke"].append(right)
    return verdicts


# %% answer="least-privilege" wrong="tools instead of rights" score=0 says="a right is a triple"
def grants(log, least):
    verdicts = {"grant": [], "ask": [], "revoke": []}
    for tool, needed in log.groupby("tool").needed.sum().items():
        verdicts["grant" if needed >= least else "ask" if needed else "revoke"].append(tool)
    return verdicts


# %% answer="least-privilege" wrong="one entry a call" score=0 says="name each right once"
def grants(log, least):
    needed = Counter(
        r[:3] for r in log[["tool", "scope", "access", "needed"]].itertuples(index=False, name=None) if r[3]
    )
    verdicts = {"grant": [], "ask": [], "revoke": []}
    for right in sorted(log[["tool", "scope", "access"]].itertuples(index=False, name=None)):
        n = needed[right]
        verdicts["grant" if n >= least else "ask" if n else "revoke"].append(right)
    return verdicts


# %% answer="least-privilege" wrong="sets, not lists" score=0 says="grant is a list"
def grants(log, least):
    verdicts = {"grant": set(), "ask": set(), "revoke": set()}
    for right, needed in log.groupby(["tool", "scope", "access"]).needed.sum().items():
        verdicts["grant" if needed >= least else "ask" if needed else "revoke"].add(right)
    return verdicts


# %% answer="briefing" wrong="the cheapest path with its days, not the days" score=0 says="cheapest_days is one number"
def evidence():
    measured = rates(test.phish, test_scores, 0.5)
    words = [good_words(weights, bias, words_of(text), 0.5) for text in caught.text]
    return {
        "recall": measured["recall"],
        "fpr": measured["fpr"],
        "median_words": float(np.median([math.inf if w is None else len(w) for w in words])),
        "cheapest_days": cheapest_paths(ATTACK_STEPS, ENTRIES, JEWEL, 1)[0],
    }


# %% answer="briefing" right="an extra text beside the numbers"
def evidence():
    measured = rates(test.phish, test_scores, 0.5)
    words = [good_words(weights, bias, words_of(text), 0.5) for text in caught.text]
    days, path = cheapest_paths(ATTACK_STEPS, ENTRIES, JEWEL, 1)[0]
    return {
        "recall": measured["recall"],
        "fpr": measured["fpr"],
        "median_words": float(np.median([math.inf if w is None else len(w) for w in words])),
        "cheapest_days": days,
        "path": " > ".join(path),
    }


# %% [markdown]
# Changes of the solutions that keep all points, each with the reason.

# %% [markdown] equivalent="threshold" reason="a constant added to every cost moves no minimum"
# - `return prevalence * (1 - recall) * cost_miss + (1 - prevalence) * fpr * cost_alarm`
# + `return prevalence * (2 - recall) * cost_miss + (1 - prevalence) * fpr * cost_alarm`
# - `return prevalence * (1 - recall) * cost_miss + (1 - prevalence) * fpr * cost_alarm`
# + `return prevalence * (0 - recall) * cost_miss + (1 - prevalence) * fpr * cost_alarm`

# %% [markdown] equivalent="threshold" reason="any threshold above all scores flags nothing"
# - `return float(min([*np.unique(scores), scores.max() + 1], key=cost))`
# + `return float(min([*np.unique(scores), scores.max() + 2], key=cost))`

# %% [markdown] equivalent="leak" reason="next() takes the first split, however many there are"
# - `split = GroupShuffleSplit(n_splits=1, test_size=share, random_state=seed)`
# + `split = GroupShuffleSplit(test_size=share, random_state=seed)`
# - `split = GroupShuffleSplit(n_splits=1, test_size=share, random_state=seed)`
# + `split = GroupShuffleSplit(n_splits=2, test_size=share, random_state=seed)`

# %% [markdown] survives="leak" reason="a Series of the right ids answers the question; the tests take any collection"
# - `return set(test.loc[test.campaign.isin(train.campaign), "id"])`
# + `return test.loc[test.campaign.isin(train.campaign), 'id']`

# %% [markdown] equivalent="good-words" reason="once the sum is below the limit it stays there, so going on changes nothing"
# - `break`
# + `continue`

# %% [markdown] equivalent="black-box" reason="asks a few questions fewer than the budget allows, which is allowed"
# - `asked = 0`
# + `asked = 1`
# - `asked += 1`
# + `asked += 2`

# %% [markdown] equivalent="black-box" reason="skips or keeps words that are in the mail already, and the search takes out those that do nothing"
# - `present = words_of(text)`
# + `present = text`
# - `chosen = [word for word in words if word not in present]`
# + `chosen = [word for word in words]`

# %% [markdown] equivalent="black-box" reason="no question is asked in the rounds that this adds or takes away"
# - `while size >= 1 and asked < budget:`
# + `while (size >= 1 or asked < budget):`
# - `while size >= 1 and asked < budget:`
# + `while size >= 1 and (asked <= budget):`
# - `while size >= 1 and asked < budget:`
# + `while (asked < budget):`
# - `while size >= 1 and asked < budget:`
# + `while (size >= 1):`
# - `while size >= 1 and asked < budget:`
# + `while size >= 0 and asked < budget:`

# %% [markdown] equivalent="black-box" reason="another order of halving; the bar is a mail of at most four times the least words, and this one meets it"
# - `size = len(chosen) // 2`
# + `size = len(chosen) // 3`
# - `size = len(chosen) // 2`
# + `size = len(chosen) // 1`
# - `while size >= 1 and asked < budget:`
# + `while (size > 1) and asked < budget:`
# - `while size >= 1 and asked < budget:`
# + `while size >= 2 and asked < budget:`
# - `start = 0`
# + `start = 1`
# - `size //= 2`
# + `size //= 3`

# %% [markdown] equivalent="monotone" reason="another vocabulary or number format; the bar is on what the filter catches, and this one meets it"
# - `vectorizer = CountVectorizer(binary=True, min_df=3)`
# + `vectorizer = CountVectorizer(min_df=3)`
# - `vectorizer = CountVectorizer(binary=True, min_df=3)`
# + `vectorizer = CountVectorizer(binary=True)`
# - `vectorizer = CountVectorizer(binary=True, min_df=3)`
# + `vectorizer = CountVectorizer(binary=True, min_df=4)`
# - `vectorizer = CountVectorizer(binary=True, min_df=3)`
# + `vectorizer = CountVectorizer(binary=False, min_df=3)`
# - `vectorizer = CountVectorizer(binary=True, min_df=3)`
# + `vectorizer = CountVectorizer(binary=True, min_df=2)`
# - `X = vectorizer.fit_transform(texts).astype(float)`
# + `X = vectorizer.fit_transform(texts)`

# %% [markdown] survives="monotone" reason="the errors are weighted otherwise or the gradient is a little off; the bar is on what the trained filter catches, and this one meets it"
# - `y = 2.0 * np.asarray(labels) - 1`
# + `y = 4.0 * np.asarray(labels) - 1`
# - `slope = -y / (1 + np.exp(margins))`
# + `slope = -y / (2 + np.exp(margins))`
# - `slope = -y / (1 + np.exp(margins))`
# + `slope = -y / (0 + np.exp(margins))`
# - `return np.logaddexp(0, -margins).sum() + w @ w / 2, np.append(X.T @ slope + w, slope.sum())`
# + `return (np.logaddexp(0, -margins).sum() - w @ w / 2), np.append(X.T @ slope + w, slope.sum())`
# - `return np.logaddexp(0, -margins).sum() + w @ w / 2, np.append(X.T @ slope + w, slope.sum())`
# + `return np.logaddexp(0, -margins).sum() + w @ w / 2, np.append((X.T @ slope - w), slope.sum())`
# - `return np.logaddexp(0, -margins).sum() + w @ w / 2, np.append(X.T @ slope + w, slope.sum())`
# + `return np.logaddexp(0, -margins).sum() + (w @ w * 2), np.append(X.T @ slope + w, slope.sum())`
# - `return np.logaddexp(0, -margins).sum() + w @ w / 2, np.append(X.T @ slope + w, slope.sum())`
# + `return np.logaddexp(0, -margins).sum() + w @ w / 2, np.append(X.T @ slope + w, slope)`
# - `return np.logaddexp(0, -margins).sum() + w @ w / 2, np.append(X.T @ slope + w, slope.sum())`
# + `return np.logaddexp(0, -margins).sum() + w @ w / 3, np.append(X.T @ slope + w, slope.sum())`
# - `return np.logaddexp(0, -margins).sum() + w @ w / 2, np.append(X.T @ slope + w, slope.sum())`
# + `return np.logaddexp(0, -margins).sum() + w @ w / 1, np.append(X.T @ slope + w, slope.sum())`
# - `return np.logaddexp(0, -margins).sum() + w @ w / 2, np.append(X.T @ slope + w, slope.sum())`
# + `return np.logaddexp(1, -margins).sum() + w @ w / 2, np.append(X.T @ slope + w, slope.sum())`
# - `return np.logaddexp(0, -margins).sum() + w @ w / 2, np.append(X.T @ slope + w, slope.sum())`
# + `return np.logaddexp((-1), -margins).sum() + w @ w / 2, np.append(X.T @ slope + w, slope.sum())`

# %% [markdown] equivalent="monotone" reason="L-BFGS-B is what minimize takes anyway when there are bounds"
# - `found = minimize( loss_and_gradient, np.zeros(X.shape[1] + 1), jac=True, method="L-BFGS-B", bounds=bounds ).x`
# + `found = minimize(loss_and_gradient, np.zeros(X.shape[1] + 1), jac=True, bounds=bounds).x`

# %% [markdown] survives="monotone" reason="a bias shifts all scores alike, and the bar stands at a false-positive rate: any bias does as well"
# - `w, b = parameters[:-1], parameters[-1]`
# + `w, b = parameters[:-1], parameters[1]`
# - `w, b = parameters[:-1], parameters[-1]`
# + `w, b = parameters[:-1], parameters[-0]`
# - `return dict(zip(vectorizer.get_feature_names_out(), found[:-1].tolist())), float(found[-1])`
# + `return dict(zip(vectorizer.get_feature_names_out(), found[:-1].tolist())), float(found[1])`
# - `return dict(zip(vectorizer.get_feature_names_out(), found[:-1].tolist())), float(found[-1])`
# + `return dict(zip(vectorizer.get_feature_names_out(), found[:-1].tolist())), float(found[-2])`
# - `return dict(zip(vectorizer.get_feature_names_out(), found[:-1].tolist())), float(found[-1])`
# + `return dict(zip(vectorizer.get_feature_names_out(), found[:-1].tolist())), float(found[-0])`

# %% [markdown] equivalent="monotone" reason="zip stops at the last word"
# - `return dict(zip(vectorizer.get_feature_names_out(), found[:-1].tolist())), float(found[-1])`
# + `return dict(zip(vectorizer.get_feature_names_out(), found[:].tolist())), float(found[-1])`

# %% [markdown] survives="monotone" reason="drops the weight of one rare word; the filter catches as much"
# - `return dict(zip(vectorizer.get_feature_names_out(), found[:-1].tolist())), float(found[-1])`
# + `return dict(zip(vectorizer.get_feature_names_out(), found[:-2].tolist())), float(found[-1])`

# %% [markdown] equivalent="monotone" reason="a word without a weight is not worth changing, be it 0 or less"
# - `(word for word in words_of(text) if weights.get(word, 0) > 0), key=lambda word: -weights[word]`
# + `(word for word in words_of(text) if weights.get(word, (-1)) > 0), key=lambda word: -weights[word]`

# %% [markdown] equivalent="sort-incidents" reason="a data frame takes the keys of a dictionary in their order"
# - `return pd.DataFrame(rows, index=list(labels), columns=tactics)`
# + `return pd.DataFrame(rows, index=labels, columns=tactics)`

# %% [markdown] equivalent="pickle-gate" reason="differs only for a file that uses a class as a name, which Python does not load"
# - `pushed.append(None)`
# + `pass`
# - `pushed.append(None)`
# + `pushed`
# - `pushed.append(None)`
# + `pass`
# - `pushed.append(None)`
# + `pushed`

# %% [markdown] equivalent="pickle-gate" reason="refuses a name where a frame of the file begins between its two strings, as hint 2 has it"
# - `elif opcode.name != "FRAME":`
# + `elif opcode.name != '':`

# %% [markdown] equivalent="pickle-gate" reason="a header shorter than 2 to the 56 bytes has a zero there"
# - `length = int.from_bytes(data[:8], "little")`
# + `length = int.from_bytes(data[:7], "little")`

# %% [markdown] equivalent="pickle-gate" reason="the tensor has one element"
# - `return dict(zip(words, tensors["weights"].tolist())), float(tensors["bias"][0])`
# + `return dict(zip(words, tensors["weights"].tolist())), float(tensors["bias"][(-1)])`

# %% [markdown] survives="monotone" reason="trains with a wrong bias; the bar is on what the trained filter catches, and this one meets it"
# - `w, b = parameters[:-1], parameters[-1]`
# + `w, b = parameters[:-1], parameters[-2]`

# %% [markdown] equivalent="briefing" reason="the list has one element, or its first is the same"
# - `days, _path = cheapest_paths(ATTACK_STEPS, ENTRIES, JEWEL, 1)[0]`
# + `days, _path = cheapest_paths(ATTACK_STEPS, ENTRIES, JEWEL, 1)[(-1)]`
# - `days, _path = cheapest_paths(ATTACK_STEPS, ENTRIES, JEWEL, 1)[0]`
# + `days, _path = cheapest_paths(ATTACK_STEPS, ENTRIES, JEWEL, 2)[0]`

# %% [markdown] survives="briefing" reason="words rescue every caught mail of this corpus, so no count is infinite; the function takes no other corpus"
# - `"median_words": float(np.median([math.inf if words is None else len(words) for words in added])),`
# + `"median_words": float(np.median([len(words) for words in added])),`
