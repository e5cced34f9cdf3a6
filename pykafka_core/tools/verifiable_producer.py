"""kafka-verifiable-producer: numbers that count up, and a line of JSON for each that is acknowledged or refused.

Ends when all are sent, or at SIGTERM or SIGINT; then what is under way is waited for, and a summary printed.

Source of words and statuses: org.apache.kafka.tools.VerifiableProducer.
"""

from __future__ import annotations

import sys

from pykafka_core.tools.arguments import INTEGER, LONG, Argument, Given, Parser
from pykafka_core.tools.arguments import run as run_parser
from pykafka_core.tools.command import ToolError, load_properties, run_with_client, warn_deprecated

PARSER = Parser(
    "verifiable-producer",
    "This tool produces increasing integers to the specified topic and prints JSON metadata to stdout on each send, "
    "making externally visible which messages have been acked and which have not.",
    [
        Argument("topic", "Produce messages to this topic.", "TOPIC", required=True),
        Argument("max-messages", "So many messages; -1: until the process is ended.", "MAX-MESSAGES", number=INTEGER),
        Argument("throughput", "About so many messages a second; -1: as many as go.", "THROUGHPUT", number=INTEGER),
        Argument(
            "acks",
            "Which acknowledgements to wait for. (default: -1)",
            "ACKS",
            number=INTEGER,
            choices=("0", "1", "-1"),
        ),
        Argument("producer.config", "The old name of --command-config.", "CONFIG-FILE"),
        Argument("message-create-time", "The timestamp of the first message.", "CREATE-TIME", number=LONG),
        Argument("value-prefix", "A number before each value, with a dot.", "VALUE-PREFIX", number=INTEGER),
        Argument(
            "repeating-keys", "Keys from 0 to below this number, again and again.", "REPEATING-KEYS", number=INTEGER
        ),
        Argument("command-config", "A properties file with settings of the producer.", "CONFIG-FILE"),
        Argument(
            "bootstrap-server",
            "REQUIRED: the servers to connect to.",
            "HOST1:PORT1[,HOST2:PORT2[...]]",
            required=True,
        ),
    ],
)


def main(words: list[str] | None = None) -> int:
    words = sys.argv[1:] if words is None else words
    if not words:
        print(PARSER.help())
        return 0
    return run_parser(PARSER, words, act, help_status=1)


def act(given: Given) -> int:
    from pykafka_core.client.producer import ProducerSettings
    from pykafka_core.client.settings import ClientSettings, SettingsError

    try:
        if "producer.config" in given:
            warn_deprecated("producer.config", "command-config")
        properties = {
            "acks": given.last("acks") or "-1",
            **load_properties(given.last("command-config") or given.last("producer.config")),
        }
        settings = ProducerSettings.load(properties)
        client_settings = ClientSettings.load(properties, client_id="producer-1")
        from pykafka_core.tools.verifiable_producing import Run

        run = Run(given, settings)
        return run_with_client(given.last("bootstrap-server") or "", client_settings, run.run)
    except SettingsError as error:
        text, java_name = str(error), "org.apache.kafka.common.config.ConfigException"
    except ToolError as error:
        text, java_name = str(error), error.java_name
    print(f'Exception in thread "main" {java_name}: {text}', file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
