from __future__ import annotations

from app.services.jobs.sub_progress import SubProgress
from tests.support.context import Context


def test_a_part_has_a_share_of_the_whole() -> None:
    whole = Context()
    part = SubProgress(SubProgress(whole, 20, 60), 50, 100)
    for percent in (-1, 0, 50, 100, 120):
        part.progress(percent, "so far", {"n": 1})
    assert [percent for percent, _, _ in whole.published] == [40, 40, 50, 60, 60]
    assert whole.published[0][1:] == ("so far", {"n": 1})
    part.add_items(["a"])
    assert (whole.items, part.job) == (["a"], whole.job)


def test_who_comes_further_than_the_run_before_gets_on() -> None:
    whole = Context()
    whole.job = whole.job.model_copy(update={"progress": 49.5})
    part = SubProgress(whole, 0, 50)
    part.progress(100)
    assert not whole.has_got_on
    part = SubProgress(whole, 0, 60)
    part.progress(100)
    assert whole.has_got_on
