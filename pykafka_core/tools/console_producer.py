"""kafka-console-producer: each line of standard input becomes a record.

Source of words and statuses: org.apache.kafka.tools.ConsoleProducer. --broker-list is the older name of
--bootstrap-server, which Kafka's own command no longer takes.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from pykafka_core.tools.command import (
    Command,
    Option,
    ToolError,
    UsageError,
    WrongUseError,
    key_values,
    load_properties,
    run_with_client,
    warn_deprecated,
    whole_number,
)

if TYPE_CHECKING:
    import asyncio

    from pykafka_core.client.cluster import Client
    from pykafka_core.client.producer import Producer, ProducerSettings
    from pykafka_core.tools.line_reader import Line, LineReader
    from pykafka_core.tools.options import Options
    from pykafka_core.tools.progress import Progress

READ_SIZE = 1 << 16
LINE_SIZE_MAX = 1 << 30

COMMAND = Command(
    "This tool helps to read data from standard input and publish it to Kafka.",
    [
        Option("batch-size", "The bytes gathered for a partition before they are sent.", "Integer: size"),
        Option("bootstrap-server", "REQUIRED: the servers to connect to.", "String: server to connect to"),
        Option("broker-list", "The older name of --bootstrap-server.", "String: broker-list"),
        Option("command-config", "A properties file with settings of the producer.", "String: config file"),
        Option(
            "command-property", "A setting of the producer, as key=value; may be repeated.", "String: producer_prop"
        ),
        Option(
            "compression-codec",
            "none, gzip, snappy, lz4 or zstd; gzip if no value is given.",
            "String: compression-codec",
            optional=True,
        ),
        Option("line-reader", "Only LineMessageReader, the default, is there.", "String: reader_class"),
        Option("max-block-ms", "How long a line may wait for the topic or for room.", "Long: max block on send"),
        Option("max-memory-bytes", "The bytes that may wait to be sent.", "Long: total memory in bytes"),
        Option("max-partition-memory-bytes", "As --batch-size.", "Integer: memory in bytes per partition"),
        Option("message-send-max-retries", "Accepted; records are tried again until a time limit.", "Integer"),
        Option("metadata-expiry-ms", "Accepted; metadata is asked for when it proves wrong.", "Long"),
        Option("producer-property", "The older name of --command-property.", "String: producer_prop"),
        Option("producer.config", "The older name of --command-config.", "String: config file"),
        Option("property", "The older name of --reader-property.", "String: prop"),
        Option("reader-config", "A properties file for the line reader.", "String: config file"),
        Option(
            "reader-property",
            "A setting of the line reader, as key=value; may be repeated: parse.key=false parse.headers=false "
            "ignore.error=false key.separator=\\t headers.delimiter=\\t headers.separator=, headers.key.separator=: "
            "null.marker=. A whole line reads h1:v1,h2:v2 TAB key TAB value.",
            "String: prop",
        ),
        Option("request-required-acks", "all, 0, 1 or -1.", "String: request required acks"),
        Option("request-timeout-ms", "How long a request may take.", "Integer: request timeout ms"),
        Option("retry-backoff-ms", "The pause before another try.", "Long"),
        Option("socket-buffer-size", "Accepted; the system chooses.", "Integer: size"),
        Option("sync", "Wait for the answer to each line before the next is sent."),
        Option("timeout", "How long a line may wait for others to be sent with it.", "Long: timeout_ms"),
        Option("topic", "REQUIRED: the topic to write to.", "String: topic"),
    ],
)


def main(words: list[str] | None = None) -> int:
    words = sys.argv[1:] if words is None else words
    try:
        options = COMMAND.parse(words)
        status = COMMAND.answer_help(options, words)
        if status is not None:
            return status
        COMMAND.require(options, "topic")
        servers = options.last("bootstrap-server") or options.last("broker-list")
        if not servers:
            raise WrongUseError('Missing required argument "[bootstrap-server]"')
    except (UsageError, WrongUseError) as error:
        return COMMAND.refuse(error)
    for old, new in (
        ("property", "reader-property"),
        ("producer-property", "command-property"),
        ("producer.config", "command-config"),
    ):
        if old in options:
            warn_deprecated(old, new)
    from pykafka_core.client.errors import KafkaError
    from pykafka_core.client.settings import ClientSettings, SettingsError

    try:
        from pykafka_core.client.producer import ProducerSettings
        from pykafka_core.tools.line_reader import LineReader

        reader = LineReader(reader_properties(options))
        properties = producer_properties(options)
        settings = ClientSettings.load(properties, client_id="console-producer")
        produces = ProducerSettings.load(properties)
        run_with_client(servers, settings, lambda client: produce(client, produces, reader, options))
    except SettingsError as error:
        return failed(f"org.apache.kafka.common.config.ConfigException: {error}")
    except ToolError as error:
        return failed(f"{error.java_name}: {error}")
    except KafkaError as error:
        return failed(error.java_text())
    except KeyboardInterrupt:
        return 130
    return 0


def failed(text: str) -> int:
    print(text, file=sys.stderr)
    return 1


def reader_properties(options: Options) -> dict[str, str]:
    """Raises ToolError."""
    reader = options.last("line-reader")
    if reader not in (None, "org.apache.kafka.tools.LineMessageReader"):
        raise ToolError(f"{reader} is no line reader that is known here", "java.lang.ClassNotFoundException")
    return {
        **load_properties(options.last("reader-config")),
        **key_values(options.all("property")),
        **key_values(options.all("reader-property")),
    }


def producer_properties(options: Options) -> dict[str, str]:
    """Raises ToolError."""
    properties = {
        **load_properties(options.last("producer.config")),
        **load_properties(options.last("command-config")),
        **key_values(options.all("producer-property")),
        **key_values(options.all("command-property")),
    }
    if "compression-codec" in options:
        properties["compression.type"] = options.last("compression-codec") or "gzip"
    linger = whole_number(options, "timeout")
    # A line that somebody types need not wait for another.
    properties.setdefault("linger.ms", "5" if sys.stdin.isatty() or "sync" in options else "1000")
    if linger is not None:
        properties["linger.ms"] = str(linger)
    for option, name in (
        ("batch-size", "batch.size"),
        ("max-partition-memory-bytes", "batch.size"),
        ("max-memory-bytes", "buffer.memory"),
        ("max-block-ms", "max.block.ms"),
        ("request-timeout-ms", "request.timeout.ms"),
        ("retry-backoff-ms", "retry.backoff.ms"),
    ):
        value = whole_number(options, option)
        if value is not None:
            properties[name] = str(value)
    if "request-required-acks" in options:
        properties["acks"] = options.last("request-required-acks") or ""
    return properties


async def produce(client: Client, settings: ProducerSettings, reader: LineReader, options: Options) -> None:
    from pykafka_core.client.producer import Producer
    from pykafka_core.tools.progress import Progress

    producer = Producer(client, settings)
    try:
        with Progress("lines sent") as progress:
            await send_lines(producer, reader, options, progress)
    finally:
        await producer.close()


async def send_lines(producer: Producer, reader: LineReader, options: Options, progress: Progress) -> None:
    import asyncio

    loop = asyncio.get_running_loop()
    prompt = sys.stdin.isatty() and sys.stdout.isatty()
    topic, sync = options.last("topic") or "", "sync" in options
    rest = b""
    while True:
        if prompt:
            print(">", end="", flush=True)
        # Another thread waits for the terminal or the pipe, so that what was read is sent meanwhile.
        chunk = await loop.run_in_executor(None, sys.stdin.buffer.readline if prompt else read_some)
        *lines, rest = (rest + chunk).split(b"\n") if chunk else ([rest, b""] if rest else [b""])
        for line in lines:
            await send_line(producer, topic, reader.parse(line.removesuffix(b"\r")), progress, sync=sync)
            if not sys.stdin.isatty():
                progress.show(reader.line_number)
        if not chunk:
            return
        if len(rest) > LINE_SIZE_MAX:
            raise ToolError(f"Line number {reader.line_number + 1} is longer than {LINE_SIZE_MAX} bytes")


def read_some() -> bytes:
    import os

    return os.read(sys.stdin.fileno(), READ_SIZE)


async def send_line(producer: Producer, topic: str, line: Line, progress: Progress, *, sync: bool) -> None:
    from pykafka_core.client.errors import KafkaError

    try:
        sent = await producer.send(topic, line.value, key=line.key, headers=line.headers)
    except KafkaError as error:
        if sync:
            raise
        report(topic, line, error, progress)
        return
    if sync:
        await sent
    else:
        sent.add_done_callback(lambda done: report_outcome(topic, line, done, progress))


def report_outcome(topic: str, line: Line, done: asyncio.Future[tuple[int, int, int]], progress: Progress) -> None:
    from pykafka_core.client.errors import KafkaError

    error = None if done.cancelled() else done.exception()
    if isinstance(error, KafkaError):
        report(topic, line, error, progress)


def report(topic: str, line: Line, error: object, progress: Progress) -> None:
    from pykafka_core.client.errors import KafkaError

    shown = ["null" if field is None else f"{len(field)} bytes" for field in (line.key, line.value)]
    text = error.java_text() if isinstance(error, KafkaError) else str(error)
    progress.hide()
    print(
        f"ERROR Error when sending message to topic {topic} with key: {shown[0]}, value: {shown[1]} with error: {text}",
        file=sys.stderr,
    )


if __name__ == "__main__":
    sys.exit(main())
