"""The training loop: it learns, keeps the best weights, stops, repeats."""

import math

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from builders import make_config, make_params, make_tokens
from unroll.base.devices import check_precision, choose_device, make_repeatable
from unroll.base.errors import InputError
from unroll.cluster.pruning import DIVERGED
from unroll.models.classifier import TextClassifier, drop_words
from unroll.models.predict import compute_outputs
from unroll.text.tokens import UNKNOWN_ID, Tokens
from unroll.training.loop import Options, Task, train_model
from unroll.training.objectives import Classification, weigh_classes
from unroll.training.progress import Epoch, Training


def make_model(cell: str = "gru", seed: int = 0, ngrams: int = 0) -> TextClassifier:
    torch.manual_seed(seed)
    return TextClassifier(make_config(cell=cell, hidden_size=16, vocabulary_size=40, ngrams=ngrams))


def compute_loss(weights: dict[str, torch.Tensor], tokens: Tokens) -> float:
    model = make_model()
    model.load_state_dict(weights)
    return cross_entropy(compute_outputs(model, tokens, 16), torch.from_numpy(tokens.labels)).item()


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
@pytest.mark.parametrize("weight_average", [0.0, 0.9])
def test_learns_what_can_be_learned(cell: str, weight_average: float) -> None:
    params = make_params(weight_average=weight_average)
    training = train_model(make_model(cell), Task(make_tokens(400, 1), make_tokens(100, 2), params))
    assert training.best.val_scores["macro_f1"] > 0.97
    assert training.best.val_loss < 0.2 < training.history[0].val_loss


@pytest.mark.parametrize("weight_average", [0.0, 0.9])
def test_the_weights_of_the_best_epoch_are_kept_and_not_the_last(weight_average: float) -> None:
    # Wrong labels are learned by heart: the validation loss rises again.
    train, val = make_tokens(100, 1, noise=0.3), make_tokens(200, 2)
    training = train_model(make_model(), Task(train, val, make_params(epochs=25, weight_average=weight_average)))
    losses = [epoch.val_loss for epoch in training.history]
    assert training.best.val_loss == min(losses) < losses[-1] - 0.1
    assert compute_loss(training.weights, val) == pytest.approx(training.best.val_loss, abs=1e-6)


def test_stops_after_as_many_epochs_without_progress() -> None:
    train, val = make_tokens(100, 1, noise=0.3), make_tokens(200, 2)
    training = train_model(make_model(), Task(train, val, make_params(epochs=50, patience=2)))
    assert len(training.history) == training.best.epoch + 2 < 50


@pytest.mark.parametrize("patience", [1, 2, 3])
def test_the_learning_rate_falls_after_as_many_epochs_without_progress(patience: int) -> None:
    train, val = make_tokens(100, 1, noise=0.3), make_tokens(200, 2)
    training = train_model(make_model(), Task(train, val, make_params(epochs=12, lr_patience=patience, lr_factor=0.9)))
    lowest, waited, expected = float("inf"), 0, 0.01
    for epoch in training.history:
        assert epoch.learning_rate == pytest.approx(expected)
        waited = 0 if epoch.val_loss < lowest else waited + 1
        lowest = min(lowest, epoch.val_loss)
        if waited == patience:
            waited, expected = 0, expected * 0.9
    assert expected < 0.01


def test_progress_that_keeps_the_weights_keeps_the_learning_rate_however_small_it_is() -> None:
    train, val = make_tokens(100, 1), make_tokens(50, 2)
    params = make_params(epochs=3, learning_rate=1e-6, lr_patience=1)
    training = train_model(make_model(), Task(train, val, params))
    losses = [epoch.val_loss for epoch in training.history]
    assert losses[0] * (1 - 1e-4) < losses[2] < losses[1] < losses[0]
    assert [epoch.learning_rate for epoch in training.history] == [1e-6] * 3


def test_the_norm_is_reported_before_clipping_and_clipping_has_an_effect() -> None:
    train, val = make_tokens(100, 1), make_tokens(50, 2)
    free = train_model(make_model(), Task(train, val, make_params(epochs=1, clip_norm=1e9))).history[0]
    tight = train_model(make_model(), Task(train, val, make_params(epochs=1, clip_norm=1e-4))).history[0]
    assert free.clipped_steps == 0
    assert tight.clipped_steps == 1
    assert tight.gradient_norm > 0.01
    assert tight.val_loss != free.val_loss


def run_twice(**changes: object) -> tuple[Training, Training]:
    results = []
    for _ in range(2):
        torch.manual_seed(0)
        params = make_params(epochs=3, **changes)
        options = Options(augment=lambda ids: drop_words(ids, 0.2))
        results.append(
            train_model(make_model(), Task(make_tokens(200, 1), make_tokens(50, 2), params, options=options))
        )
    return results[0], results[1]


def test_the_same_training_gives_the_same_bits() -> None:
    first, second = run_twice(weight_average=0.9)
    assert all(torch.equal(weight, second.weights[name]) for name, weight in first.weights.items())
    (other, _) = run_twice(weight_average=0.9, seed=2)
    assert not all(torch.equal(weight, other.weights[name]) for name, weight in first.weights.items())


def test_epochs_are_reported_as_they_end() -> None:
    seen: list[Epoch] = []
    params = make_params(epochs=3)
    training = train_model(make_model(), Task(make_tokens(50, 1), make_tokens(20, 2), params), on_epoch=seen.append)
    assert seen == training.history
    assert [epoch.epoch for epoch in seen] == [1, 2, 3]


@pytest.mark.parametrize("keep", [False, True])
def test_outputs_are_kept_of_the_best_epoch_or_of_all_if_asked(keep: bool) -> None:
    """Those of 150,000 rows, 500 classes and 30 epochs would be 9 GB."""
    train, val, params = make_tokens(100, 1), make_tokens(20, 2), make_params(epochs=6, patience=6)
    training = train_model(make_model(), Task(train, val, params, options=Options(keep_outputs=keep)))
    assert set(training.val_outputs) == ({1, 2, 3, 4, 5, 6} if keep else {training.best.epoch})
    assert training.best_outputs.shape == (20, 2)


def test_the_training_loss_is_the_mean_over_rows() -> None:
    """With a learning rate of nearly nothing, the epoch's loss is that of the untrained model."""
    model, train = make_model(), make_tokens(101, 1)
    expected = cross_entropy(compute_outputs(model, train, 16), torch.from_numpy(train.labels)).item()
    training = train_model(model, Task(train, train, make_params(epochs=1, learning_rate=1e-12)))
    assert training.history[0].train_loss == pytest.approx(expected, abs=1e-5)


def test_a_loss_that_is_no_number_stops_the_training() -> None:
    model, steps = make_model(), iter(range(1000))

    def spoil(ids: torch.Tensor) -> torch.Tensor:
        if next(steps) == 12:
            with torch.no_grad():
                model.head.weight.fill_(torch.nan)
        return ids

    train, val = make_tokens(160, 1), make_tokens(20, 2)  # ten batches, of one length each or nearly so
    message = (
        r"the loss became nan in epoch 2, step 3, at learning rate 0.01; the gradients' norms of the last steps were "
        r"[\d.]+, [\d.]+, nan: expected finite numbers; try a lower train.learning_rate or train.clip_norm"
    )
    with pytest.raises(InputError, match=message) as error:
        train_model(model, Task(train, val, make_params(), options=Options(augment=spoil)))
    assert DIVERGED.search(str(error.value))  # by which a search knows it


def test_class_weights_balance_a_rare_class() -> None:
    weights = weigh_classes(np.array([0] * 90 + [1] * 10), 2)
    assert weights.tolist() == pytest.approx([100 / 180, 100 / 20])
    # Nothing to learn but the frequencies: weights make the rare class as likely as the other.
    random = np.random.default_rng(0)
    labels = [0] * 360 + [1] * 40
    noise = Tokens.from_lists([random.integers(4, 40, size=5).tolist() for _ in labels], labels)
    shares = []
    for class_weights in (None, weights):
        model = make_model()
        train_model(
            model, Task(noise, noise, make_params(epochs=1, learning_rate=0.003), Classification(class_weights))
        )
        shares.append(torch.softmax(compute_outputs(model, noise, 64), dim=1)[:, 1].mean().item())
    assert shares[0] < 0.3 < 0.4 < shares[1]


def test_embeddings_learn_at_their_own_rate() -> None:
    tokens, start = make_tokens(64, 0), make_model()
    steps = {}
    for rate in (1.0, 0.1, 0.0):
        model = make_model()
        train_model(model, Task(tokens, tokens, make_params(epochs=1), options=Options(embedding_rate=rate)))
        steps[rate] = {
            name: (weight - start.get_parameter(name)).norm().item() for name, weight in model.named_parameters()
        }
    # Adam's first steps are about as long as the learning rate, whatever the gradient.
    assert steps[0.1]["embedding.weight"] == pytest.approx(0.1 * steps[1.0]["embedding.weight"], rel=0.3)
    assert steps[0.0]["embedding.weight"] == 0
    assert steps[0.0]["head.weight"] > 0.5 * steps[1.0]["head.weight"]


@pytest.mark.parametrize(("frozen", "still"), [(0, []), (2, [1, 2]), (math.inf, [1, 2, 3])])
def test_embeddings_wait_as_many_epochs(frozen: float, still: list[int]) -> None:
    tokens, model, seen = make_tokens(64, 0), make_model(), []
    before = [model.embedding.weight.clone()]

    def compare(epoch: Epoch) -> None:
        if torch.equal(model.embedding.weight, before[-1]):
            seen.append(epoch.epoch)
        before.append(model.embedding.weight.clone())

    train_model(
        model, Task(tokens, tokens, make_params(epochs=3), options=Options(frozen_epochs=frozen)), on_epoch=compare
    )
    assert seen == still


def test_of_equal_epochs_the_first_is_the_best() -> None:
    """With a learning rate that changes no weight, each epoch has the same loss."""
    tokens = make_tokens(64, 0)
    training = train_model(make_model(), Task(tokens, tokens, make_params(learning_rate=1e-30, patience=3)))
    assert len({epoch.val_loss for epoch in training.history}) == 1
    assert (training.best.epoch, len(training.history)) == (1, 4)


def test_the_logits_of_the_best_epoch_are_kept() -> None:
    train, val = make_tokens(64, 0, noise=0.4), make_tokens(64, 1)
    training = train_model(make_model(), Task(train, val, make_params(epochs=12, learning_rate=0.03)))
    assert training.best.epoch < 12
    model = make_model()
    model.load_state_dict(training.weights)
    assert torch.equal(training.best_outputs, compute_outputs(model, val, 16))


def test_words_are_dropped_with_the_given_probability() -> None:
    torch.manual_seed(0)
    ids = torch.full((100, 100), 7)
    assert drop_words(ids, 0.0) is ids
    dropped = drop_words(ids, 0.3)
    assert set(dropped.unique().tolist()) == {7, UNKNOWN_ID}
    assert (dropped == UNKNOWN_ID).float().mean().item() == pytest.approx(0.3, abs=0.02)


def test_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_device("cpu").type == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto").type == "cpu"
    with pytest.raises(InputError, match=r"train.device = 'cuda': this machine has no CUDA device"):
        choose_device("cuda")


def test_bfloat16_learns_the_same_with_other_last_digits() -> None:
    train, val = make_tokens(400, 1), make_tokens(100, 2)
    exact = train_model(make_model(), Task(train, val, make_params()))
    coarse = train_model(make_model(), Task(train, val, make_params(precision="bfloat16")))
    assert coarse.best.val_scores["macro_f1"] > 0.97
    assert coarse.history[0].train_loss != exact.history[0].train_loss
    assert coarse.history[0].train_loss == pytest.approx(exact.history[0].train_loss, rel=0.02)
    assert {weight.dtype for weight in coarse.weights.values()} == {torch.float32}


def test_bfloat16_is_for_cuda_alone() -> None:
    check_precision("float32", torch.device("cpu"))
    check_precision("bfloat16", torch.device("cuda"))
    with pytest.raises(InputError, match=r"train.precision = 'bfloat16': only CUDA devices train with it"):
        check_precision("bfloat16", torch.device("cpu"))


def test_ngrams_are_trained_at_their_own_rate() -> None:
    train, val = make_tokens(400, 1), make_tokens(100, 2)

    def learn(rate: float) -> dict[str, torch.Tensor]:
        model = make_model(ngrams=64)
        with torch.no_grad():  # so that only n-grams can tell the classes apart
            model.embedding.weight.zero_()
        task = Task(train, val, make_params(epochs=3), options=Options(ngram_rate=rate, embedding_rate=0))
        return train_model(model, task).weights

    votes = learn(0.1)["ngrams.weight"]  # the n-grams of these texts are their words: 2 is of class 0, 3 of class 1
    assert votes[2, 0] > votes[2, 1] + 0.5
    assert votes[3, 1] > votes[3, 0] + 0.5
    assert not votes[40:].any()
    assert not learn(0.0)["ngrams.weight"].any()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no CUDA device")
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_training_on_cuda_learns_and_repeats(cell: str, precision: str) -> None:
    device = torch.device("cuda")
    make_repeatable(1, device)
    try:
        train, val = make_tokens(400, 1), make_tokens(100, 2)
        params = make_params(precision=precision)
        task = Task(train, val, params, options=Options(ngram_rate=0.01))
        first, second = (train_model(make_model(cell, ngrams=64).to(device), task) for _ in range(2))
    finally:
        torch.use_deterministic_algorithms(False)
    assert first.best.val_scores["macro_f1"] > 0.95
    assert [epoch.train_loss for epoch in first.history] == [epoch.train_loss for epoch in second.history]
    assert all(torch.equal(first.weights[name], second.weights[name]) for name in first.weights)
