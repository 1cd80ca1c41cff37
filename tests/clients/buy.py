"""Buys with a published v2 client as it is, and asserts what it is told: buy.py CLIENT URL KEY."""

import sys
import time
from decimal import Decimal

LINK = "https://example.com/me"
# Between two questions, and how long anything may take at the demo's panel, in seconds.
BETWEEN_S = 0.5
TAKES_S_MAX = 60


def client_of(name, url, key):
    if name == "smmpy":
        from smmpy import smm

        return smm(url, key)
    if name == "babismm":
        from smm import SMM

        return SMM(url, key)
    sys.exit(f"no client is called {name}")


def until(word, ask):
    """Asks until the status is that word; the last answer."""
    deadline = time.monotonic() + TAKES_S_MAX
    while True:
        answer = ask()
        if answer["status"] == word:
            return answer
        assert time.monotonic() < deadline, f"not {word} within {TAKES_S_MAX} s: {answer}"
        time.sleep(BETWEEN_S)


def same(told, expected):
    assert told == expected, f"told {told!r}, expected {expected!r}"


def refused(ask, words):
    try:
        told = ask()
    except Exception as error:  # Each client raises an error of its own.
        same(str(error), words)
    else:
        raise AssertionError(f"told {told!r}, expected the refusal {words!r}")


def buy(client):
    followers = client.get_services()[0]
    same((followers["service"], followers["refill"], followers["cancel"]), (1, True, True))
    before = client.get_balance()
    same(before["currency"], "USD")

    order = client.add_order(1, LINK, 100)["order"]
    assert isinstance(order, int), order
    status = until("Completed", lambda: client.get_status(order))
    same((status["charge"], status["remains"], status["currency"]), ("0.108", "0", "USD"))

    refill = client.create_refill(order)["refill"]
    assert isinstance(refill, str) and refill.isdigit(), refill
    refused(lambda: client.create_refill(order), "The refill task is not completed for this order")
    until("Completed", lambda: client.get_refill_status(refill))
    same(client.get_multi_refill_status([refill])[0], {"refill": int(refill), "status": "Completed"})

    unwanted = client.add_order(1, LINK, 100)["order"]
    rows = client.cancel_orders([unwanted, 999999])
    same(rows, [{"order": unwanted, "cancel": 1}, {"order": 999999, "cancel": {"error": "Incorrect order ID"}}])
    # What the panel delivered before it stopped is paid.
    canceled = until("Canceled", lambda: client.get_status(unwanted))
    paid = Decimal("0.108") * (100 - int(canceled["remains"])) / 100
    same(Decimal(canceled["charge"]), paid)
    many = client.get_multi_status([order, unwanted, 999999])
    same([many[str(id)]["status"] for id in (order, unwanted)], ["Completed", "Canceled"])
    same(many["999999"], {"error": "Incorrect order ID"})

    refused(lambda: client.get_status(999999), "Incorrect order ID")
    spent = Decimal(before["balance"]) - Decimal(client.get_balance()["balance"])
    same(spent, Decimal("0.108") + paid)


if __name__ == "__main__":
    name, url, key = sys.argv[1:]
    buy(client_of(name, url, key))
    print(f"{name}: placed, followed, refilled, canceled")
