"""The commands that use a model: `unroll predict`, `neighbors` and `gradients`."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unroll.base.errors import InputError, make_printable
from unroll.cli.console import Format, print_table

if TYPE_CHECKING:
    from unroll.inference.classifier import Classifier


DEFAULT_CELLS, DEFAULT_GAINS = ["rnn", "lstm"], [1.0, 3.0]


def predict(
    texts: Annotated[list[str] | None, typer.Argument(help="Texts to classify.", show_default=False)] = None,
    input: Annotated[
        Path | None, typer.Option(help="Table to classify: csv, tsv, jsonl (also .gz) or parquet.")
    ] = None,
    column: Annotated[str, typer.Option(help="Column of the table that holds the text.")] = "text",
    encoding: Annotated[str, typer.Option(help="Encoding of a csv, tsv or jsonl table.")] = "utf-8",
    output: Annotated[Path | None, typer.Option(help="CSV file to write: the table with its predictions.")] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Print which words of TEXTS matter, too.")] = False,
    models: Annotated[Path, typer.Option(help="Folder with the trained model.")] = Path("models"),
) -> None:
    """Print the class and probabilities of TEXTS, or classify a whole table with --input and --output.

    The output has the input's columns and order, and after them `prediction` and a `probability_CLASS` for each class.
    """
    from unroll.inference.classifier import load_classifier  # imported when needed: `unroll --help` should be fast

    if texts and input:
        raise InputError("both a text and --input are given: expected one of them")
    if input and explain:
        raise InputError("--explain is given with --input: expected texts")
    if texts:
        _print_predictions(load_classifier(models), texts, explain)
    elif input:
        if output is None:
            raise InputError("--input is given without --output: expected the CSV file to write the predictions to")
        from unroll.inference.bulk import predict_table

        predict_table(load_classifier(models), input, column, output, encoding)
    else:
        raise InputError('nothing to classify: expected a text, as in `unroll predict "Shares fall"`, or --input FILE')


def neighbors(
    word: Annotated[str, typer.Argument(help="Word to look up, spelled as the vectors have it.", show_default=False)],
    top: Annotated[int, typer.Option(help="Number of words to print.", min=1)] = 10,
    vectors: Annotated[
        Path | None,
        typer.Option(help="File of word vectors: GloVe's or word2vec's text format, also .gz or .zip."),
    ] = None,
    dim: Annotated[int | None, typer.Option(help="Size of the vectors; chooses a file of the .zip.", min=1)] = None,
    models: Annotated[Path, typer.Option(help="Folder with the trained model.")] = Path("models"),
) -> None:
    """Print the words whose vectors are nearest to that of WORD, with their cosine, the nearest first.

    The vectors are those of the trained model, or of a file with --vectors.
    """
    from unroll.inference.neighbors import find_neighbors, load_model_vectors

    if vectors:
        from unroll.vectors.text_files import iterate_vectors

        ranking = find_neighbors(word, lambda: iterate_vectors(vectors, dim), top, str(vectors))
    elif dim:
        raise InputError(f"--dim {dim} is given without --vectors: expected the file of word vectors too")
    else:
        block = load_model_vectors(models)
        ranking = find_neighbors(word, lambda: [block], top, str(models))
    _print_neighbors(ranking)


def gradients(
    cell: Annotated[list[str], typer.Option(help="Cell to measure; may be repeated.")] = DEFAULT_CELLS,
    gain: Annotated[
        list[float], typer.Option(help="Factor of the recurrent weights; may be repeated.")
    ] = DEFAULT_GAINS,
    steps: Annotated[int, typer.Option(help="Tokens that are read of each text.", min=2)] = 10,
    texts: Annotated[int, typer.Option(help="How many training texts are read.", min=1)] = 64,
    forget_bias: Annotated[float, typer.Option(help="Bias of the LSTM's forget gates.")] = 3.0,
    seed: Annotated[int, typer.Option(help="Seed of the weights.", min=0)] = 1,
    output: Annotated[Path | None, typer.Option(help="PNG file to draw.")] = None,
) -> None:
    """Measure how far gradients reach back in time: in untrained networks of the pipeline's size, on its texts."""
    from unroll.cli.gradients import check_cells, choose_texts, configure, draw_reaches, measure_reach
    from unroll.params.texts import read_text_params
    from unroll.sequences.plots import save_figure
    from unroll.text.tokens import load_tokens

    check_cells(cell)
    params = read_text_params()
    chosen = choose_texts(load_tokens(Path("data/tokens"), "train"), steps, texts)
    config = configure(params, chosen)
    reaches = [measure_reach(chosen, config, name, factor, forget_bias, seed) for factor in gain for name in cell]
    columns = ["gain", "cell", "first_step", "last_step", "first_over_last"]
    cells = [[f"{r.gain:g}", r.cell, f"{r.norms[0]:.2e}", f"{r.norms[-1]:.2e}", f"{r.ratio:.2e}"] for r in reaches]
    print_table(columns, cells, Format.TABLE)
    if output:
        save_figure(draw_reaches(reaches), output)


def _print_predictions(classifier: "Classifier", texts: list[str], with_words: bool) -> None:
    for text, probabilities in zip(texts, classifier.predict(texts), strict=True):
        ranking = sorted(zip(probabilities.tolist(), classifier.class_names, strict=True), reverse=True)
        if math.isnan(ranking[0][0]):
            raise InputError(f"{text!r} has no words: expected a text of which cleaning leaves something")
        rows = [(make_printable(name), probability) for probability, name in ranking]
        width = max(len(name) for name, _ in rows)
        print(rows[0][0])
        for name, probability in rows:
            print(f"  {name:<{width}}  {probability:.4f}")
        if with_words:
            _print_words(classifier, text)


def _print_words(classifier: "Classifier", text: str) -> None:
    """Print what the predicted class's probability loses without each word, the most important first."""
    from unroll.inference.explain import explain

    explanation = explain(classifier, text)
    rows = [(make_printable(word), weight) for word, weight in explanation.words]
    width = max(len(word) for word, _ in rows)
    print("lost without the word")
    for word, weight in sorted(rows, key=lambda row: -abs(row[1] or 0)):
        print(f"  {word:<{width}}  {'–' if weight is None else f'{weight:+.4f}'}")
    if explanation.unmeasured:
        print(f"  and {explanation.unmeasured:,} further words, which were not left out")


def _print_neighbors(neighbors: list[tuple[str, float]]) -> None:
    rows = [(make_printable(word), similarity) for word, similarity in neighbors]
    width = max((len(word) for word, _ in rows), default=0)
    for word, similarity in rows:
        print(f"{word:<{width}}  {similarity:.4f}")
