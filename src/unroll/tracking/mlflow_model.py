"""The model as MLflow logs it: this file is its code, models/ its artifact. No pickle is involved."""

from pathlib import Path

import mlflow
import pandas as pd
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from unroll.inference.classifier import load_classifier


class HeadlineModel(PythonModel):
    """Texts to their classes and probabilities."""

    def load_context(self, context: PythonModelContext) -> None:
        self.classifier = load_classifier(Path(context.artifacts["models"]))

    def predict(  # type: ignore[override]  # MLflow looks at the signature: a model need not take its `params`
        self, context: PythonModelContext, model_input: pd.DataFrame
    ) -> pd.DataFrame:
        """Return the columns `prediction` and `probability_CLASS` that `unroll predict --output` writes.

        model_input: one column of texts, of any name. MLflow makes it of the list, array or series that it is given.
        The row of a text that has no prediction holds None.
        """
        table = self.classifier.tabulate(model_input.iloc[:, 0].tolist())
        # JSON has no NaN: one would make the whole answer of `mlflow models serve` unreadable for strict programs.
        return table.astype(object).where(table.notna(), None) if table.isna().any(axis=None) else table


mlflow.models.set_model(HeadlineModel())
