import pytest

from fsm.render.sizes import sized


@pytest.mark.parametrize(
    ("size_bytes", "said"),
    [
        (0, "0 bytes"), (999, "999 bytes"), (1_000, "1.0 kB"), (9_949, "9.9 kB"), (9_950, "10 kB"), (9_999, "10 kB"),
        (12_345, "12 kB"), (999_499, "999 kB"), (999_500, "1.0 MB"), (999_999, "1.0 MB"), (848_621_568, "849 MB"),
        (10**9, "1.0 GB"), (5 * 10**12, "5.0 TB"), (10**16, "10000 TB"),
    ],
)  # fmt: skip
def test_a_size_is_told_in_its_largest_unit(size_bytes: int, said: str) -> None:
    assert sized(size_bytes) == said
