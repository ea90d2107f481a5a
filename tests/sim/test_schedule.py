"""Virtual time: what is due first happens first, at once, and time never goes back."""

from hypothesis import given
from hypothesis import strategies as st

from fedplat_sim.schedule import Schedule

TIMES = st.lists(st.sampled_from([0.0, 0.5, 1.0, 1.0, 2.5, 7.0]) | st.floats(0, 9))


def run(schedule: Schedule) -> int:
    steps = 0
    while schedule.step():
        steps += 1
    return steps


@given(TIMES)
def test_deliveries_come_by_time_and_then_in_the_order_of_being_scheduled(times):
    schedule, came = Schedule(), []
    for index, time_s in enumerate(times):
        schedule.at(time_s, lambda index=index: came.append((schedule.now(), index)))
    assert run(schedule) == len(times)
    assert came == sorted((time_s, index) for index, time_s in enumerate(times))


@given(TIMES, TIMES)
def test_time_never_goes_back_even_for_what_is_scheduled_for_the_past(times, later):
    schedule, seen = Schedule(5.0), []

    def note() -> None:
        seen.append(schedule.now())
        if len(seen) <= len(later):
            schedule.at(later[len(seen) - 1], lambda: seen.append(schedule.now()))

    for time_s in times:
        schedule.at(time_s, note)
    run(schedule)
    assert seen == sorted(seen) and all(time_s >= 5.0 for time_s in seen)


def test_nothing_to_come_moves_nothing():
    schedule = Schedule(3.0)
    assert not schedule.step() and not schedule.more_now()
    assert schedule.now() == 3.0


def test_what_is_scheduled_by_a_delivery_for_now_happens_before_what_is_later():
    schedule, came = Schedule(), []
    schedule.at(2.0, lambda: came.append("later"))
    schedule.at(1.0, lambda: schedule.at(schedule.now(), lambda: came.append("at once")))
    run(schedule)
    assert came == ["at once", "later"]


def test_more_is_due_now_only_while_time_stands_still():
    schedule = Schedule()
    for time_s in (1.0, 1.0, 2.0):
        schedule.at(time_s, lambda: None)
    assert not schedule.more_now()
    schedule.step()
    assert schedule.more_now()
    schedule.step()
    assert not schedule.more_now()


def test_two_at_one_time_need_not_be_comparable():
    schedule = Schedule()
    schedule.at(1.0, object)
    schedule.at(1.0, dict)  # comparing the two deliveries would raise
    assert run(schedule) == 2
