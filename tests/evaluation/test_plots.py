"""Pictures stay of one size, however many classes there are."""

import numpy as np
import pytest

from unroll.evaluation.plots import CURVES, TICKS, WRITTEN, draw_confusions, draw_precision_recall


@pytest.mark.parametrize("classes", [WRITTEN + 1, 60, 500])
def test_a_confusion_matrix_of_many_classes_has_a_bounded_size_and_no_numbers(classes: int) -> None:
    names = [f"class {number}" for number in range(classes)]
    figure = draw_confusions(np.eye(classes, dtype=np.int64), names)
    (axes,) = figure.axes
    assert figure.get_size_inches().tolist() == [19, 18.5]
    assert not axes.texts
    for ticks, labels in (
        (axes.get_xticks(), axes.get_xticklabels()),
        (axes.get_yticks(), axes.get_yticklabels()),
    ):
        assert TICKS / 2 < len(labels) <= TICKS or len(labels) == classes
        assert [label.get_text() for label in labels] == [names[number] for number in ticks]


def test_a_confusion_matrix_of_few_classes_has_its_numbers() -> None:
    figure = draw_confusions(np.array([[3, 1], [0, 2]]), ["a", "b"])
    assert [text.get_text() for text in figure.axes[0].texts] == ["3\n75%", "1\n25%", "0\n0%", "2\n100%"]
    assert len(draw_confusions(np.eye(WRITTEN), [""] * WRITTEN).axes[0].texts) == WRITTEN**2


def test_of_many_classes_the_curves_of_the_lowest_are_drawn_and_the_others_counted() -> None:
    classes, hard = 60, range(7, 7 + CURVES)
    labels = np.repeat(np.arange(classes - 1), 2)  # the last class has no row
    probabilities = np.eye(classes)[labels]
    probabilities[np.isin(labels, hard)] = 1 / classes
    (axes,) = draw_precision_recall(labels, probabilities, [f"class {number}" for number in range(classes)]).axes
    drawn = [line.get_label().split(" (")[0] for line in axes.lines]
    assert drawn == [f"class {number}" for number in hard]
    assert axes.get_title().endswith(f"the lowest {CURVES} classes, {classes - 1 - CURVES} others left out")
    few = draw_precision_recall(np.array([0, 1]), np.eye(2), ["a", "b"]).axes[0]
    assert (len(few.lines), few.get_title()) == (2, "Precision and recall, test split")
