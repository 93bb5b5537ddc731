"""The name under which a metric is stored: what it is, on which features, of how many samples."""

from __future__ import annotations


def metric_name(metric: str, encoder: str, n: int) -> str:
    """A metric's name with its encoder and sample number.

    Example:
        >>> metric_name("fid", "lenet", 2000)
        'fid_lenet_2000'
        >>> metric_name("fid", "inception", 50_000)
        'fid_inception_50k'
    """
    number = f"{n // 1000}k" if n >= 10_000 and n % 1000 == 0 else str(n)
    return f"{metric}_{encoder}_{number}"
