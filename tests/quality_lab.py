"""A small lab that passes every check of ``aisecops quality``, for tests to break in one place each."""

EXERCISE = '''\
# %% [markdown] exercise="above-{k}" objective="m01.{objective}" minutes=50 difficulty=2{extra}
# ### {k}.1 Count what is above, part {k}
#
# Write `above_{k}(numbers, limit)`: how many of the numbers are above the limit.


# %% solution="above-{k}"
def above_{k}(numbers, limit):
    """Return how many numbers are above the limit."""
    ### BEGIN SOLUTION
    return sum(1 for number in numbers if number > limit)
    ### END SOLUTION


# %% tests="above-{k}" points={points}
assert above_{k}([1, 2, 3], 1) == 2, "two of 1, 2 and 3 are above 1; the limit itself is not"
### BEGIN HIDDEN TESTS
for _numbers, _limit, _want in (([4, 9, 4, 7], 4, 2), ([], 0, 0), ([5], 5, 0), ([-3, 8], -9, 2)):
    assert above_{k}(_numbers, _limit) == _want, "count again, with other numbers and with none at all"
### END HIDDEN TESTS
'''

FIGURE = """\
# %%
figure, axes = plt.subplots()
axes.plot([1, 2, 3], [{k}, 2, 1], marker="o")
axes.set(xlabel="limit", ylabel="numbers above", title="Numbers above a limit, sample {k}")
plt.show()
print("In words: the higher the limit, the fewer numbers are above it, in sample {k}.")
"""

ANSWERS = """\
# %% answer="above-{k}" right="a loop"
def above_{k}(numbers, limit):
    count = 0
    for number in numbers:
        if number > limit:
            count += 1
    return count


# %% answer="above-{k}" right="a list"
def above_{k}(numbers, limit):
    return len([number for number in numbers if limit < number])


# %% answer="above-{k}" wrong="counts the limit itself" score=0 says="the limit itself is not"
def above_{k}(numbers, limit):
    return sum(number >= limit for number in numbers)


# %% answer="above-{k}" wrong="ignores the limit" score=0 says="the limit itself is not"
def above_{k}(numbers, limit):
    return len(numbers)


# %% answer="above-{k}" wrong="knows the example only" score=0 says="other numbers"
def above_{k}(numbers, limit):
    return 2
"""


def lab(count: int = 8) -> str:
    """The text of ``notebooks/month-01.py``: ``count`` exercises, 4 or 8; with 4, a month in miniature."""
    points = 100 // count - 1 if count == 8 else 25
    parts = [
        "# %% [markdown]\n# A small lab. It counts numbers above a limit.\n",
        "# %%\nimport matplotlib.pyplot as plt\n",
    ]
    for k in range(1, count + 1):
        last = k == count
        parts.append(f"# %% [markdown]\n# ## {k} · Sample {k}\n")
        parts.append(
            EXERCISE.format(
                k=k,
                objective=(k * 4 + count - 1) // count,
                points=100 - points * (count - 1) - 10 if last else points,
                extra=" milestone=true" if last else "",
            )
        )
        if k <= 3:
            parts.append(FIGURE.format(k=k))
    parts.append(
        f'# %% [markdown] written="above-{count}" points=10\n# Nobody needs to count by hand; a program does it.\n'
    )
    return "\n".join(parts)


def answers(count: int = 8) -> str:
    """The text of ``tests/answers/month-01.py``."""
    return "\n\n".join(ANSWERS.format(k=k) for k in range(1, count + 1))
