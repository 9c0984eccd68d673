"""The columns that MLflow's page of runs opens with."""

import json
import time
from urllib.parse import urlencode

from unroll.store import Store

VIEW = "unroll"
COLUMNS = {  # MLflow's name of a column → its width in pixels; in this order
    "attributes.`Run Name`": 170,
    "runDateAndNestInfo": 130,
    "params.`model.cell`": 90,
    "metrics.`test/macro_f1`": 130,
    "metrics.`test/accuracy`": 130,
    "metrics.`best/val_macro_f1`": 150,
    "params.`train.seed`": 100,
    "duration": 90,
    "attributes.`Dataset`": 300,
}
ORDER = "metrics.`test/macro_f1`"


def save_view(store: Store) -> str:
    """Save the columns and their order as a view of the experiment; return what a page's address needs to open it.

    MLflow's pages keep the views that people share as tags of the experiment; this is one of them.
    """
    state = {
        "orderByKey": ORDER,
        "orderByAsc": False,
        "selectedColumns": [name for name in COLUMNS if "`" in name],  # the others are always there
        "columnOrder": list(COLUMNS),
        "columnWidths": COLUMNS,
    }
    now = int(time.time() * 1000)
    view = {"name": "cells and scores", "createdAt": now, "updatedAt": now, "state": json.dumps(state)}
    store.client.set_experiment_tag(store.experiment_id, f"mlflow.sharedViewState.{VIEW}", json.dumps(view))
    return urlencode({"viewStateShareKey": VIEW, "workflowType": "machine_learning"})
