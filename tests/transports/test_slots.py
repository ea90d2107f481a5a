import threading

import pytest

from fedplat.errors import TransportError
from fedplat.transports.grpc.slots import Slots


def places(tickets):
    return [ticket.wait(0) for ticket in tickets]


def test_as_many_are_served_as_there_are_slots_and_the_others_have_places_in_order():
    slots = Slots(2)
    tickets = [slots.take() for _ in range(5)]
    assert places(tickets) == [0, 0, 1, 2, 3]


def test_who_comes_first_is_served_first_whoever_asks_first():
    slots = Slots(1)
    one, two, three = (slots.take() for _ in range(3))
    assert three.wait(0) == 3
    assert one.wait(0) == 0
    slots.release(one)
    assert three.wait(0) == 2
    assert two.wait(0) == 0


def test_a_ticket_that_leaves_the_queue_lets_the_others_up():
    slots = Slots(1)
    one, two, three = (slots.take() for _ in range(3))
    assert places([one, two, three]) == [0, 1, 2]
    two.leave()
    assert three.wait(0) == 1
    with pytest.raises(TransportError, match="given up"):
        two.wait(0)


def test_a_ticket_that_is_served_can_not_leave_but_is_released():
    slots = Slots(1)
    one, two = slots.take(), slots.take()
    assert places([one, two]) == [0, 1]
    one.leave()
    assert two.wait(0) == 1
    slots.release(one)
    assert two.wait(0) == 0


def test_releasing_twice_frees_one_slot():
    slots = Slots(1)
    with slots.take() as one:
        assert one.wait(0) == 0
        slots.release(one)
    assert places([slots.take(), slots.take()]) == [0, 1]


def test_of_one_key_one_is_served_and_others_pass_it():
    slots = Slots(2)
    first, second = slots.take("blob"), slots.take("blob")
    other = slots.take("another blob")
    assert places([first, second, other]) == [0, 1, 0]
    slots.release(first)
    assert second.wait(0) == 0


def test_tickets_without_a_key_do_not_wait_for_each_other():
    slots = Slots(2)
    assert places([slots.take(None), slots.take(None)]) == [0, 0]


def test_who_waits_is_woken_by_a_change_of_its_place_long_before_the_time_is_up():
    slots = Slots(1)
    holds, waits = slots.take(), slots.take()
    assert places([holds, waits]) == [0, 1]
    told = []
    thread = threading.Thread(target=lambda: told.append(waits.wait(60.0)))
    thread.start()
    slots.release(holds)
    thread.join(5)
    assert told == [0]


def test_no_slots_at_all_is_a_mistake():
    with pytest.raises(ValueError, match="count must be >= 1, got 0"):
        Slots(0)


def test_never_more_than_the_slots_are_served_whatever_the_threads_do():
    slots, lock = Slots(3), threading.Lock()
    serving, most = 0, 0

    def work(key):
        nonlocal serving, most
        with slots.take(key) as ticket:
            while ticket.wait(1.0):
                pass
            with lock:
                serving += 1
                most = max(most, serving)
            threading.Event().wait(0.002)
            with lock:
                serving -= 1

    threads = [threading.Thread(target=work, args=(number % 5,)) for number in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert 1 < most <= 3
    assert not slots._waiting
    assert not slots._served


def test_who_comes_to_a_full_queue_is_told_how_long_it_is_and_may_come_again():
    slots = Slots(1, most_waiting=2)
    served = slots.take()
    assert served.wait(0) == 0
    waiting = slots.take(), slots.take()
    with pytest.raises(TransportError, match="2 transfers wait before this one") as refused:
        slots.take()
    assert refused.value.retryable
    waiting[0].leave()
    assert slots.take().wait(0) == 2
