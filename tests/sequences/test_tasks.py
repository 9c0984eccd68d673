"""What the pipelines over sequences promise: hello is learned, states are carried and cut off, waves run free."""

from pathlib import Path

import numpy as np
import pytest
import torch

from unroll.base.errors import InputError
from unroll.models.cells import detach_state
from unroll.models.predict import compute_outputs, resume_outputs
from unroll.params.common import SPLIT_NAMES, check_params, read_yaml
from unroll.sequences.arrays import Sequences
from unroll.sequences.model import SequenceModel, free_run
from unroll.sequences.params import SCHEMAS, SequenceParams, read_sequence_params
from unroll.sequences.waves import draw_phases, make_waves
from unroll.stages.hello.generate import spell
from unroll.stages.sin2cos.generate import make_windows
from unroll.stages.sine.generate import make_series
from unroll.stages.train_sequences import configure
from unroll.training.loop import Options, Task, train_model
from unroll.training.objectives import Classification, Regression
from unroll.training.progress import Training

PIPELINES = Path(__file__).parents[2] / "pipelines"


def read_params(name: str, **changes: object) -> SequenceParams:
    """Return a pipeline's parameters, with those of its model changed."""
    params = read_sequence_params(SequenceParams, PIPELINES / name / "params.yaml")
    return params.model_copy(update={"model": params.model.model_copy(update=changes)})


def learn_hello(seed: int, unrolled: bool) -> tuple[Training, Sequences]:
    params = read_params("hello", unrolled=unrolled)
    words = spell("hello", "ohlol", ["e", "h", "l", "o"])
    torch.manual_seed(seed)
    model = SequenceModel(configure(params, words))
    train = params.train.model_copy(update={"seed": seed, "epochs": 20})
    return train_model(model, Task(words, words, train, Classification())), words


def test_hello_is_learned_within_20_epochs_by_layer_and_by_loop() -> None:
    learned = {False: 0, True: 0}
    for seed in range(20):
        histories = []
        for unrolled in (False, True):
            training, words = learn_hello(seed, unrolled)
            predicted = training.best_outputs.argmax(dim=2).numpy()
            learned[unrolled] += bool((predicted == words.targets).all())
            histories.append([epoch.train_loss for epoch in training.history])
        assert histories[0] == pytest.approx(histories[1], abs=1e-6)
    assert min(learned.values()) >= 18


def test_a_validation_loss_that_is_no_number_stops_the_training() -> None:
    params = read_params("sin2cos")
    train, val = make_windows(6, params.data), make_windows(2, params.data)
    val.targets[0] = np.inf
    message = "the validation loss became inf in epoch 1 at learning rate 0.02, while the training loss is"
    with pytest.raises(InputError, match=message):
        train_model(SequenceModel(configure(params, train)), Task(train, val, params.train, Regression()))


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_resumed_windows_are_one_long_sequence(cell: str) -> None:
    params = read_params("sin2cos", cell=cell)
    windows = make_windows(6, params.data)
    torch.manual_seed(0)
    model = SequenceModel(configure(params, windows)).eval()
    in_one = Sequences(windows.features.reshape(1, -1, 1), windows.targets.reshape(1, -1, 1))
    outputs = resume_outputs(model, windows, None)
    torch.testing.assert_close(outputs.reshape(1, -1, 1), compute_outputs(model, in_one, 1))
    assert not torch.allclose(outputs, compute_outputs(model, windows, 6), atol=1e-3)  # from no state


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_the_carried_state_is_detached(cell: str) -> None:
    params = read_params("sin2cos", cell=cell)
    windows = make_windows(2, params.data)
    model = SequenceModel(configure(params, windows))
    first, second = (torch.from_numpy(window[None]).requires_grad_() for window in windows.features)
    _, state = model.resume(first, None)
    outputs, _ = model.resume(second, state)
    assert torch.autograd.grad(outputs.sum(), first, retain_graph=True)[0].any()
    outputs, _ = model.resume(second, detach_state(state))
    assert torch.autograd.grad(outputs.sum(), first, allow_unused=True) == (None,)


def test_carrying_the_state_is_what_makes_the_cosine_known() -> None:
    params = read_params("sin2cos")
    windows = make_windows(60, params.data)
    train, val = (Sequences(windows.features[part], windows.targets[part]) for part in (slice(50), slice(50, 60)))
    errors = {}
    for carried in (True, False):
        torch.manual_seed(1)
        model, recipe = SequenceModel(configure(params, train)), params.train.model_copy(update={"epochs": 8})
        training = train_model(model, Task(train, val, recipe, Regression(), options=Options(carry_state=carried)))
        errors[carried] = training.best.val_loss
    # The first steps of a window alone do not tell whether the sine rises or falls.
    assert errors[True] < 0.01 < errors[False]


@pytest.mark.parametrize("pipeline", ["mnist", "hello", "sin2cos"])
def test_what_forecasts_nothing_may_be_read_in_both_directions(pipeline: str) -> None:
    train = {"carry_state": False} if pipeline == "sin2cos" else {}
    values = read_yaml(PIPELINES / pipeline / "params.yaml")
    values["model"]["bidirectional"] = True
    check_params(values | {"train": values["train"] | train}, SCHEMAS[values["data"]["dataset"]], Path("params.yaml"))


@pytest.mark.parametrize(("pipeline", "reason"), [("sine", "the next value is known"), ("sin2cos", "in one direction")])
def test_a_forecast_and_a_carried_state_are_read_forward(pipeline: str, reason: str) -> None:
    values = read_yaml(PIPELINES / pipeline / "params.yaml")
    values["model"]["bidirectional"] = True
    with pytest.raises(InputError, match=rf"model\.bidirectional = true: .*{reason}"):
        check_params(values, SCHEMAS[pipeline], Path("params.yaml"))


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_a_free_run_feeds_outputs_back(cell: str) -> None:
    params = read_params("sine", cell=cell)
    random = np.random.default_rng(0).normal(size=(2, 5, 1)).astype(np.float32)
    torch.manual_seed(0)
    model = SequenceModel(configure(params, Sequences(random, random))).eval()
    read = torch.from_numpy(random)
    run = free_run(model, read, 4)
    for step in range(4):
        with torch.no_grad():
            expected = model(torch.cat([read, run[:, :step]], dim=1))[:, -1]
        torch.testing.assert_close(run[:, step], expected)


@pytest.mark.exhaustive
@pytest.mark.parametrize(("cell", "epochs"), [("gru", 100), ("lstm", 300)])  # an RNN is the pipeline's default
def test_waves_of_unseen_phases_run_free(cell: str, epochs: int) -> None:
    params = read_params("sine", cell=cell)
    recipe = params.train.model_copy(update={"epochs": epochs})
    data = params.data
    train, val, test = (make_series(name, count, data) for name, count in (("train", 200), ("val", 40), ("test", 20)))
    torch.manual_seed(params.train.seed)
    model = SequenceModel(configure(params, train))
    model.load_state_dict(train_model(model, Task(train, val, recipe, Regression())).weights)
    run = free_run(model.eval(), torch.from_numpy(test.features), data.steps).numpy()
    phases = draw_phases(20, [data.seed, SPLIT_NAMES.index("test")])
    truth = make_waves(phases, 2 * data.steps, data)[:, data.steps :]
    errors = np.sqrt(((run - truth) ** 2).mean(axis=(1, 2)))
    assert len(errors) == 20 and errors.mean() <= 0.05


def test_logging_gradients_changes_no_bit_of_a_training() -> None:
    trainings = []
    for logged in (False, True):
        params = read_params("mnist", dropout=0.5, layers=2)
        random = np.random.default_rng(0)
        data = Sequences(random.random((60, 8, 8), dtype=np.float32), np.arange(60) % 10)
        torch.manual_seed(0)
        model = SequenceModel(configure(params, data))
        recipe = params.train.model_copy(update={"epochs": 2, "log_gradients": logged})
        trainings.append(train_model(model, Task(data, data, recipe, Classification())))
    plain, logging = trainings
    assert all(torch.equal(weight, logging.weights[name]) for name, weight in plain.weights.items())
    assert plain.best.gradients is None
    assert len(logging.best.gradients.steps) == 8
    assert set(logging.best.gradients.layers) == set(plain.weights)
