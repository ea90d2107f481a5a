import threading
from threading import Event
from time import monotonic, sleep

from fedplat.transports.grpc.idle import IdleWatch

PATIENCE_S = 10.0


def threads():
    return sum(one.name == "fedplat-idle" for one in threading.enumerate())


def test_a_transfer_that_does_not_move_is_ended_once_and_one_that_moves_is_not():
    ended, moves_ended = Event(), Event()
    watch = IdleWatch(0.2)
    begun_s = monotonic()
    with watch.over(ended.set), watch.over(moves_ended.set) as moving:
        while monotonic() - begun_s < 0.7:
            sleep(0.02)
            moving.moved()
        assert ended.is_set()
        assert not moves_ended.is_set()
        ended.clear()
    sleep(0.3)
    assert not ended.is_set()
    assert not moves_ended.is_set()


def test_a_hundred_transfers_have_one_watch_which_ends_after_them():
    watch, before = IdleWatch(0.2), threads()
    for _ in range(50):
        with watch.over(int), watch.over(int):
            assert threads() == before + 1
    by_s = monotonic() + PATIENCE_S
    while threads() > before and monotonic() < by_s:
        sleep(0.02)
    assert threads() == before


def test_a_watch_that_has_ended_begins_again():
    watch, before = IdleWatch(0.05), threads()
    with watch.over(int):
        pass
    by_s = monotonic() + PATIENCE_S
    while threads() > before and monotonic() < by_s:
        sleep(0.01)
    ended = Event()
    with watch.over(ended.set):
        assert ended.wait(PATIENCE_S)
