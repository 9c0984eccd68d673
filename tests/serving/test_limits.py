"""The rate of a client's requests, by a clock that the test sets."""

from unroll.serving.limits import MOST_CLIENTS, Rate, Refusal


def count_taken(rate: Rate, client: str, requests: int) -> int:
    taken = 0
    for _ in range(requests):
        try:
            rate.take(client)
            taken += 1
        except Refusal as error:
            assert (error.status, error.retry) == (429, 1)
    return taken


def test_a_client_has_its_rate_and_twice_as_many_at_once() -> None:
    now = [0.0]
    rate = Rate(10, lambda: now[0])
    assert count_taken(rate, "a", 50) == 20
    assert count_taken(rate, "b", 5) == 5  # another client has its own
    for second in range(1, 4):
        now[0] = second
        assert count_taken(rate, "a", 50) == 10
    now[0] = 100
    assert count_taken(rate, "a", 50) == 20


def test_zero_is_no_limit_and_less_than_one_a_second_is_one() -> None:
    assert count_taken(Rate(0), "a", 1000) == 1000
    now = [0.0]
    rate = Rate(0.1, lambda: now[0])
    assert count_taken(rate, "a", 5) == 1
    now[0] = 10
    assert count_taken(rate, "a", 5) == 1


def test_few_clients_are_remembered() -> None:
    rate = Rate(1, lambda: 0.0)
    for number in range(MOST_CLIENTS + 100):
        rate.take(str(number))
    assert len(rate._buckets) == MOST_CLIENTS
