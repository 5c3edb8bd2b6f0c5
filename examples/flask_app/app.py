"""The app. Where Redis is, the environment says: CMQUEUE_REDIS_URL."""

from __future__ import annotations

import os
import secrets
import sqlite3
from contextlib import closing
from typing import Any

from flask import Flask, request

from cmqueue import InvalidMessage, Message, OutboxUnavailable
from cmqueue.integrations.flask import CmQueue, current_outbox

CODE_SECONDS = 300
SOLD_OUT = "unicorn"
TABLE = "CREATE TABLE IF NOT EXISTS orders (number INTEGER PRIMARY KEY, phone TEXT, item TEXT, message TEXT)"

Answer = tuple[dict[str, Any], int] | tuple[dict[str, Any], int, dict[str, str]]


def create_app() -> Flask:
    """The app, with a database beside it."""
    app = Flask("examples.flask_app")
    app.config["CMQUEUE_REDIS_TIMEOUT"] = 1
    CmQueue(app)
    app.config["DATABASE"] = os.environ.get("EXAMPLE_DATABASE", "example.sqlite3")
    with closing(sqlite3.connect(app.config["DATABASE"])) as database, database:
        database.execute(TABLE)
    codes: dict[str, str] = {}

    @app.errorhandler(InvalidMessage)
    def invalid(error: InvalidMessage) -> Answer:
        return {"field": error.field, "problem": error.problem}, 422

    @app.errorhandler(OutboxUnavailable)
    def unavailable(_error: OutboxUnavailable) -> Answer:
        return {"problem": "try again"}, 503, {"Retry-After": "1"}

    @app.post("/signup")
    def signup() -> Answer:
        """Send a code. Late is as bad as never, so it expires with the code."""
        phone = request.json["phone"]
        codes[phone] = f"{secrets.randbelow(10**6):06}"
        receipt = current_outbox.enqueue(
            {"sender": "Acme", "to": phone, "text": f"Your code is {codes[phone]}"},
            lane="urgent",
            expires_in=CODE_SECONDS,
        )
        return {"message": receipt.id}, 202

    @app.post("/orders")
    def place_order() -> Answer:
        """Keep an order, and tell its owner once it is committed."""
        asked: dict[str, str] = request.json
        # Checked before anything is kept: a number that is none refuses the order.
        notice = Message(sender="Acme", to=asked["phone"], text=f"One {asked['item']} is yours.")
        try:
            order = _kept(app, asked)
        except SoldOut:
            return {"problem": "sold out"}, 409
        # After the commit. One that is lost in between can be asked for again under the same key.
        receipt = current_outbox.enqueue(
            notice, client_reference=f"order-{order}", idempotency_key=f"flask-order-{order}"
        )
        with closing(sqlite3.connect(app.config["DATABASE"])) as database, database:
            database.execute("UPDATE orders SET message = ? WHERE number = ?", (receipt.id, order))
        return {"order": order}, 201

    @app.get("/orders/<int:order>")
    def show_order(order: int) -> Answer:
        """An order, and how its notice fares."""
        with closing(sqlite3.connect(app.config["DATABASE"])) as database, database:
            found = database.execute("SELECT item, message FROM orders WHERE number = ?", (order,)).fetchone()
        if found is None:
            return {"problem": "no such order"}, 404
        item, message = found
        status = current_outbox.status(message or "")
        return {"item": item, "message": message, "notice": status and status.state}, 200

    return app


class SoldOut(Exception):
    """There is none left."""


def _kept(app: Flask, asked: dict[str, str]) -> int:
    """The number of a new order. Raises SoldOut, and keeps nothing."""
    with closing(sqlite3.connect(app.config["DATABASE"])) as database, database:  # commits, or rolls back
        values = (asked["phone"], asked["item"])
        number = database.execute("INSERT INTO orders (phone, item) VALUES (?, ?)", values).lastrowid
        if asked["item"] == SOLD_OUT:
            raise SoldOut
    return int(number or 0)
