"""The HTTP intake: `POST /v1.0/message` takes CM's own request, queues each message and answers as CM does.

    request   CM's JSON request, read into plain values; the options in headers
    answer    CM's answer: rows, codes, envelope
    intake    one request: read, queued, answered; `way` is what small ones must share to go in together
    clients   whose token it is; `door` turns wrong ones away
    pace      how many messages a second a client may send
    native    our own API under /v1; `problem` is its shape of what is wrong
    openapi   all of it described, with `schemas`; `page` shows it to people
    app       HTTP: paths, limits, one log event per request
    __main__  `python -m producers.intake`

What bounds sockets, connections, heads and bodies is in `listening`.

A client of CM's needs another URL and nothing else. What differs from CM's own gateway:

* `parts` is our count, by CM's rules: CM has not seen the message yet.
* `reference` is kept as the client reference and echoed. It may have up to 64 characters of any kind, and an
  empty one counts as none. It is no idempotency key.
* Where the numbers of parts are absent, a text may take up to 8, as in CM's own SDKs.
* The token in the header is judged before the body is read. Where there is none the body's is taken.
* CM may still refuse what was accepted here; `cmqueue status` and the events tell.

Headers of ours: `Idempotency-Key`, `Cmqueue-Lane`, `Cmqueue-Send-At`, `Cmqueue-Expires-In`, `Cmqueue-Ids`.
With an Idempotency-Key each message gets a key of its own, of the header and the place of its row. A
repeat gets the same rows and queues nothing twice. Where a place had another message before, the answer is
409: that row is rejected with 305, and the other rows say what holds for them.
"""
