"""What the server counts, for Prometheus: never a text, a key or an address."""

from collections.abc import Callable

from diffumask_core.extras import needs_extra

with needs_extra("server", "the server"):
    from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)


class Metrics:
    """Counters of one server.

    Attributes:
        registry: What holds them.
    """

    def __init__(self, inside: Callable[[], int]) -> None:
        """Makes counters that are at zero.

        Args:
            inside: Tells how many compressions run or wait.
        """
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "diffumask_requests", "Requests, by what became of them.", ["endpoint", "outcome"], registry=self.registry
        )
        self._before = Counter(
            "diffumask_tokens_before", "Tokens of messages as they came.", ["endpoint"], registry=self.registry
        )
        self._after = Counter(
            "diffumask_tokens_after",
            "Tokens of messages after shortening; in an audit as they would be.",
            ["endpoint"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "diffumask_shortening_seconds",
            "Seconds from the body of a request to its shorter one, waiting included.",
            registry=self.registry,
            buckets=_SECONDS,
        )
        self._upstream = Counter(
            "diffumask_upstream_failures",
            "Requests without an answer, or without all of it.",
            ["kind"],
            registry=self.registry,
        )
        gauge = Gauge("diffumask_compressions", "Compressions that run or wait.", registry=self.registry)
        gauge.set_function(inside)

    def request(self, endpoint: str, outcome: str) -> None:
        """Counts a request."""
        self._requests.labels(endpoint, outcome).inc()

    def shortened(self, endpoint: str, before: int, after: int, seconds: float) -> None:
        """Counts what shortening has saved, and how long that took."""
        self._before.labels(endpoint).inc(before)
        self._after.labels(endpoint).inc(after)
        self._seconds.observe(seconds)

    def upstream_failed(self, kind: str) -> None:
        """Counts a request that the upstream gave no answer to, or not all of it."""
        self._upstream.labels(kind).inc()

    def text(self) -> bytes:
        """All counters in the text format of Prometheus."""
        return generate_latest(self.registry)
