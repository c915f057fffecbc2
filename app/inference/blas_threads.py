"""The threads of NumPy's matrix products in a process that answers searches."""

from __future__ import annotations

from threadpoolctl import ThreadpoolController


def use_one_blas_thread() -> None:
    """Compute NumPy's products in the thread that asks for them.

    OpenBLAS's threads keep processors busy for some time after each product. The products of a search take microseconds, but
    with a thread for each processor the model's next run took twice as long (`benchmarks/bench_upload.py`).
    """
    ThreadpoolController().select(internal_api="openblas").limit(limits=1)
