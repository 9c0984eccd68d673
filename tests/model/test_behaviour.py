"""How the model trained on the sample behaves on headlines that are in none of its splits.

The kinds of tests are those of Ribeiro et al. 2020 (CheckList, ACL): minimum functionality, invariance, direction.
"""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import log_loss

from unroll.base.files import read_json
from unroll.inference.classifier import Classifier, load_classifier
from unroll.inference.forward import predict_all
from unroll.models.classifier import load_model
from unroll.models.files import load_config
from unroll.models.predict import compute_probabilities
from unroll.text.tokens import UNKNOWN_ID, load_tokens
from workspaces import Workspace

pytestmark = pytest.mark.slow

CLEAR = {
    "Sports": [
        "The final tennis tournament starts next week",
        "Striker scores twice as hosts win the cup final",
        "Coach praises team after second win of the season",
        "Injured captain to miss the rest of the season",
        "Olympic champion breaks the world record in the 200m",
    ],
    "Business": [
        "Shares fall as bank reports lower quarterly profit",
        "Oil prices rise on supply fears",
        "Retailer's sales beat forecasts, shares jump",
        "Central bank raises interest rates to curb inflation",
        "Insurer agrees to buy smaller rival for $2 billion",
    ],
    "World": [
        "President meets rebels for peace talks",
        "Police fire tear gas at protesters near parliament",
        "Soldiers killed in attack on army base near the border",
        "Prime minister resigns after coalition collapses",
        "Thousands of refugees flee as fighting nears the capital",
    ],
    "Sci/Tech": [
        "New software update fixes security flaw in phones",
        "Scientists find new species of frog in rainforest",
        "NASA telescope spots water on a distant planet",
        "Researchers build robot that learns to walk",
        "Study of ancient DNA shows how early humans spread",
    ],
}


@pytest.fixture(scope="module")
def classifier(reproduced: Workspace) -> Classifier:
    return load_classifier(reproduced.path / "models")


def test_the_temperature_is_the_best_on_validation(reproduced: Workspace) -> None:
    models, tokens = reproduced.path / "models", load_tokens(reproduced.path / "data" / "tokens", "val")
    config = load_config(models / "config.json")
    model = load_model(models / "model.safetensors", config)
    losses = [
        log_loss(tokens.labels, compute_probabilities(model, tokens, 64, config.temperature * change))
        for change in (0.97, 1, 1.03)
    ]
    assert min(losses) == losses[1]
    assert config.temperature != 1


def test_both_ways_to_compute_agree_on_the_trained_model(reproduced: Workspace, classifier: Classifier) -> None:
    """Evaluation uses PyTorch, predictions NumPy: on all test rows, together and one by one."""
    models, tokens = reproduced.path / "models", load_tokens(reproduced.path / "data" / "tokens", "test")
    config = load_config(models / "config.json")
    model = load_model(models / "model.safetensors", config)
    expected = compute_probabilities(model, tokens, 64, config.temperature)
    np.testing.assert_allclose(predict_all(classifier.model.network, tokens), expected, atol=1e-5)
    texts = pd.read_parquet(reproduced.path / "data" / "splits" / "test.parquet")["text"].tolist()
    np.testing.assert_allclose(classifier.predict(texts), expected, atol=1e-5)
    for row, text in enumerate(texts):
        np.testing.assert_allclose(classifier.predict([text])[0], expected[row], atol=1e-5)
    predictions = pd.read_csv(reproduced.path / "metrics" / "plots" / "predictions.csv", keep_default_na=False)
    assert [classifier.class_names[number] for number in expected.argmax(axis=1)] == predictions["predicted"].tolist()


def name_classes(classifier: Classifier, texts: list[str]) -> list[str]:
    return [classifier.class_names[number] for number in classifier.predict(texts).argmax(axis=1)]


def test_the_test_split_is_classified_far_better_than_by_chance(reproduced: Workspace) -> None:
    metrics = reproduced.path / "metrics"
    assert read_json(metrics / "test.json")["macro_f1"] > 0.80
    assert min(values["f1"] for values in read_json(metrics / "per_class.json")["classes"].values()) > 0.65


@pytest.mark.parametrize("label", CLEAR)
def test_minimum_functionality(classifier: Classifier, label: str) -> None:
    right = [found == label for found in name_classes(classifier, CLEAR[label])]
    assert sum(right) >= 4, list(zip(CLEAR[label], name_classes(classifier, CLEAR[label]), strict=True))


@pytest.mark.parametrize(
    "variants",
    [
        ["Okafor wins the cup final", "Lindqvist wins the cup final", "Moreau wins the cup final"],
        ["Shares of Brenta fall as profit slips", "Shares of Oldham fall as profit slips"],
        ["Shares fall 3 percent after profit warning", "Shares fall 17 percent after profit warning"],
        ["Rebels kill 12 soldiers in attack", "Rebels kill 31 soldiers in attack", "Rebels kill 8 soldiers in attack"],
        ["NASA telescope spots 2 new planets", "NASA telescope spots 40 new planets"],
    ],
)
def test_names_and_numbers_do_not_change_the_class(classifier: Classifier, variants: list[str]) -> None:
    assert len(set(name_classes(classifier, variants))) == 1


@pytest.mark.parametrize(
    "variants",
    [
        ["Shares fall on profit warning", "SHARES FALL ON PROFIT WARNING", "  Shares  fall, on profit warning! "],
        ["Bank's profit falls", "Bank&#39;s profit falls", "Bank’s profit falls"],
    ],
)
def test_writing_does_not_change_anything(classifier: Classifier, variants: list[str]) -> None:
    first, *others = classifier.predict(variants)
    for other in others:
        np.testing.assert_allclose(other, first, atol=1e-6)


@pytest.mark.parametrize(
    ("text", "addition", "label"),
    [
        ("Minister visits", "football team before cup final", "Sports"),
        ("Minister visits", "troops at the border after rebel attack", "World"),
        ("Firm to open office", "as profit and sales rise", "Business"),
        ("Firm shows", "software that protects phones from hackers", "Sci/Tech"),
        ("Company reports", "lower quarterly profit, shares fall", "Business"),
        ("Team reports", "fossil of new dinosaur species in journal", "Sci/Tech"),
    ],
)
def test_telling_words_move_the_odds_their_way(classifier: Classifier, text: str, addition: str, label: str) -> None:
    number = classifier.class_names.index(label)
    before, after = classifier.predict([text, f"{text} {addition}"])[:, number]
    assert after / (1 - after) > 1.5 * before / (1 - before)


@pytest.mark.parametrize(
    ("words", "label"),
    [
        ("footballistic goalscorings", "Sports"),
        ("telescopelike scientistry", "Sci/Tech"),
        ("bankering shareprofits", "Business"),
    ],
)
def test_words_never_seen_count_by_their_parts(classifier: Classifier, words: str, label: str) -> None:
    assert set(classifier.model.encode(words)) == {UNKNOWN_ID}
    assert name_classes(classifier, [words]) == [label]


def test_a_text_of_unknown_words_is_not_given_with_certainty(classifier: Classifier) -> None:
    (probabilities,) = classifier.predict(["Qwxz vbnrt zzkpl"])
    assert probabilities.max() < 0.9
