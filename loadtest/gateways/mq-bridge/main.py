"""mq-bridge: HTTP to Kafka. Python only loads the wheel and waits; requests are handled in Rust.

main.py ADDRESS BROKERS TOPIC
"""

import sys

from mq_bridge import Route

ADDRESS, BROKERS, TOPIC = sys.argv[1:]
ROUTE = {
    "input": {"http": {"url": ADDRESS, "path": "/ingest/Event/1.0", "method": "POST", "workers": 1,
                       "concurrency_limit": 4096, "internal_buffer_size": 4096}},
    "output": {"kafka": {"url": BROKERS, "topic": TOPIC, "create_topic": False,
                         "producer_options": [["acks", "all"], ["linger.ms", "1"]]}},
}
Route.from_config({"gateway": ROUTE}, "gateway").run()
