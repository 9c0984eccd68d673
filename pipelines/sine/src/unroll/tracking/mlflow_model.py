"""The model as MLflow logs it, without pickle: this file is its code, models/ its artifact."""

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

        model_input: one column of texts, of any name. MLflow makes it from a list, array or series.
        The row of a text that has no prediction holds None.
        """
        table = self.classifier.tabulate(model_input.iloc[:, 0].tolist())
        # JSON has no NaN: one NaN would make the whole answer of `mlflow models serve` invalid to strict parsers.
        return table.astype(object).where(table.notna(), None) if table.isna().any(axis=None) else table


mlflow.models.set_model(HeadlineModel())
