"""A classifier of headlines the way tutorials write it: what the package is compared with.

Row-wise regular expressions and an alternation of stop words, dictionaries, a Dataset with a padding collate function,
a DataLoader, plain Adam. The options, and so the token ids, are those of the package; so is the mathematics.
"""

import html
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_
from torch.nn.utils.rnn import pack_padded_sequence, pad_sequence
from torch.utils.data import DataLoader, Dataset

PADDING, UNKNOWN = 0, 1
Pattern = re.Pattern[str] | None
CELLS = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}

NUMERIC_ENTITY = re.compile(r"(?:&amp;|&| )?#(\d{2,5});")
NAMED_ENTITY = re.compile(r"(?:&amp;|&|\b ?)(amp|quot|apos|lt|gt|nbsp);")
TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
BACKSLASH = re.compile(r"\\(?!\$)")
APOSTROPHE = re.compile(r"[‘’`´]")
WORD = re.compile(r"[^\W_]+(?:['.,&][^\W_]+)*")


def compile_stop_words(stop_words: Iterable[str]) -> Pattern:
    """Return the alternation of the words as whole words between blanks, or None if there are none."""
    words = "|".join(map(re.escape, sorted(stop_words)))
    return re.compile(rf"(?<!\S)(?:{words})(?!\S)") if words else None


def clean_text(text: str, stop_words: Pattern) -> str:
    """Decode HTML entities, remove tags, lower-case, keep the words, drop stop words."""
    for _ in range(2):  # feeds escape twice
        text = NUMERIC_ENTITY.sub(r"&#\1;", text)
        text = NAMED_ENTITY.sub(r"&\1;", text)
        if ";" in text:  # unescape would also decode "&lt" without its semicolon, which the package leaves
            text = html.unescape(text)
    text = TAG.sub(" ", text)
    text = BACKSLASH.sub(" ", text).replace("\\", "")
    text = APOSTROPHE.sub("'", unicodedata.normalize("NFKC", text))
    text = " ".join(WORD.findall(text.lower()))
    return stop_words.sub("", text) if stop_words else text


def build_vocabulary(texts: Iterable[str], size: int, min_count: int) -> dict[str, int]:
    """Return the ids of the most frequent words of cleaned texts; equally frequent words in alphabetical order."""
    counts = Counter(word for text in texts for word in text.split())
    frequent = sorted((word for word in counts if counts[word] >= min_count), key=lambda word: (-counts[word], word))
    return {word: number for number, word in enumerate(["<pad>", "<unk>", *frequent][:size])}


def encode_text(text: str, vocabulary: dict[str, int], max_tokens: int) -> list[int]:
    """Return the ids of a cleaned text."""
    return [vocabulary.get(word, UNKNOWN) for word in text.split()[:max_tokens]]


class HeadlineDataset(Dataset):
    """Token ids with their labels."""

    def __init__(self, texts: list[list[int]], labels: list[int]) -> None:
        self.texts = texts
        self.labels = labels

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, row: int) -> tuple[list[int], int]:
        return self.texts[row], self.labels[row]


def pad_batch(items: list[tuple[list[int], int]]) -> tuple[Tensor, Tensor, Tensor]:
    """Collate to ids `[batch, time]`, lengths `[batch]` and labels `[batch]`, all int64."""
    texts = [torch.tensor(text, dtype=torch.long) for text, _ in items]
    lengths = torch.tensor([len(text) for text in texts])
    labels = torch.tensor([label for _, label in items])
    return pad_sequence(texts, batch_first=True, padding_value=PADDING), lengths, labels


class TextbookClassifier(nn.Module):
    """Embedding, recurrent layer over padded batches, last states, linear layer.

    Without `packed`, a Python loop gathers the last state of each text, and a backward direction reads padding first;
    with it, padding is skipped and the layer gives its final states.
    """

    def __init__(
        self,
        cell: str,
        vocabulary_size: int,
        embedding_size: int,
        hidden_size: int,
        classes: int,
        bidirectional: bool = False,
        packed: bool = False,
        embedding_dropout: float = 0.0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.packed = packed
        self.embedding = nn.Embedding(vocabulary_size, embedding_size, padding_idx=PADDING)
        self.embedding_dropout = nn.Dropout(embedding_dropout)
        self.rnn = CELLS[cell](embedding_size, hidden_size, batch_first=True, bidirectional=bidirectional)
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(hidden_size * (2 if bidirectional else 1), classes)

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Ids `[batch, time]` and lengths `[batch]` to logits `[batch, classes]`."""
        embedded = self.embedding_dropout(self.embedding(ids))
        if self.packed:
            packed = pack_padded_sequence(embedded, lengths, batch_first=True, enforce_sorted=False)
            _, hidden = self.rnn(packed)
            hidden = hidden[0] if isinstance(hidden, tuple) else hidden
            last = torch.cat([hidden[-2], hidden[-1]], dim=1) if self.rnn.bidirectional else hidden[-1]
        else:
            states, _ = self.rnn(embedded)
            last = torch.stack([states[row, length - 1] for row, length in enumerate(lengths)])
        return self.linear(self.dropout(last))


def train_epoch(model: nn.Module, loader: DataLoader, optimizer: torch.optim.Optimizer, clip_norm: float) -> float:
    """Take a step for each batch; return the mean loss."""
    criterion = nn.CrossEntropyLoss()
    model.train()
    total_loss = 0.0
    for ids, lengths, labels in loader:
        optimizer.zero_grad()
        loss = criterion(model(ids, lengths), labels)
        loss.backward()
        clip_grad_norm_(model.parameters(), clip_norm)
        optimizer.step()
        total_loss += loss.item() * len(labels)
    return total_loss / len(loader.dataset)  # type: ignore[arg-type]  # not every Dataset has a length; ours has


def predict(model: nn.Module, loader: DataLoader) -> Tensor:
    """Return the probabilities of each class, `[rows, classes]`."""
    model.eval()
    with torch.no_grad():
        return torch.cat([torch.softmax(model(ids, lengths), dim=1) for ids, lengths, _ in loader])


def train(
    model: nn.Module,
    loader: DataLoader,
    validate: Callable[[], float],
    learning_rate: float,
    clip_norm: float,
    patience: int,
    on_epoch: Callable[[float], None],
) -> None:
    """Train until the score that `validate` returns has not risen for `patience` epochs; report each to `on_epoch`."""
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate)
    best, without_progress = float("-inf"), 0
    while without_progress < patience:
        train_epoch(model, loader, optimizer, clip_norm)
        score = validate()
        on_epoch(score)
        without_progress = 0 if score > best else without_progress + 1
        best = max(best, score)
