"""What every program of ours that listens is bounded by, and how it runs.

    start        signals, logging, agreeing with Redis; `listener` is the socket
    server       uvicorn as we run it; `wire` bounds what a connection may take
    head         what is judged before a body is read; `body` reads one, `room` bounds how many at once
    gather       requests that come together share a call into Redis
    guesses      how long whoever guesses has to wait
    turned_down  a request that is not taken
    health       `/health` and `/ready`

Each program puts what is refused here into its own shape.
"""
