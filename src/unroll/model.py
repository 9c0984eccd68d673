"""The classifier: embedding → RNN, GRU or LSTM → pooling over time → linear head."""

import os
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from unroll.batches import iterate_batches
from unroll.checkpoint import ModelConfig, load_weights
from unroll.errors import InputError
from unroll.params import ModelParams
from unroll.tokens import Tokens
from unroll.vocabulary import PADDING_ID

CELLS = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}
EMBEDDING_STD = 0.1  # PyTorch's N(0, 1) costs more than three points of accuracy on headlines
PRETRAINED_STD = 0.3


class RecurrentEncoder(nn.Module):
    """A recurrent layer, or several, over sequences of any lengths.

    RNN: Elman 1990; LSTM: Hochreiter & Schmidhuber 1997; GRU: Cho et al. 2014 (arXiv:1406.1078); both directions:
    Schuster & Paliwal 1997.
    """

    def __init__(self, input_size: int, config: ModelParams) -> None:
        super().__init__()
        self.directions = 2 if config.bidirectional else 1
        self.output_size = config.hidden_size * self.directions
        self.layers = CELLS[config.cell](
            input_size,
            config.hidden_size,
            num_layers=config.layers,
            dropout=config.dropout if config.layers > 1 else 0.0,
            bidirectional=config.bidirectional,
            batch_first=True,
        )

    def forward(self, features: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Read sequences `[batch, time, features]` of the given lengths ([batch] int64 on the CPU; None: all full).

        Returns:
            The states at each step, `[batch, time, directions * hidden]`, zero beyond a sequence's length; and the
            final states of the last layer, `[batch, directions * hidden]`: forward at the sequence's end, backward
            at its start. Sequences that differ in length are packed, so that no direction ever reads padding.
        """
        if lengths is None:
            states, hidden = self.layers(features)
        else:
            packed = pack_padded_sequence(features, lengths, batch_first=True, enforce_sorted=False)
            states, hidden = self.layers(packed)
            states, _ = pad_packed_sequence(states, batch_first=True, total_length=features.shape[1])
        if isinstance(hidden, tuple):  # an LSTM has cell states too
            hidden = hidden[0]
        final = hidden[-self.directions :].transpose(0, 1).flatten(start_dim=1)
        return states, final


class Pooling(nn.Module):
    """The states of a sequence to one vector: its final states, or the maximum, mean or weighted mean over time.

    Attention is a learned score of each state, softmax over time (Yang et al. 2016, NAACL, without their tanh layer).
    """

    def __init__(self, kind: str, size: int) -> None:
        super().__init__()
        self.kind = kind
        self.score = nn.Linear(size, 1, bias=False) if kind == "attention" else None

    def forward(self, states: Tensor, final: Tensor, lengths: Tensor | None = None) -> Tensor:
        """`[batch, time, size]`, `[batch, size]` and lengths ([batch] int64; None: all full) to `[batch, size]`."""
        if self.kind == "last":
            return final
        if lengths is None:
            padding = None
        else:
            time = torch.arange(states.shape[1], device=states.device)
            padding = (time >= lengths.to(states.device)[:, None])[:, :, None]
        if self.kind == "max":
            return (states if padding is None else states.masked_fill(padding, -torch.inf)).amax(dim=1)
        if self.kind == "mean":
            # States beyond a sequence's length are zero, so only the divisor has to know the lengths.
            return states.mean(dim=1) if lengths is None else states.sum(dim=1) / lengths.to(states)[:, None]
        scores = self.score(states)
        if padding is not None:
            scores = scores.masked_fill(padding, -torch.inf)
        return (torch.softmax(scores, dim=1) * states).sum(dim=1)


class SequenceClassifier(nn.Module):
    """Token ids to one logit for each class."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.embedding = nn.Embedding(config.vocabulary_size, config.embedding_size, padding_idx=PADDING_ID)
        self.embedding_dropout = nn.Dropout(config.embedding_dropout)
        self.encoder = RecurrentEncoder(config.embedding_size, config)
        self.pooling = Pooling(config.pooling, self.encoder.output_size)
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(self.encoder.output_size, config.classes)
        self._initialize()

    def forward(self, ids: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Ids `[batch, time]` int64, lengths ([batch] int64, on the CPU; None: full) to logits `[batch, classes]`."""
        features = self.embedding_dropout(self.embedding(ids))
        states, final = self.encoder(features, lengths)
        return self.head(self.dropout(self.pooling(states, final, lengths)))

    def start_from(self, vectors: np.ndarray) -> None:
        """Let the embedding start from pretrained vectors, `[vocabulary, features]` float32, made of one size.

        Tokens whose vector is zero have none, and keep their random start.
        """
        known = vectors.any(axis=1)
        scaled = vectors[known] * (PRETRAINED_STD / vectors[known].std())
        with torch.no_grad():
            self.embedding.weight[torch.from_numpy(known)] = torch.from_numpy(scaled)

    def _initialize(self) -> None:
        nn.init.normal_(self.embedding.weight, std=EMBEDDING_STD)
        with torch.no_grad():
            self.embedding.weight[PADDING_ID].zero_()


def load_model(path: Path, config: ModelConfig) -> SequenceClassifier:
    """Read models/model.safetensors, for evaluation.

    Raises:
        InputError: the file is missing or damaged, or its weights are not of a model of this configuration.
    """
    with torch.device("meta"):  # no time spent on random weights that are replaced at once
        model = SequenceClassifier(config)
    weights = {name: torch.from_numpy(weight) for name, weight in load_weights(path, config).items()}
    model.load_state_dict(weights, assign=True)
    return model.eval()


def choose_device(name: str) -> torch.device:
    """Return the device that "auto", "cpu" or "cuda" stands for.

    Raises:
        InputError: CUDA is asked for and not there.
    """
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise InputError("train.device = 'cuda': this machine has no CUDA device; expected cpu or auto")
    return torch.device("cuda" if available and name != "cpu" else "cpu")


def make_repeatable(threads: int, device: torch.device) -> None:
    """Let the same computation give the same bits each time: a fixed number of threads, deterministic algorithms.

    Sums are divided among threads, so another number of threads gives other last digits. On the CPU, what the models
    use is deterministic anyway; PyTorch's switch would but take a second, and then time in every step.
    """
    torch.set_num_threads(threads)
    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it, cuBLAS refuses to be deterministic
        torch.use_deterministic_algorithms(True)


def compute_logits(model: nn.Module, tokens: Tokens, batch_size: int) -> Tensor:
    """Run the model over a split without training it; return logits `[rows, classes]` float32 on the CPU."""
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    rows, logits = [], []
    with torch.inference_mode():
        for batch in iterate_batches(tokens, batch_size, device):
            rows.append(torch.from_numpy(batch.rows))
            logits.append(model(batch.ids, batch.lengths).cpu())
    model.train(was_training)
    in_batch_order = torch.cat(logits)
    result = torch.empty_like(in_batch_order)
    result[torch.cat(rows)] = in_batch_order
    return result.clone()  # an ordinary tensor, not one of inference mode


def compute_probabilities(model: nn.Module, tokens: Tokens, batch_size: int, temperature: float) -> np.ndarray:
    """Return the classes' probabilities for each text of a split, `[rows, classes]` float32."""
    return torch.softmax(compute_logits(model, tokens, batch_size) / temperature, dim=1).numpy()


def count_parameters(model: nn.Module) -> int:
    """Return how many numbers training can change."""
    return sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
