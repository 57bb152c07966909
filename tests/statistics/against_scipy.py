#!/usr/bin/env python3
"""Compares the figures of random tables with SciPy and statsmodels.

    pip install scipy statsmodels
    python tests/statistics/against_scipy.py [TABLES] [SEED]

Closed-form figures have to agree to 1e-9, relative to the larger of 1 and the value. P-values of random sign flips
and bootstrap intervals have to agree within their Monte-Carlo error. The default is 500 tables.
"""

import collections
import json
import math
import pathlib
import subprocess
import sys
import warnings

import numpy as np
import statsmodels.api as sm
from scipy import optimize, special, stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import normal_sample_size_one_tail
from statsmodels.stats.proportion import proportion_confint

TOLERANCE = 1e-9
ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
STATES = ["not_scored", "infrastructure", "invalidated", "missing"]

warnings.simplefilter("ignore")
checked = collections.Counter()
largest = collections.defaultdict(float)
failures = []


def check(what, own, expected, tolerance=TOLERANCE):
    """Counts a comparison, and remembers the largest difference."""
    if expected is not None and isinstance(expected, float) and math.isnan(expected):
        expected = None
    if own is None or expected is None:
        error = 0.0 if own is None and expected is None else math.inf
    else:
        error = abs(own - expected) / max(1.0, abs(expected))
    checked[what] += 1
    largest[what] = max(largest[what], error)
    if not error <= tolerance:
        failures.append(f"table {check.table}: {what}: {own} instead of {expected}")


# The tables.


def random_table(random, number):
    kind = random.choice(["binary", "binary", "fraction", "number"])
    size = 2_500 if number % 100 == 99 else random.integers(2, 70)
    trials = 1 if number % 3 == 0 else random.integers(1, 7)
    metric = {
        "name": "score",
        "kind": str(kind),
        "higher_is_better": bool(random.random() < 0.8),
        "unit": None,
        "lowest": None,
        "highest": 50.0 if kind == "number" and random.random() < 0.5 else None,
        "pass_threshold": 0.5 if kind != "binary" and random.random() < 0.5 else None,
    }
    policy = "exclude" if random.random() < 0.7 else "zero"
    if not metric["higher_is_better"] and kind == "number":
        metric["highest"] = 50.0
    clustered = bool(random.random() < 0.35)
    clusters = int(random.integers(2, max(3, size)))
    level = random.random(size)
    incomplete = random.random() < 0.5
    base = [
        {
            "id": f"s{i:04}",
            "content_digest": "x",
            "cluster": f"c{random.integers(clusters)}" if random.random() < 0.95 else None,
        }
        for i in range(size)
    ]

    def run(name, shift):
        scenarios = []
        for i, scenario in enumerate(base):
            if incomplete and random.random() < 0.05:
                continue
            scenario = dict(scenario)
            if incomplete and random.random() < 0.03:
                scenario["content_digest"] = "y"
            count = int(random.integers(1, trials + 1)) if incomplete else int(trials)
            scenario["trials"] = [trial(level[i] + shift) for _ in range(count)]
            scenarios.append(scenario)
        random.shuffle(scenarios)
        return {"name": name, "scenarios": scenarios}

    def trial(level):
        if incomplete and random.random() < 0.05:
            return {"state": str(random.choice(STATES))}
        if kind == "binary":
            score = float(random.random() < level)
        elif kind == "fraction":
            score = float(np.clip(level + random.normal(0, 0.2), 0, 1))
        else:
            score = float(np.exp(random.normal(level, 1)))
        return {"state": "scored", "score": score, "cost_usd": float(np.exp(random.normal(0, 1)))}

    return {
        "metric": metric,
        "options": {
            "not_scored_policy": policy,
            "cluster_by": "repository" if clustered else None,
            "bootstrap": number < 40,
        },
        "margin": float(random.choice([0.0, 0.02, 0.05, 0.2])),
        "baseline": run("A", 0.0),
        "candidates": [run(f"B{i}", random.normal(0, 0.15)) for i in range(random.integers(1, 4))],
    }


# The figures, from the rows again.


def scores_of(scenario, table):
    metric, scores = table["metric"], []
    for trial in scenario["trials"]:
        if trial["state"] == "scored":
            scores.append(trial["score"])
        elif trial["state"] == "not_scored" and table["options"]["not_scored_policy"] == "zero":
            highest = metric["highest"] if metric["highest"] is not None else 1.0
            scores.append(0.0 if metric["higher_is_better"] else highest)
    return np.array(scores)


def summaries(run, table):
    """The scenarios with a score, in order of their ids."""
    return {
        scenario["id"]: (scenario, scores)
        for scenario in sorted(run["scenarios"], key=lambda one: one["id"])
        if len(scores := scores_of(scenario, table))
    }


def groups_of(scenarios):
    """A number for each cluster; a scenario without one is its own."""
    names = [one["cluster"] or f"own {one['id']}" for one in scenarios]
    return np.unique(names, return_inverse=True)[1]


def clustered_fit(values, groups):
    count = len(set(groups))
    if count < 2:
        return None, None, None
    fit = sm.OLS(values, np.ones(len(values))).fit(
        cov_type="cluster",
        cov_kwds={"groups": groups, "use_correction": True, "df_correction": True},
        use_t=True,
    )
    if np.ptp(values) == 0:
        return 0.0, (values[0], values[0]), count
    if fit.bse[0] <= 1e-12 * np.abs(values).max():
        # What differs within the clusters cancels in each of them.
        return 0.0, (values.mean(), values.mean()), count
    return float(fit.bse[0]), tuple(fit.conf_int(0.05)[0]), count


def mean_figures(what, own, values, groups, is_rate, trials):
    """The mean with its standard errors and its interval."""
    if len(values) == 0:
        check(f"{what}: absent", own, None)
        return
    check(f"{what}: mean", own["value"], float(np.mean(values)))
    independent = float(stats.sem(values)) if len(values) > 1 else None
    check(f"{what}: standard error (scipy.stats.sem)", own["standard_error"], independent)
    used, degrees = independent, len(values) - 1
    interval = None
    if groups is not None:
        used, interval, count = clustered_fit(values, groups)
        degrees = None if count is None else count - 1
        check(f"{what}: clustered standard error (statsmodels OLS)", own["clustered_standard_error"], used)
    elif independent is not None:
        interval = (values[0], values[0])
        if np.ptp(values) > 0:
            interval = tuple(stats.ttest_1samp(values, 0).confidence_interval(0.95))
    if used is None:
        check(f"{what}: no interval", own["interval"], None)
        return
    method = "t"
    if is_rate:
        rate, variance = float(np.mean(values)), used**2
        count = min(rate * (1 - rate) / variance, trials) if variance > 0 else len(values)
        if groups is None:
            interval = proportion_confint(rate * count, count, 0.05, method="wilson")
            method = "statsmodels proportion_confint"
        else:
            quantile = stats.t.ppf(0.975, degrees)
            center = (rate + quantile**2 / (2 * count)) / (1 + quantile**2 / count)
            half = (
                quantile
                * math.sqrt(rate * (1 - rate) / count + quantile**2 / (4 * count**2))
                / (1 + quantile**2 / count)
            )
            interval = (max(0, center - half), min(1, center + half))
            method = "Wilson with t"
    check(f"{what}: interval ({method})", own["interval"]["low"], float(interval[0]))
    check(f"{what}: interval ({method})", own["interval"]["high"], float(interval[1]))


def passes(scores, metric):
    threshold = metric["pass_threshold"]
    if threshold is None:
        threshold = 1.0 if metric["higher_is_better"] else 0.0
    return int(np.sum(scores >= threshold if metric["higher_is_better"] else scores <= threshold))


def run_figures(own, run, table):
    found = summaries(run, table)
    metric = table["metric"]
    scenarios = [scenario for scenario, _ in found.values()]
    all_scores = [scores for _, scores in found.values()]
    values = np.array([scores.mean() for scores in all_scores])
    groups = groups_of(scenarios) if table["options"]["cluster_by"] and len(values) else None
    flat = np.concatenate(all_scores) if all_scores else np.array([])
    is_rate = metric["kind"] != "number" and bool(np.all((flat == 0) | (flat == 1)))
    mean_figures("score", own["score"], values, groups, is_rate, len(flat))
    costs = {
        scenario["id"]: values
        for scenario in sorted(run["scenarios"], key=lambda one: one["id"])
        if (values := [trial["cost_usd"] for trial in scenario["trials"] if "cost_usd" in trial])
    }
    with_cost = [one for one in sorted(run["scenarios"], key=lambda one: one["id"]) if one["id"] in costs]
    groups = groups_of(with_cost) if table["options"]["cluster_by"] and with_cost else None
    mean_figures("cost", own["cost_usd"], np.array([np.mean(one) for one in costs.values()]), groups, False, 0)
    if metric["kind"] == "binary" or metric["pass_threshold"] is not None:
        for rate in own["pass_rates"]:
            k = rate["k"]
            enough = [(len(one), passes(one, metric)) for one in all_scores if len(one) >= k]
            check("pass@k: scenarios", rate["scenarios"], len(enough))
            at = [1 - special.comb(n - c, k, exact=True) / special.comb(n, k, exact=True) for n, c in enough]
            hat = [special.comb(c, k, exact=True) / special.comb(n, k, exact=True) for n, c in enough]
            check("pass@k (scipy.special.comb)", rate["pass_at_k"], float(np.mean(at)))
            check("pass^k (scipy.special.comb)", rate["pass_hat_k"], float(np.mean(hat)))
        check("pass@k: largest k", len(own["pass_rates"]), max(map(len, all_scores), default=0))
    else:
        check("pass@k: absent", own["pass_rates"], None)
    repeated = [one for one in all_scores if len(one) >= 2]
    if not repeated:
        check("flakiness: absent", own["flakiness"], None)
        return
    within = float(np.mean([one.var(ddof=1) for one in repeated]))
    check("flakiness: within", own["flakiness"]["within_variance"], within)
    if len(repeated) > 1:
        between = np.var([one.mean() for one in repeated], ddof=1) - within * np.mean([1 / len(one) for one in repeated])
        between = max(0.0, float(between))
        check("flakiness: between", own["flakiness"]["between_variance"], between)
        # If the two variances cancel, rounding decides.
        expected = within / (within + between) if within + between > 1e-12 else own["flakiness"]["flakiness"]
        check("flakiness", own["flakiness"]["flakiness"], expected)


def exact_flips(units):
    """The p-value of all sign flips."""
    observed = abs(units.sum()) - 1e-12 * np.abs(units).sum()
    if 2 <= len(units) <= 10:
        test = stats.permutation_test(
            (units,), lambda one, axis: np.abs(one.sum(axis=axis)) >= observed, permutation_type="samples",
            n_resamples=np.inf, alternative="greater", vectorized=True,
        )
        return float(np.mean(test.null_distribution)), "scipy.stats.permutation_test"
    sums = np.zeros(1)
    for unit in units:
        sums = np.concatenate([sums - unit, sums + unit])
    return float(np.mean(np.abs(sums) >= observed)), "all signs"


def differences(own, gate, candidate, table, power):
    metric, options = table["metric"], table["options"]
    before, after = summaries(table["baseline"], table), summaries(candidate, table)
    both = [key for key in before if key in after and before[key][0]["content_digest"] == after[key][0]["content_digest"]]
    check("compared scenarios", 0 if own is None else own["scenarios"], len(both))
    if not both:
        return
    a = [before[key][1] for key in both]
    b = [after[key][1] for key in both]
    means = [np.array([one.mean() for one in side]) for side in (a, b)]
    values = means[1] - means[0]
    scale = np.maximum(np.abs(means[0]), np.abs(means[1]))
    values[np.abs(values) <= 1e-12 * scale] = 0.0
    constant = np.ptp(values) <= 1e-12 * np.abs(values).max()
    check("difference", own["difference"], float(values.mean()))
    check("difference: exact", float(own["is_exact"]), float(constant))
    groups = groups_of([before[key][0] for key in both]) if options["cluster_by"] else None
    independent = None if len(values) < 2 else 0.0 if constant else float(stats.sem(values))
    check("difference: standard error", own["standard_error"], independent)
    used, degrees = independent, len(values) - 1
    if groups is not None:
        used, interval, count = clustered_fit(values, groups)
        used = 0.0 if constant and used is not None else used
        degrees = None if count is None else count - 1
        check("difference: clustered standard error (statsmodels OLS)", own["clustered_standard_error"], used)
    elif len(values) > 1 and not constant:
        interval = stats.ttest_rel(means[1], means[0]).confidence_interval(0.95)
    name = "statsmodels OLS" if groups is not None else "scipy.stats.ttest_rel"
    if used is None:
        check("difference: no interval", own["interval"], None)
    elif not constant:
        check(f"difference: interval ({name})", own["interval"]["low"], float(interval[0]))
        check(f"difference: interval ({name})", own["interval"]["high"], float(interval[1]))
    tests(own, values, a, b, groups)
    if power is not None:
        powers(power, own, values, a, b, groups, independent, used)
        if used is not None:
            gates(gate, table, values, used, degrees, groups, independent, power)
    if own["bootstrap"] and groups is None and check.table < 40:
        seeded = stats.bootstrap((values,), np.mean, n_resamples=10_000, method="BCa", rng=1).confidence_interval
        width = seeded[1] - seeded[0]
        # Two bootstraps of 10,000 resamples differ by a few percent of the width, and those of few equal values by
        # a step between two possible means.
        allowed = 0.05 + (1 / len(values) / width if metric["kind"] == "binary" else 0.0)
        for bound, expected in zip(("low", "high"), seeded):
            what = "bootstrap (scipy.stats.bootstrap, BCa), by the allowed error"
            check(what, (own["bootstrap"][bound] - expected) / width / allowed, 0.0, 1.0)


def tests(own, values, a, b, groups):
    single = all(len(one) == 1 for one in a + b)
    flat = np.concatenate(a + b)
    test = own["test"]
    if groups is None and single and np.all((flat == 0) | (flat == 1)):
        worse, better = int(np.sum(values < 0)), int(np.sum(values > 0))
        expected = mcnemar([[0, worse], [better, 0]], exact=True).pvalue if worse + better else 1.0
        check("McNemar (statsmodels)", test["p_value"], float(expected))
        check("McNemar: method", float(test["method"] == "mcnemar"), 1.0)
        return
    units = values if groups is None else np.bincount(groups, values)
    sizes = np.abs(values) if groups is None else np.bincount(groups, np.abs(values))
    units = units[np.abs(units) > 1e-12 * sizes]
    check("sign flips: units", test["different_units"], len(units))
    if len(units) <= 16:
        expected, name = exact_flips(units)
        check(f"sign flips, exact ({name})", test["p_value"], expected)
    elif len(units) <= 20:
        expected, _ = exact_flips(units)
        error = math.sqrt(max(expected * (1 - expected), 1e-5) / 1e5)
        check("sign flips, random, by the Monte-Carlo error", (test["p_value"] - expected) / error, 0.0, 5.0)


def powers(power, own, values, a, b, groups, independent, used):
    count = len(values)
    effect = 1.0
    if groups is not None:
        if used is not None and independent > 0:
            effect = max(1.0, (used / independent) ** 2)
        else:
            effect = count / len(set(groups))
    check("power: design effect", power["design_effect"], effect)
    within = 0.0
    for side in (a, b):
        repeated = [one.var(ddof=1) for one in side if len(one) > 1]
        within = None if within is None or not repeated else within + np.mean(repeated) * np.mean([1 / len(one) for one in side])
    variance = np.var(values, ddof=1) if np.ptp(values) > 1e-12 * np.abs(values).max() else 0.0
    variance = float(max(variance, within or 0.0))
    check("power: variance", power["variance"], variance)
    check("power: variance between trials", power["trial_variance"], None if within is None else float(within))
    check("power: scenarios or clusters that differ", power["different_units"], different(values, groups))
    smallest = power["smallest_difference"]
    if smallest is None:
        return
    size, count = power["typical_size"], count / effect
    quantiles = stats.norm.ppf(0.975) + stats.norm.ppf(0.8)
    by_variance = quantiles * math.sqrt(variance / count)
    few = []
    if size is not None and different(values, groups) < 20:
        equal = [float(np.abs(values).mean()) / 2 / size] * 2

        def excess(difference):
            error = math.sqrt(null_variance(*equal, size, True, difference) / count)
            return difference - stats.norm.ppf(0.975) * error - stats.norm.ppf(0.8) * math.sqrt(variance / count)

        few = [quantiles**2 * size / (count + quantiles**2)]
        few.append(optimize.brentq(excess, few[0] / 10, 1e3 * size, xtol=1e-14))
    check("power: smallest difference", smallest, max([by_variance, *few]))
    if by_variance >= max([0.0, *few]) and by_variance > 0:
        needed = normal_sample_size_one_tail(smallest, 0.8, 0.025, std_null=math.sqrt(variance))
        check("power: sample size (statsmodels)", float(needed), count, 1e-8)


def different(values, groups):
    """How many scenarios or clusters differ."""
    units = values if groups is None else np.bincount(groups, values)
    sizes = np.abs(values) if groups is None else np.bincount(groups, np.abs(values))
    return int(np.sum(np.abs(units) > 1e-12 * sizes))


def null_variance(worse, better, size, is_few, margin):
    """The least variance of a difference if the mean is worse by a margin (Tango 1998)."""
    rate = margin / size
    at_null = 0.0
    if is_few:
        a, b, c = 2.0, -worse - better + (2 - worse + better) * rate, -better * rate * (1 - rate)
        at_null = (math.sqrt(max(0.0, b * b - 4 * a * c)) - b) / (2 * a)
    return max(0.0, 2 * at_null + rate * (1 - rate)) * size**2


def gates(gate, table, values, used, degrees, groups, independent, power):
    margin = table["margin"]
    size = power["typical_size"]
    direction = 1.0 if table["metric"]["higher_is_better"] else -1.0
    least = 0.0
    if size is not None:
        worse = np.abs(values[values * direction < 0]).sum() / len(values) / size
        better = np.abs(values[values * direction > 0]).sum() / len(values) / size
        least = null_variance(worse, better, size, different(values, groups) < 20, margin)
    error = max(used, math.sqrt(least * power["design_effect"] / len(values)))
    check("gate: standard error", gate["standard_error"], error)
    mean = float(values.mean()) * direction
    half = stats.t.ppf(0.975, degrees) * error
    if error > 0:
        expected = "passed" if mean - half > -margin else "regressed" if mean + half < -margin else "not_decided"
        if min(abs(mean - half + margin), abs(mean + half + margin)) > 1e-12:
            check("gate: decision", float(gate["decision"] == expected), 1.0)
        check("gate: regression p (scipy.stats.t)", gate["regression_p_value"], float(stats.t.cdf((mean + margin) / error, degrees)))


def corrections(report):
    found = [one["difference"]["test"] for one in report["candidates"] if one["difference"]]
    if not found:
        return
    expected = multipletests([test["p_value"] for test in found], method="fdr_bh")[1]
    for test, adjusted in zip(found, expected):
        check("Benjamini-Hochberg (statsmodels)", test["adjusted_p_value"], float(adjusted))


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 20261201
    random = np.random.default_rng(seed)
    tables = [random_table(random, number) for number in range(count)]
    program = ["cargo", "bench", "--quiet", "-p", "arc-host", "--bench", "statistics_tables"]
    lines = "\n".join(json.dumps(table) for table in tables)
    output = subprocess.run(program, input=lines, text=True, capture_output=True, check=True, cwd=ROOT).stdout
    for number, (table, line) in enumerate(zip(tables, output.splitlines(), strict=True)):
        check.table = number
        report, gate_reports = json.loads(line)
        run_figures(report["baseline"], table["baseline"], table)
        for own, gate, candidate in zip(report["candidates"], gate_reports, table["candidates"]):
            run_figures(own["candidate"], candidate, table)
            differences(own["difference"], gate, candidate, table, own["power"])
        corrections(report)
    for what in sorted(checked):
        print(f"{what:<72} {checked[what]:>7}  {largest[what]:.1e}")
    print(f"{sum(checked.values())} comparisons of {count} tables, {len(failures)} differ")
    for failure in failures[:20]:
        print(failure)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
