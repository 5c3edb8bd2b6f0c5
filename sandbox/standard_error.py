"""The standard errors of CM's status reports ("Incoming status report"), in words of our own."""

from __future__ import annotations

STANDARD_ERRORS = {
    5: "Not delivered, no reason given",
    7: "Not delivered yet: no credit, the network keeps trying",
    8: "Expired at the operator",
    20: "Cannot be delivered in this form",
    21: "Expired while the subscriber had no credit",
    22: "Refused by the operator: no credit",
    23: "The number is wrong or barred for good",
    24: "The subscriber is absent for now",
    25: "The operator's network is at fault for now",
    26: "The handset is at fault for now",
    27: "The handset can never take this kind of message",
    28: "Message blocked by Safeguard Destination management",
    29: "Content not allowed on this network",
    30: "The subscriber's spending limit is reached",
    31: "The subscriber cannot be billed",
    33: "Parental lock",
    34: "The age check failed",
    35: "The age was not checked",
    36: "The age check could not be reached",
    37: "On the national list of those who want no messages",
    47: "Message blocked by Safeguard, sending limit reached",
}
SUCCESS = {0: "Accepted", 1: "Rejected", 2: "Delivered", 3: "Failed", 4: "Read"}  #: words without an error


def described(code: int, error: int | None) -> str:
    """The words of a status report."""
    return SUCCESS[code] if error is None else STANDARD_ERRORS[error]
