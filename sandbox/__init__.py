"""The sandbox: a local stand-in for CM's Business Messaging gateway, with faults on demand.

It shares no code with the rest of the project. It is a second, independent reading of CM's public
documentation, so that a mistake in the worker's reading shows as a refused request instead of being
repeated by its own test double. `python -m sandbox` starts it; `sandbox.running` starts it from a test.

    wire        HTTP/1.1 over a socket, and the ways an answer can go wrong on it
    door        the listening socket, which can be shut for a while
    request     the shape of CM's JSON request
    numbers     phone numbers, and the magic ones that decide what becomes of a message
    parts       how many SMS parts a text takes
    gateway     the rules: which message is accepted, which rejected and why
    channel     the names of the channels; rich: rich content, judged and shown
    faults      misbehaviour ordered by a test
    latency, limiter
    ledger      counts of everything taken; inbox: the newest messages in full
    webhooks    where what happens is told, and how
    course      what becomes of a message; standard_error: CM's words for it
    reporter    decides the course of each message; report: one status report in CM's forms
    phone       replies and events, the recipient's side; transactions: CM's Transactions API
    courier     tells receivers until they have taken it; caller: its HTTP client
    exchange    one POST, from its bytes to its answer
    control     /sandbox/...; page: the inbox as HTML
    server      all of it in one process; running: that process, started from a test
"""
