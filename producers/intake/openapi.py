"""The intake, described in OpenAPI 3.1: every path, header, status and shape. `schemas` has the shapes."""

from __future__ import annotations

from typing import Any

from cmqueue.lane import Lane
from config.intake import IntakeSettings
from producers.intake.problem import MEDIA_TYPE, Kind
from producers.intake.schemas import SCHEMAS

VERSION = "1.0.0"  #: of this interface, not of the program

Json = dict[str, Any]

_ABOUT = """\
Two ways to speak to one queue. CM's own request, so that a client of CM's needs another URL and nothing else;
and a small API of our own, by which messages are followed and taken back. Accepted means durably queued, not
delivered.

Every answer has one of two shapes: CM's envelope, or beneath `/v1/` where something is wrong a problem (RFC
9457). A connection that speaks no HTTP, sends the head of a request too slowly, or is one too many, gets CM's
envelope (400, 408, 503) and is closed.
"""
_ABOUT_MESSAGES = """\
Takes CM's own request. Each pair of a message and a recipient is one message, and one row of the answer, in
the order of the request. Keys count in any case; properties that are not described are ignored; of a key that
is given twice the last counts. The token is read from the header or, where there is no such header, from
`messages.authentication` in the body, as CM's own SDKs send it.
"""
_RETRY_AFTER = {
    "Retry-After": {
        "description": "Seconds after which to ask again.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[0-9]+$"},
    }
}
_NO_STORE = {
    "Cache-Control": {"description": "It changes.", "required": True, "schema": {"const": "no-store"}}
}
_BEARER = {
    "WWW-Authenticate": {"description": "How to come in.", "required": True, "schema": {"const": "Bearer"}}
}
_AUTHENTICATED: list[Json] = [{"token": []}, {"bearer": []}]


def document(settings: IntakeSettings) -> Json:
    """The whole description, with the limits of these settings."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "cmqueue intake",
            "version": VERSION,
            "summary": "Puts messages into the outbox, and tells of them.",
            "description": _ABOUT,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "tags": [
            {"name": "messages", "description": "Putting messages in, as at CM."},
            {
                "name": "following",
                "description": "What became of them. A client sees those of its account alone.",
            },
            {"name": "operation", "description": "For load balancers and people."},
        ],
        "paths": {
            "/v1.0/message": {"post": _message(settings)},
            "/v1/messages/{id}": {"get": _status()},
            "/v1/messages/{id}/explain": {"get": _explain()},
            "/v1/messages/{id}/cancel": {"post": _cancel()},
            "/v1/messages/status": {"post": _states(settings)},
            "/health": {"get": _health()},
            "/ready": {"get": _ready()},
            "/openapi.json": {"get": _description()},
            "/docs": {"get": _page()},
        },
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {
                "token": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "X-CM-PRODUCTTOKEN",
                    "description": "The client's token, by CMQUEUE_CLIENT_TOKENS; "
                    "without that setting CM's product token.",
                },
                "bearer": {"type": "http", "scheme": "bearer", "description": "The same token."},
            },
        },
    }


def _message(settings: IntakeSettings) -> Json:
    return {
        "tags": ["messages"],
        "operationId": "putMessages",
        "summary": "Queue messages",
        "description": _ABOUT_MESSAGES,
        "security": [{"token": []}, {}],
        "parameters": [
            _header(
                "Idempotency-Key",
                "Makes repeating the request safe: each message gets a key made of this and its place. "
                "The same key with another body is told 409.",
                {"type": "string", "pattern": "^[!-~]([ -~]*[!-~])?$", "minLength": 1, "maxLength": 255},
            ),
            _header(
                "Cmqueue-Lane",
                "The lane; without it the client's own.",
                {"enum": [lane.value for lane in Lane]},
            ),
            _header(
                "Cmqueue-Send-At",
                "When it is due: RFC 3339, with a zone.",
                {"type": "string", "format": "date-time", "examples": ["2026-12-01T09:00:00Z"]},
            ),
            _header(
                "Cmqueue-Expires-In",
                "Seconds after it is due in which it is sent or not at all.",
                {"type": "number", "examples": [300]},
            ),
            _header(
                "Cmqueue-Ids",
                "1 puts the id of each queued message into its row, for the calls beneath `/v1/`.",
                {"enum": ["0", "1"]},
            ),
        ],
        "requestBody": _body("Request", f"At most {settings.intake_bytes} bytes, not encoded."),
        "responses": {
            "200": _envelope(
                "At least one message is queued. `errorCode` 201: some are not; their rows say why."
            ),
            "400": _envelope(
                "Nothing is queued: no account for the token (101), malformed (202), the `msg` array (203), "
                "or every message has a row that is rejected (201)."
            ),
            "408": _envelope("The body did not arrive in time; nothing is queued."),
            "409": _envelope(
                "The Idempotency-Key was used for another body. The rows say what holds for each."
            ),
            "413": _envelope("The body is too long; nothing is queued."),
            "415": _envelope("The body has a Content-Encoding; nothing is queued."),
            "429": _envelope(
                "More messages a second than this client may send; nothing is queued.", _RETRY_AFTER
            ),
            "500": _envelope("A defect of ours; messages may be queued."),
            "503": _envelope(
                "Redis is away, or too much is asked at once. `details` says what is certain.", _RETRY_AFTER
            ),
        },
    }


def _status() -> Json:
    return {
        "tags": ["following"],
        "operationId": "getStatus",
        "summary": "Where a message stands",
        "description": "State, reason and history, as `cmqueue status --json` has them; no number, no text.",
        "security": _AUTHENTICATED,
        "parameters": [_id()],
        "responses": _answers("Status", "Where it stands.", Kind.NOT_FOUND),
    }


def _explain() -> Json:
    return {
        "tags": ["following"],
        "operationId": "explain",
        "summary": "Why it is there, and what moves it next",
        "security": _AUTHENTICATED,
        "parameters": [_id()],
        "responses": _answers("Explanation", "A sentence or two.", Kind.NOT_FOUND),
    }


def _cancel() -> Json:
    return {
        "tags": ["following"],
        "operationId": "cancel",
        "summary": "Take a message back",
        "description": "Only what was certainly not sent. The message stays and can be asked about. "
        "Safe to repeat.",
        "security": _AUTHENTICATED,
        "parameters": [_id()],
        "responses": _answers("Cancellation", "It will not be sent.", Kind.NOT_FOUND, Kind.TOO_LATE),
    }


def _states(settings: IntakeSettings) -> Json:
    return {
        "tags": ["following"],
        "operationId": "getStates",
        "summary": "Where up to a thousand messages stand",
        "description": "A state for each, in the order asked, and how many are in each state.",
        "security": _AUTHENTICATED,
        "requestBody": _body("Ids", f"At most {settings.intake_bytes} bytes, not encoded."),
        "responses": _answers("States", "Where they stand.", Kind.TOO_SLOW, Kind.TOO_LARGE, Kind.ENCODED),
    }


def _health() -> Json:
    return _operation("health", "The process lives") | {
        "responses": {
            "200": _response("It does.", "application/json", {"$ref": "#/components/schemas/Health"})
        }
    }


def _ready() -> Json:
    shape = {"$ref": "#/components/schemas/Readiness"}
    return _operation("ready", "Redis answers and takes writes") | {
        "responses": {
            "200": _response("Messages can be queued.", "application/json", shape),
            "503": _response("They cannot, now.", "application/json", shape, _RETRY_AFTER),
        }
    }


def _description() -> Json:
    return _operation("getDescription", "This description") | {
        "responses": {"200": _response("OpenAPI 3.1.", "application/json", {"type": "object"})}
    }


def _page() -> Json:
    return _operation("getPage", "This description, for people") | {
        "responses": {"200": _response("A page.", "text/html", {"type": "string"})}
    }


def _operation(name: str, summary: str) -> Json:
    return {"tags": ["operation"], "operationId": name, "summary": summary, "security": []}


def _header(name: str, description: str, schema: Json) -> Json:
    return {"name": name, "in": "header", "description": description, "required": False, "schema": schema}


def _id() -> Json:
    return {
        "name": "id",
        "in": "path",
        "required": True,
        "description": "The message's id: from its row (`Cmqueue-Ids`), the log or the library. "
        "Small letters will do.",
        "schema": {"$ref": "#/components/schemas/Id"},
    }


def _body(shape: str, description: str) -> Json:
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{shape}"}}}
    return {"required": True, "description": description, "content": content}


def _response(description: str, media_type: str, schema: Json, headers: Json | None = None) -> Json:
    found: Json = {"description": description, "content": {media_type: {"schema": schema}}}
    return found | {"headers": headers} if headers else found


def _envelope(description: str, headers: Json | None = None) -> Json:
    return _response(description, "application/json", {"$ref": "#/components/schemas/Answer"}, headers)


def _answers(shape: str, description: str, *kinds: Kind) -> Json:
    """The answer that is wanted, and the problems of every request of the native API and of `kinds`."""
    found = {
        "200": _response(
            description, "application/json", {"$ref": f"#/components/schemas/{shape}"}, _NO_STORE
        )
    }
    for kind in sorted(
        {Kind.BAD_REQUEST, Kind.UNAUTHORIZED, Kind.INTERNAL, Kind.UNAVAILABLE, *kinds}, key=_status_of
    ):
        more = {Kind.UNAUTHORIZED: _BEARER, Kind.UNAVAILABLE: _RETRY_AFTER}.get(kind, {})
        schema = {
            "allOf": [{"$ref": "#/components/schemas/Problem"}],
            "properties": {"type": {"const": kind.uri}},
        }
        found[str(kind.status)] = _response(f"{kind.title}.", MEDIA_TYPE, schema, _NO_STORE | more)
    return found


def _status_of(kind: Kind) -> int:
    return kind.status
