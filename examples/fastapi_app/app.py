"""The app. Where Redis is, the environment says: CMQUEUE_REDIS_URL."""

from __future__ import annotations

import os
import secrets
import sqlite3
from asyncio import to_thread
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from typing import Any

from fastapi import FastAPI, HTTPException
from pydantic import BaseModel

from cmqueue import Message
from cmqueue.integrations.fastapi import OutboxDep, handle_errors, lifespan

CODE_SECONDS = 300
SOLD_OUT = "unicorn"
DATABASE = os.environ.get("EXAMPLE_DATABASE", "example.sqlite3")
TABLE = "CREATE TABLE IF NOT EXISTS orders (number INTEGER PRIMARY KEY, phone TEXT, item TEXT, message TEXT)"


@asynccontextmanager
async def opened(app: FastAPI) -> AsyncIterator[None]:
    """What the app needs while it runs."""
    _do(TABLE)
    async with lifespan(app):
        yield


app = FastAPI(lifespan=opened)
handle_errors(app)  # 422 for a number that is none, 503 while Redis is away
codes: dict[str, str] = {}


class Signup(BaseModel):
    """Who wants a code."""

    phone: str


class Order(BaseModel):
    """What somebody wants."""

    phone: str
    item: str


@app.post("/signup", status_code=202)
async def signup(asked: Signup, outbox: OutboxDep) -> dict[str, str]:
    """Send a code. Late is as bad as never, so it expires with the code."""
    codes[asked.phone] = f"{secrets.randbelow(10**6):06}"
    receipt = await outbox.enqueue(
        {"sender": "Acme", "to": asked.phone, "text": f"Your code is {codes[asked.phone]}"},
        lane="urgent",
        expires_in=CODE_SECONDS,
    )
    return {"message": receipt.id}


@app.post("/orders", status_code=201)
async def place_order(asked: Order, outbox: OutboxDep) -> dict[str, int]:
    """Keep an order, and tell its owner once it is committed."""
    # Checked before anything is kept: a number that is none refuses the order.
    notice = Message(sender="Acme", to=asked.phone, text=f"One {asked.item} is yours.")
    order = await to_thread(_keep, asked)
    # After the commit. One that is lost in between can be asked for again under the same key.
    receipt = await outbox.enqueue(
        notice, client_reference=f"order-{order}", idempotency_key=f"fastapi-order-{order}"
    )
    await to_thread(_do, "UPDATE orders SET message = ? WHERE number = ?", receipt.id, order)
    return {"order": order}


@app.get("/orders/{order}")
async def show_order(order: int, outbox: OutboxDep) -> dict[str, Any]:
    """An order, and how its notice fares."""
    found = await to_thread(_do, "SELECT item, message FROM orders WHERE number = ?", order)
    if not found:
        raise HTTPException(404)
    item, message = found[0]
    status = await outbox.status(message or "")
    return {"item": item, "message": message, "notice": status and status.state}


def _keep(asked: Order) -> int:
    """The number of a new order. Raises HTTPException where there is none left, and keeps nothing."""
    with closing(sqlite3.connect(DATABASE)) as database, database:  # commits, or rolls back
        values = (asked.phone, asked.item)
        number = database.execute("INSERT INTO orders (phone, item) VALUES (?, ?)", values).lastrowid
        if asked.item == SOLD_OUT:
            raise HTTPException(409, "sold out")
    return int(number or 0)


def _do(statement: str, *values: object) -> list[Any]:
    with closing(sqlite3.connect(DATABASE)) as database, database:
        return database.execute(statement, values).fetchall()
