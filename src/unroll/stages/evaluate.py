"""models/ and the test split → metrics/test.json and the data of its plots."""

from pathlib import Path

import numpy as np
import pandas as pd

from unroll.errors import run_stage
from unroll.files import replace_when_done, write_json
from unroll.inference import compute_probabilities, load_classifier
from unroll.model import choose_device, make_repeatable
from unroll.params import read_params
from unroll.plots import draw_confusions
from unroll.scores import compute_scores, count_confusions
from unroll.tokens import load_tokens
from unroll.tracking import continue_run

TOKENS, MODELS, METRICS = Path("data/tokens"), Path("models"), Path("metrics")
BATCH_ROWS = 1024


def main() -> None:
    params = read_params()
    make_repeatable(params.train.threads)
    classifier = load_classifier(MODELS)
    test = load_tokens(TOKENS, "test")
    model = classifier.model.to(choose_device(params.train.device))
    probabilities = compute_probabilities(model, test, BATCH_ROWS)
    predicted = probabilities.argmax(axis=1)
    scores = compute_scores(test.labels, probabilities, classifier.class_names)

    write_json(METRICS / "test.json", scores)
    names = np.array(classifier.class_names)
    _write_table(
        METRICS / "plots" / "predictions.csv",
        pd.DataFrame({"actual": names[test.labels], "predicted": names[predicted]}),
    )
    per_class = pd.DataFrame.from_dict(scores["per_class"], orient="index").rename_axis("class").reset_index()
    _write_table(METRICS / "plots" / "per_class.csv", per_class)

    confusions = count_confusions(test.labels, predicted, len(names))
    with continue_run(params, MODELS) as run:
        run.log_scores(scores)
        run.log_figure(draw_confusions(confusions, classifier.class_names), "confusion_matrix.png")
        run.log_files([METRICS / "test.json"])
    overall = scores["overall"]
    print(
        f"evaluate: macro-F1 {overall['macro_f1']:.4f}, accuracy {overall['accuracy']:.4f} on {len(test):,} test rows"
    )


def _write_table(path: Path, table: pd.DataFrame) -> None:
    with replace_when_done(path) as temporary:
        table.to_csv(temporary, index=False, float_format="%.6f", lineterminator="\n")


if __name__ == "__main__":
    run_stage(main)
