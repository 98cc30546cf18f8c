"""Sends two orders with the generated client, and an invalid one."""

import datetime
import os
import sys

import ringest_client as api


def order(number, currency):
    """An order of one item."""
    return api.Order10(
        orderId=f"A-{number}",
        customerId=api.Order10CustomerId(7),
        placedAt=datetime.datetime.now(datetime.timezone.utc),
        currency=currency,
        total=api.Order10ItemsInnerPrice("19.90"),
        items=[],
    )


with api.ApiClient(api.Configuration(host=sys.argv[1])) as client:
    if token := os.environ.get("INGEST_TOKEN"):
        client.default_headers["Authorization"] = f"Bearer {token}"
    orders = api.OrderApi(client)
    # One record, or an array of them.
    print(orders.ingest_order1_0(api.IngestOrderLatestRequest([order(1, "EUR"), order(2, "EUR")])))
    try:
        orders.ingest_order1_0(api.IngestOrderLatestRequest(order(3, "€€€")))
    except api.ApiException as error:
        # Nine bytes: JSON Schema counts characters. What to do with an answer: ../python/send.py.
        print(error.status, error.data.code, error.data.persisted, error.data.errors[0].message)
    else:
        raise SystemExit("an invalid order was accepted")
