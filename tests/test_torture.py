"""The sender is killed 200 times over 20,000 deliveries; `make torture` does it for longer."""

from pathlib import Path

from torture import tell


def test_killed_at_random_moments_it_loses_nothing_and_repeats_only_what_nobody_knows(tmp_path: Path) -> None:
    scores = dict(tell(tmp_path, kills=200, deliveries=20_000, seed=7))
    assert sum(score.kills for score in scores.values()) >= 200
    assert sum(score.deliveries for score in scores.values()) >= 20_000
