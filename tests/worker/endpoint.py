"""An endpoint that is not ours: a third reading of CM's protocol, with nothing shared with worker or sandbox.

`python endpoint.py PORT` answers POSTs with an Accepted row per (msg, to); `GET /` tells what came, as JSON.
"""

import json
import sys
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PAIRS: Counter[tuple[str, str]] = Counter()
SIZES: list[int] = []
LOCK = threading.Lock()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        pairs = [
            (message["reference"], to["number"])
            for message in asked["messages"]["msg"]
            for to in message["to"]
        ]
        with LOCK:
            PAIRS.update(pairs)
            SIZES.append(len(pairs))
        rows = [
            {"to": number, "status": "Accepted", "reference": reference, "parts": 1,
             "messageDetails": None, "messageErrorCode": 0}
            for reference, number in pairs
        ]  # fmt: skip
        self.answer({"details": f"Created {len(rows)} message(s)", "errorCode": 0, "messages": rows})

    def do_GET(self) -> None:
        with LOCK:
            told = {
                "requests": len(SIZES), "messages": sum(SIZES), "unique": len(PAIRS),
                "twice": sum(times > 1 for times in PAIRS.values()), "largest": max(SIZES, default=0),
            }  # fmt: skip
        self.answer(told)

    def answer(self, value: object) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
    print(server.server_address[1], flush=True)
    threading.Thread(target=lambda: (sys.stdin.read(), server.shutdown()), daemon=True).start()
    server.serve_forever()
