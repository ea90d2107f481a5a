"""Stores, drivers and folds with one bug each."""

from itertools import chain

from fedplat.engine import journal
from fedplat.runtime.driver import Driver
from fedplat.runtime.server_work import ServerWork
from fedplat.storage.memory import MemoryBlobs
from fedplat_sim.chaos import tiny
from fedplat_sim.chaos.disks import CrashableBlobs, CrashableEvents, CrashableStates


class LazyEvents(CrashableEvents):
    """An append is durable only once the next one comes: acknowledged before durable."""

    _waiting = ()

    @property
    def version(self):
        return self.durable.version + len(self._waiting)

    def append(self, events, expected_version):
        self.durable.append(self._waiting, self.durable.version)
        self._waiting = ()
        self.point("before an append")
        self._waiting = tuple(events)
        self.point("after an append")
        return self.version

    def read(self, from_version=0):
        return chain(self.durable.read(from_version), self._waiting)

    def lose(self):
        self._waiting = ()


class LosesTheTail(CrashableEvents):
    """A crash takes the last entry of the log along."""

    def lose(self):
        self.durable._events = self.durable._events[:-1]


class LazyBlobs(CrashableBlobs):
    """A blob is durable only once the next one comes: committed before the blob."""

    def put(self, payload):
        cache = self.__dict__.setdefault("cache", MemoryBlobs())
        for waiting in self.__dict__.setdefault("waiting", []):
            self.durable.put(waiting)
        self.waiting = [bytes(payload)]
        self.point("before a blob")
        return cache.put(payload)

    def get(self, digest):
        cache = self.__dict__.setdefault("cache", MemoryBlobs())
        return (cache if digest in cache._blobs else self.durable).get(digest)

    def lose(self):
        self.__dict__.update(waiting=[], cache=MemoryBlobs())


class CollectsTooMuch(CrashableBlobs):
    """The blobs of the model that was just committed are freed too."""

    def collect(self, keep):
        return self.durable.collect(frozenset())


class LosesStates(CrashableStates):
    """A crash takes all states along."""

    def lose(self):
        self.durable._states.clear()


class SkipsTheLastEvent(Driver):
    """A replay stops one event too early."""

    def replay(self):
        entries = list(self._log.read())
        for entry in entries[:-1]:
            self.machine.handle(journal.decode(entry))
        return len(entries)


class ActsFirst(Driver):
    """What is said because of an event goes out before the event is logged."""

    def flush(self):
        while self._inbox:
            batch, self._inbox = self._inbox, []
            for event in batch:
                for observe in self._observers:
                    observe(event)
                self._do(self.machine.handle(event))
            self._log.append([journal.encode(event) for event in batch], self._log.version)


class LogsOneOfABatch(Driver):
    """Of events that come together, one is logged."""

    def flush(self):
        while self._inbox:
            batch, self._inbox = self._inbox, []
            self._log.append([journal.encode(batch[0])], self._log.version)
            for event in batch:
                for observe in self._observers:
                    observe(event)
                self._do(self.machine.handle(event))


class HandlesOneOfABatch(Driver):
    """Of events that come together, one is handled until the next restart."""

    def flush(self):
        while self._inbox:
            batch, self._inbox = self._inbox, []
            self._log.append([journal.encode(event) for event in batch], self._log.version)
            for observe in self._observers:
                observe(batch[0])
            self._do(self.machine.handle(batch[0]))


class ActsWhileReplaying(Driver):
    """A replay performs the commands of the past again."""

    def replay(self):
        for entry in list(self._log.read()):
            self._do(self.machine.handle(journal.decode(entry)))
        return self._log.version


class StartsFromTheFirstModel(ServerWork):
    """After a restart the fold's result is added to the first model."""

    def state(self, broadcast, kept):
        return self._states.get((broadcast, kept)) or tiny.cargo().first


class FoldsNoMore(ServerWork):
    """What was folded ahead is taken for the whole round."""

    def _fold_updates(self, rows):
        if self._ahead is not None and self._ahead.rows:
            ahead, self._ahead = self._ahead, None
            return ahead.finish()
        return super()._fold_updates(rows)


BUGS = {
    name: cls
    for name, cls in list(globals().items())
    if isinstance(cls, type) and cls.__module__ == __name__
}
