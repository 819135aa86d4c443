"""Buys one share through Keyhold, which holds the key. KEYHOLD_TOKEN=... python3 examples/place_order.py <credential>"""

import json
import os
import sys
import urllib.error
import urllib.request
import uuid

URL = os.environ.get("KEYHOLD_URL", "http://127.0.0.1:7070")
ORDER = {"symbol": "AAPL", "type": "market", "side": "buy", "amount": 1}


def invoke(credential: str, operation: str, params: dict, idempotency_key: str) -> dict:
    """The venue's answer. Repeat an order whose answer was lost with the same key: it is never sent twice."""
    request = urllib.request.Request(
        f"{URL}/api/v1/credentials/{credential}/invoke",
        data=json.dumps({"operation": operation, "params": params}).encode(),
        headers={
            "Authorization": f"Bearer {os.environ['KEYHOLD_TOKEN']}",
            "Content-Type": "application/json",
            "Idempotency-Key": idempotency_key,
        },
    )
    with urllib.request.urlopen(request) as response:
        return json.load(response)


if __name__ == "__main__":
    key = os.environ.get("IDEMPOTENCY_KEY", str(uuid.uuid4()))
    try:
        print(json.dumps(invoke(sys.argv[1], "createOrder", ORDER, key)))
    except urllib.error.HTTPError as refused:
        # A problem (RFC 9457) says in `detail` what to do.
        sys.exit(refused.read().decode())
