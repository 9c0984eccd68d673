"""A picture of a search: what each trial reached, and which parameters mattered."""

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from unroll.cluster.search import Search, list_best

if TYPE_CHECKING:
    from optuna import Study

LEAST_TRIALS = 4  # complete ones, from which importance is estimated


def draw_search(study: "Study", search: Search) -> Figure:
    """Draw each trial's score in validation and the best so far, and the importance of each parameter beside them."""
    figure = Figure(figsize=(11, 4), layout="constrained")
    history, importance = figure.subplots(1, 2, width_ratios=[3, 2])
    complete = sorted(list_best(study), key=lambda trial: trial.number)
    pruned = [trial for trial in study.get_trials() if trial.value is None and trial.intermediate_values]
    scores = [trial.value or 0.0 for trial in complete]
    best = np.minimum.accumulate(scores) if search.direction == "minimize" else np.maximum.accumulate(scores)
    numbers = [trial.number + 1 for trial in complete]
    history.step(numbers, best, where="post", color="C1", label="best so far")
    history.plot(numbers, scores, "o", color="C0", label="complete")
    history.plot(
        [trial.number + 1 for trial in pruned],
        [list(trial.intermediate_values.values())[-1] for trial in pruned],
        "x",
        color="grey",
        label="pruned, where it ended",
    )
    history.set_xlabel("trial")
    history.set_ylabel(search.objective)
    history.xaxis.get_major_locator().set_params(integer=True)
    history.grid(alpha=0.3)
    figure.legend(loc="outside lower left", ncols=3)
    shares = find_importances(study, search)
    importance.barh(list(shares), list(shares.values()))
    importance.invert_yaxis()
    importance.set_xlabel("share of the scores' variance (fANOVA)" if shares else "too few trials to tell what matters")
    figure.suptitle(search.name)
    return figure


def find_importances(study: "Study", search: Search) -> dict[str, float]:
    """Return how much of the variance of complete trials each parameter explains, the most important first.

    Hutter et al. 2014, "An efficient approach for assessing hyperparameter importance" (ICML), by Optuna.
    """
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances

    if len(list_best(study)) < LEAST_TRIALS:
        return {}
    return get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=search.seed))
