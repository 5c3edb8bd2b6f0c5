"""What must hold at every step of a run and at its end, and the memory that it takes to see it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from outbox.inside import Inside
from virtual_time import World

from cmqueue.audit import balance
from cmqueue.identity import tail_of
from cmqueue.lane import Lane
from cmqueue.row import Row
from cmqueue.state import State
from cmqueue.status import Status
from config.settings import WorkerSettings

#: Scripts that only read.
READING = {"lost", "status", "survey"}
PROBE_SIZE = 10
#: The structures are compared job by job after every so many scripts; the books after each.
THOROUGH_EVERY = 25


@dataclass(slots=True)
class Wanted:
    """One message that a caller asked for; its number is its own."""

    number: str
    lane: Lane
    at_least_once: bool
    id: str | None = None  #: when the caller was told
    refused: bool = False  #: told that it is certainly not in
    cancelled: bool = False  #: told that it is not sent
    expires_by: float = 0.0  #: not posted after it, seconds since 1970
    redriven: int = 0
    risked: int = 0  #: how often it was redriven although it may have arrived
    posts: list[Posted] = field(default_factory=list)
    doubted: list[int] = field(default_factory=list)  #: when `message.ambiguous` was written, by step
    ids: set[str] = field(default_factory=set)  #: under which it was posted

    def told(self, id: str, expires_by: float) -> None:
        """Its caller has the id."""
        self.id, self.expires_by = id, expires_by


@dataclass(slots=True)
class Posted:
    """One message in one request."""

    step: int
    proved_untaken: bool = False


class Posting:
    """One request, as the laws see it."""

    def __init__(self, posts: dict[tuple[str, str], Posted]) -> None:
        self._posts = posts

    def answered(self, untaken: Iterable[tuple[str, str]]) -> None:
        """The worker holds an answer that proves these untaken."""
        for pair in untaken:
            self._posts[pair].proved_untaken = True


class Laws:
    """Watches scripts, requests and log lines. `broken` holds what was seen to be wrong."""

    def __init__(
        self, world: World, inside: Inside, settings: WorkerSettings, note: Callable[[str], None]
    ) -> None:
        self._world, self._inside, self._settings, self.note = world, inside, settings, note
        self._key = inside.outbox.registry.key
        self.wanted: dict[str, Wanted] = {}
        self.broken: list[str] = []
        self.step = 0
        self.counts: defaultdict[str, int] = defaultdict(int)
        self._gate: tuple[str, float] | None = None  #: why it is closed and until when, seconds since 1970
        self._closed_at = 0
        self._in_doubt = 0

    def wrong(self, what: str) -> None:
        self.note(f"BROKEN {what}")
        self.broken.append(what)

    # --- what callers and operators know ----------------------------------------------------------------

    def want(self, wanted: list[Wanted]) -> None:
        self.wanted.update((one.number, one) for one in wanted)

    def cancelled(self, id: str) -> None:
        for one in self._named(id):
            one.cancelled = True

    def redriven(self, ids: list[str], expires_by: float, ended: State) -> None:
        for id in ids:
            for one in self._named(id):
                one.redriven += 1
                one.risked += ended is State.UNKNOWN
                one.expires_by = expires_by

    def _named(self, id: str) -> list[Wanted]:
        return [one for one in self.wanted.values() if id == one.id or id in one.ids]

    # --- scripts ---------------------------------------------------------------------------------------

    def scripted(self, name: str, _keys: list[str], args: list[Any], reply: Any) -> None:
        """A script was run."""
        self.step += 1
        self.counts[name] += 1
        if name in READING:
            return
        notes = self._world.current.notes
        if name == "claim" and reply[0] == b"batch":
            self._claimed(args, reply, notes)
        elif name == "mark" and reply[0] == b"marked":
            notes["marked"] = self._world.now
        self._look(name)

    def _claimed(self, args: list[Any], reply: Any, notes: dict[str, Any]) -> None:
        probe, jobs = reply[3] == b"1", reply[4]
        self.note(f"claimed {args[0]} {reply[2].decode()} {len(jobs)}{' as a probe' if probe else ''}")
        if args[0] == notes.get("batch"):
            return  # asked again
        notes["batch"], notes["probe"], notes["claimed"] = args[0], probe, self.step
        notes["numbers"] = [job[48 : 48 + job[47]].decode() for job in jobs]
        if self._gate is not None:
            why, until = self._gate
            if not probe or len(jobs) > PROBE_SIZE:
                self.wrong(f"{len(jobs)} messages claimed through a closed gate ({why})")
            if self._world.now < until - 0.001:
                self.wrong(f"a probe {until - self._world.now:.3f} s before its time")
        if self._in_doubt + len(jobs) > self._settings.max_ambiguous:
            self.wrong(f"{len(jobs)} claimed while {self._in_doubt} are in doubt or posting")

    def _look(self, after: str) -> None:
        """Read the books and the gate."""
        inside = self._inside
        survey = inside.partition.survey()
        audit = balance([(inside.partition.code, survey)])
        if not audit.balanced:
            self.wrong(f"after {after}: the books: {audit.problems}")
        now_ms = int(self._world.now * 1000)
        pipe = inside.client.pipeline(transaction=False)
        pipe.zcount(inside.at("doubt"), now_ms + 1, "+inf")
        pipe.hmget(inside.at("gate"), "closed", "until")
        in_doubt, (closed, until) = pipe.execute()
        self._in_doubt = in_doubt + survey.places["posting"]
        if self._in_doubt > self._settings.max_ambiguous:
            self.wrong(f"after {after}: {self._in_doubt} in doubt or posting")
        if closed is not None and self._gate is None:
            self._closed_at = self.step
        self._gate = None if closed is None else (closed.decode(), float(until) / 1000)
        if self.step % THOROUGH_EVERY == 0:
            self.check_structures(after)

    def check_structures(self, after: str) -> None:
        try:
            self._inside.check()
        except AssertionError as error:
            self.wrong(f"after {after}: {error}")

    # --- requests --------------------------------------------------------------------------------------

    def written(self, members: list[tuple[str, str, int]], kind: str) -> Posting:
        """A request leaves its worker: `members` are reference, number and validity."""
        self.step += 1
        self.counts["requests"] += 1
        notes = self._world.current.notes
        self.note(f"posts {notes['batch']} {len(members)} {kind}")
        if self._gate is not None and not notes["probe"] and notes["claimed"] > self._closed_at:
            self.wrong(f"posted through a closed gate ({self._gate[0]})")
        if self._world.now - notes["marked"] > self._settings.lease_seconds / 2 + 0.001:
            self.wrong("posted late after the mark")
        posts = {}
        for reference, number, validity in members:
            posts[reference, number] = self._member(reference, number, validity, notes["marked"])
        if len(posts) != len(members):
            self.wrong("a message twice in one request")
        return Posting(posts)

    def _member(self, reference: str, number: str, validity: int, marked: float) -> Posted:
        wanted = self.wanted.get(number)
        post = Posted(self.step)
        if wanted is None:
            self.wrong(f"{reference} was posted, and nobody asked for it")
            return post
        id = reference[:6] + tail_of(self._key, reference, number)
        wanted.ids.add(id)
        self.note(f"  {id}")
        if wanted.refused:
            self.wrong(f"{id} was posted, although its caller was told that it is not in")
        if wanted.cancelled:
            self.wrong(f"{id} was posted after it was cancelled")
        if len(wanted.ids) > 1:
            self.wrong(f"{id} is one message under several ids: {sorted(wanted.ids)}")
        if marked >= validity or validity > wanted.expires_by:
            self.wrong(f"{id} was posted after its end")
        open_posts = [earlier for earlier in wanted.posts if not earlier.proved_untaken]
        if open_posts:
            self.counts["posted again after doubt"] += 1
            if not wanted.at_least_once and len(open_posts) > wanted.risked:
                self.wrong(f"{id} is at_most_once and was posted again after doubt")
            elif not any(step > open_posts[-1].step for step in wanted.doubted):
                self.wrong(f"{id} was posted again, and its doubt was not recorded first")
            if len(open_posts) > self._settings.max_resends + wanted.redriven * (
                self._settings.max_resends + 1
            ):
                self.wrong(f"{id} was posted {len(open_posts) + 1} times in doubt")
        wanted.posts.append(post)
        return post

    # --- log lines -------------------------------------------------------------------------------------

    def logged(self, event: str, line: dict[str, Any], *, error: BaseException | None) -> None:
        """A log line was written."""
        self.step += 1
        self.counts[event] += 1
        if event == "message.ambiguous":
            for wanted in self._named(line["id"]):
                wanted.doubted.append(self.step)
        elif event in ("drain.failed", "sweep.failed") and type(error).__name__ != "FailpointError":
            self.wrong(f"{event}: {error!r}")
        elif event in ("worker.stuck", "outbox.rows_missing", "outbox.rolled_back"):
            self.wrong(f"{event}: {line}")

    # --- the end ---------------------------------------------------------------------------------------

    def strange(self, status: Status | None) -> None:
        """What became of a message that nobody could send."""
        if status is None or status.state is not State.EXPIRED:
            self.wrong(f"a message of an account that no worker knows ended {status}")

    def concluded(self, taken: dict[tuple[str, str], int]) -> None:
        """Everything is over: each message ended once, as it should, and CM's own count agrees."""
        self.check_structures("the end")
        prefix = self._inside.partition.code
        rows = {prefix + key: row for key, row in self._inside.rows().items()}
        times: defaultdict[str, int] = defaultdict(int)
        for (_, number), count in taken.items():
            times[number] += count
        known: set[str] = set()
        for wanted in self.wanted.values():
            ids = wanted.ids | ({wanted.id} if wanted.id else set())
            known |= ids
            if len(ids) > 1:
                self.wrong(f"{wanted.id} was posted under other ids: {sorted(ids)}")
            for id in ids:
                if id not in rows:
                    self.wrong(f"{id} is lost")
                else:
                    self._ended(id, wanted, rows[id], times[wanted.number])
        unknown = len(rows.keys() - known)
        silent = sum(
            not wanted.id and not wanted.ids and not wanted.refused for wanted in self.wanted.values()
        )
        if unknown > silent:
            self.wrong(f"{unknown} rows that nobody knows of, and {silent} messages in doubt about being in")

    def _ended(self, id: str, wanted: Wanted, row: Row, times: int) -> None:
        state = row.state
        self.counts[f"ended {state}"] += 1
        if not state.finished:
            self.wrong(f"{id} is {state} for ever")
        doubted = bool(wanted.doubted)
        if times > 1:
            self.counts["duplicates"] += times - 1
            if not wanted.at_least_once and times > 1 + wanted.risked:
                self.wrong(f"{id} is at_most_once and CM has it {times} times")
        may_repeat = wanted.at_least_once or wanted.risked
        if state is State.ACCEPTED and not times:
            self.wrong(f"{id} ended accepted, and CM does not have it")
        unproved = sum(not post.proved_untaken for post in wanted.posts)
        if state in (State.EXPIRED, State.CANCELLED, State.SUPPRESSED) and (times or unproved):
            self.wrong(f"{id} ended {state}; CM has it {times} times; {unproved} posts in doubt")
        if state in (State.REJECTED, State.DEAD) and times and not (may_repeat and doubted):
            self.wrong(f"{id} ended {state}, and CM has it")
        if state is State.UNKNOWN and not doubted:
            self.wrong(f"{id} ended unknown without a word of doubt")
        if state in (State.DELIVERED, State.FAILED, State.READ):
            self.wrong(f"{id} ended {state}, which no receipt said")
