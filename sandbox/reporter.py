"""Decides what becomes of each message taken, and has it told in status reports."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

from sandbox.caller import Call
from sandbox.courier import Courier, Parcel
from sandbox.course import ACCEPTED, TimedStep, Timeline, read_course
from sandbox.gateway import Row
from sandbox.numbers import magic_course, written
from sandbox.report import Report
from sandbox.webhooks import Webhooks

_UTF8_JSON, _UTF8_XML = "application/json; charset=utf-8", "text/xml; charset=utf-8"


class Told(NamedTuple):
    """For each message its timeline; and what has to end before the POST may be answered."""

    timelines: list[Timeline]
    early: list[asyncio.Future[None]]


class Reporter:
    """`chance` is seeded by the caller, and drawn from in the order of the messages."""

    def __init__(self, webhooks: Webhooks, courier: Courier, chance: Random) -> None:
        self._webhooks = webhooks
        self._courier = courier
        self._chance = chance

    @property
    def idle(self) -> bool:
        """Whether nobody wants to know what becomes of messages."""
        return self._webhooks.status_url is None and self._webhooks.transactions is None

    def tell(self, rows: Iterable[Row], at: float) -> Told:
        """Plan the course of each of the accepted `rows`, taken `at` seconds since 1970."""
        told = Told([], [])
        for row in rows:
            early = self._chance.random() < self._webhooks.early
            timeline = self._timeline(row["to"], at, early=early)
            told.timelines.append(timeline)
            if self._webhooks.status_url is not None:
                told.early.extend(self._send(row, at, timeline, early=early))
        return told

    def _timeline(self, number: str, at: float, *, early: bool) -> Timeline:
        settings, chance = self._webhooks, self._chance
        name = magic_course(number)
        if name is None:
            (name,) = chance.choices(list(settings.mix), list(settings.mix.values()))
        steps = read_course(name)
        if len(steps) > 1 and steps[0].code == ACCEPTED and chance.random() >= settings.accepted:
            steps = steps[1:]
        timeline = []
        for step in steps:
            at += 0.0 if early else settings.wait(chance)
            timeline.append(TimedStep(at, step))
        return tuple(timeline)

    def _send(self, row: Row, sent: float, timeline: Timeline, *, early: bool) -> list[asyncio.Future[None]]:
        settings, chance = self._webhooks, self._chance
        moments = [step.at - sent for step in timeline]
        if chance.random() < settings.reordered:
            moments.reverse()
        tried = []
        for (at, step), after in zip(timeline, moments, strict=True):
            report = Report(row["reference"], written(row["to"], settings.numbers, chance), step, sent, at)
            parcel = Parcel("status", _Form(settings.format, report))
            if early:
                parcel.tried = asyncio.get_running_loop().create_future()
            if self._courier.take(parcel, after=after) and parcel.tried is not None:
                tried.append(parcel.tried)
            if chance.random() < settings.duplicates:
                self._courier.take(Parcel("status", parcel.call), after=after + settings.wait(chance))
        return tried


@dataclass(frozen=True, slots=True)
class _Form:
    """Makes the request of a report for a URL; written only when it is due."""

    format: str
    report: Report

    def __call__(self, url: str) -> Call:
        match self.format:
            case "xml":
                return Call("POST", url, self.report.as_xml(), _UTF8_XML)
            case "get":
                return Call("GET", url, query=self.report.as_query())
        return Call("POST", url, self.report.as_json(), _UTF8_JSON)
