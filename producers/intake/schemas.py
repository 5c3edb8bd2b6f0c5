"""The shapes of the intake's description, as JSON Schema 2020-12."""

from __future__ import annotations

from typing import Any

from cmqueue.lane import Guarantee, Lane
from cmqueue.state import Reason, State
from producers.intake.native import LONGEST_ID, MOST_IDS, NOT_FOUND
from producers.intake.problem import Kind
from producers.intake.request import MOST_MESSAGES

Json = dict[str, Any]

_TEXT_OR_NULL: Json = {"type": ["string", "null"]}
_COUNT: Json = {"type": "integer", "minimum": 0}
_TIME: Json = {"type": "string", "format": "date-time"}
_STATE: Json = {"enum": [state.value for state in State]}


def _object(
    properties: Json, *, required: list[str] | None = None, closed: bool = False, **more: Any
) -> Json:
    """An object; every property is required where nothing else is said, and `closed` allows no other."""
    found: Json = {"type": "object", "properties": properties, **more}
    found["required"] = list(properties) if required is None else required
    if closed:
        found["additionalProperties"] = False
    return found


_MESSAGE = _object(
    {
        "from": {"type": "string", "description": "The sender.", "examples": ["Acme"]},
        "to": {
            "type": "array",
            "minItems": 1,
            "maxItems": MOST_MESSAGES,
            "items": _object({"number": {"type": "string", "examples": ["0031600000001"]}}),
        },
        "body": _object(
            {
                "content": {"type": "string", "examples": ["Hello"]},
                "type": {"type": "string", "description": "auto, text or binary; text where absent."},
            },
            required=["content"],
        ),
        "reference": {
            "type": ["string", "null"],
            "maxLength": 64,
            "description": "The caller's own; echoed.",
        },
        "validity": _TEXT_OR_NULL,
        "allowedChannels": {"type": ["array", "null"], "items": {"type": "string"}},
        "richContent": {
            "type": ["object", "null"],
            "properties": {
                "conversation": {"type": ["array", "null"], "items": {"type": "object"}},
                "suggestions": {"type": ["array", "null"], "items": {"type": "object"}},
            },
        },
        "minimumNumberOfMessageParts": {"type": ["integer", "null"]},
        "maximumNumberOfMessageParts": {"type": ["integer", "null"]},
        "dcs": {"type": ["integer", "null"]},
        "appKey": _TEXT_OR_NULL,
        "customGrouping": _TEXT_OR_NULL,
        "customGrouping2": _TEXT_OR_NULL,
        "customGrouping3": _TEXT_OR_NULL,
    },
    required=["from", "to", "body"],
    description="One content, to one or many. A wrong value rejects this message, a wrong type the request.",
)
_ROW = _object(
    {
        "to": _TEXT_OR_NULL,
        "status": {"enum": ["Accepted", "Rejected"]},
        "reference": _TEXT_OR_NULL,
        "parts": _COUNT
        | {"description": "How many SMS, by our count; 0 where it is rejected. CM makes its own."},
        "messageDetails": _TEXT_OR_NULL,
        "messageErrorCode": {"enum": [0, 301, 302, 303, 304, 305]},
        "id": {"$ref": "#/components/schemas/Id"},
    },
    required=["to", "status", "reference", "parts", "messageDetails", "messageErrorCode"],
    closed=True,
)
_STEP = _object(
    {
        "state": _STATE,
        "reason": {"enum": [reason.text for reason in Reason]},
        "code": {"type": "integer", "description": "CM's, 0 where none applies."},
        "at": _TIME,
    },
    closed=True,
)

SCHEMAS: Json = {
    "Id": {"type": "string", "pattern": "^[A-Za-z2-7]{26}$", "examples": ["AA3KEKXH2TQ5C7D4WJ3N6RZPYA"]},
    "Request": _object(
        {
            "messages": _object(
                {
                    "authentication": {
                        "type": ["object", "null"],
                        "deprecated": True,
                        "properties": {"productToken": {"type": "string"}},
                        "description": "Read where the request has no X-CM-PRODUCTTOKEN.",
                    },
                    "msg": {"type": "array", "minItems": 1, "maxItems": MOST_MESSAGES, "items": _MESSAGE},
                },
                required=["msg"],
            )
        },
        examples=[
            {
                "messages": {
                    "msg": [
                        {
                            "from": "Acme",
                            "to": [{"number": "0031600000001"}],
                            "body": {"type": "auto", "content": "Hello"},
                            "reference": "order-8131",
                        }
                    ]
                }
            }
        ],
    ),
    "Answer": _object(
        {
            "details": {"type": "string", "examples": ["Created 1 message(s)"]},
            "errorCode": {"enum": [0, 101, 201, 202, 203, 500]},
            "messages": {"type": "array", "items": {"$ref": "#/components/schemas/Row"}},
        },
        closed=True,
        description="CM's envelope. `messages` is empty where the request was refused as a whole.",
    ),
    "Row": _ROW,
    "Status": _object(
        {
            "id": {"$ref": "#/components/schemas/Id"},
            "state": _STATE,
            "reason": {
                "enum": [reason.text for reason in Reason],
                "description": "Why it came into its state.",
            },
            "code": {"type": "integer", "description": "CM's, 0 where none applies."},
            "lane": {"enum": [lane.value for lane in Lane]},
            "guarantee": {"enum": [guarantee.value for guarantee in Guarantee]},
            "attempts": _COUNT,
            "resends": _COUNT,
            "parts": _COUNT | {"description": "As CM counted them; 0 before."},
            "expires_at": _TIME,
            "client_reference": _TEXT_OR_NULL | {"description": "The caller's `reference`."},
            "campaign": _TEXT_OR_NULL,
            "metadata": {"type": ["object", "null"]},
            "note": _TEXT_OR_NULL | {"description": "What CM said of a message that no request may hold."},
            "history": {"type": "array", "minItems": 1, "items": _STEP, "description": "The oldest first."},
        },
        closed=True,
    ),
    "Explanation": _object(
        {
            "id": {"$ref": "#/components/schemas/Id"},
            "state": _STATE,
            "explanation": {"type": "string", "examples": ["It waits in the lane normal."]},
        },
        closed=True,
    ),
    "Cancellation": _object(
        {"id": {"$ref": "#/components/schemas/Id"}, "result": {"const": "cancelled"}}, closed=True
    ),
    "Ids": _object(
        {
            "ids": {
                "type": "array",
                "minItems": 1,
                "maxItems": MOST_IDS,
                "items": {"type": "string", "maxLength": LONGEST_ID},
            }
        },
        description="What is no id of a message of the client's account is told `not_found`.",
    ),
    "States": _object(
        {
            "messages": {
                "type": "array",
                "items": _object(
                    {"id": {"type": "string"}, "state": {"enum": [*_STATE["enum"], NOT_FOUND]}}, closed=True
                ),
                "description": "In the order asked.",
            },
            "totals": {
                "type": "object",
                "propertyNames": {"enum": [*_STATE["enum"], NOT_FOUND]},
                "additionalProperties": {"type": "integer", "minimum": 1},
                "examples": [{"accepted": 2, "queued": 1}],
            },
        },
        closed=True,
    ),
    "Problem": _object(
        {
            "type": {"enum": [kind.uri for kind in Kind]},
            "title": {"type": "string"},
            "status": {"enum": sorted({kind.status for kind in Kind})},
            "detail": {"type": "string"},
        },
        description="RFC 9457. Programs look at `type` and `status`; nothing of the request is repeated.",
    ),
    "Health": _object({"alive": {"const": True}}, closed=True),
    "Readiness": _object({"ready": {"type": "boolean"}}, closed=True),
}
