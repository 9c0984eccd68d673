"""What Prometheus is told, from a registry of the service's own."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


class Metrics:
    """Counters of requests and batches, and of the process."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.requests = Counter("unroll_requests", "Answers.", ["path", "status"], registry=registry)
        self.seconds = Histogram("unroll_request_seconds", "From request to answer.", ["path"], registry=registry)
        self.batch_requests = Histogram(
            "unroll_batch_requests", "Requests that a batch is formed of.", buckets=SIZES, registry=registry
        )
        self.batch_texts = Histogram("unroll_batch_texts", "Texts in a batch.", buckets=SIZES, registry=registry)
        self.waiting = Gauge("unroll_waiting_characters", "Of texts that have no answer yet.", registry=registry)

    def format(self) -> bytes:
        """Return all of them in Prometheus's text format."""
        return generate_latest(self._registry)
