"""kafka-dump-log: what is in the files of a log directory.

Standard output is written in large pieces, since a segment may have millions of records. A file is read batch by batch,
never whole. A damaged file ends the command with the reason, as in Kafka; what was read before it is shown.

Source of words and statuses: org.apache.kafka.tools.DumpLogSegments.
"""

from __future__ import annotations

import os
import sys

from pykafka_core.tools.command import Command, Option, ToolError, UsageError, WrongUseError, whole_number
from pykafka_core.tools.options import Options

DECODER_TEXT = (
    "a class of org.apache.kafka.tools.api: StringDecoder (the default), DefaultDecoder, IntegerDecoder or LongDecoder."
)

COMMAND = Command(
    "This tool helps to parse a log file and dump its contents to the console, useful for debugging a seemingly "
    "corrupt log segment.",
    [
        Option("cluster-metadata-decoder", "Show the records as those of __cluster_metadata."),
        Option("deep-iteration", "Show each record and not only batches; implied by --print-data-log."),
        Option(
            "files",
            "REQUIRED: the files to show, separated by commas: .log, .index, .timeindex, .txnindex, .snapshot and "
            ".checkpoint.",
            "String: file1, file2, ...",
        ),
        Option("index-sanity-check", "Only make the check of an index that a broker makes when it starts."),
        Option("key-decoder-class", f"How to show keys: {DECODER_TEXT}", "String", optional=True),
        Option("max-bytes", "Read no more than this of each .log file.", "Integer: size"),
        Option("max-message-size", "The size of the largest batch. (default: 5242880)", "Integer: size"),
        Option("offsets-decoder", "Show the records as those of __consumer_offsets."),
        Option("print-data-log", "Show keys and values; implied by the decoders."),
        Option("remote-log-metadata-decoder", "Show the records as those of __remote_log_metadata."),
        Option("share-group-state-decoder", "Show the records as those of __share_group_state."),
        Option("skip-record-metadata", "Show only keys and values of records, and no control records."),
        Option("transaction-log-decoder", "Show the records as those of __transaction_state."),
        Option("value-decoder-class", f"How to show values: {DECODER_TEXT}", "String", optional=True),
        Option("verify-index-only", "Check an index without showing it."),
    ],
)
DECODERS = (
    "offsets-decoder",
    "transaction-log-decoder",
    "cluster-metadata-decoder",
    "remote-log-metadata-decoder",
    "share-group-state-decoder",
)
INTEGER_MAX = 0x7FFFFFFF


def main(words: list[str] | None = None) -> int:
    words = sys.argv[1:] if words is None else words
    try:
        options = COMMAND.parse(words)
        status = COMMAND.answer_help(options, words)
        if status is not None:
            return status
        COMMAND.require(options, "files")
        max_bytes = whole_number(options, "max-bytes")
        message_size_max = whole_number(options, "max-message-size")
    except WrongUseError as wrong:
        return COMMAND.refuse(wrong)
    except (UsageError, ToolError) as error:
        return uncaught(getattr(error, "java_name", "joptsimple.UnrecognizedOptionException"), str(error))
    from pykafka_core.tools.dump_files import DumpError

    try:
        return dump(
            options,
            INTEGER_MAX if max_bytes is None else max_bytes,
            5 * 1024 * 1024 if message_size_max is None else message_size_max,
        )
    except DumpError as error:
        sys.stdout.flush()
        return uncaught(error.java_name, str(error))
    except BrokenPipeError:
        # Whoever reads has seen enough, as in `kafka-dump-log … | head`.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def uncaught(java_name: str, text: str) -> int:
    """Say it as Java does of an exception that nobody has caught. Returns the exit status."""
    print(f'Exception in thread "main" {java_name}{": " if text else ""}{text}', file=sys.stderr)
    return 1


def dump(options: Options, max_bytes: int, message_size_max: int) -> int:
    """Raises DumpError."""
    from pykafka_core.tools.dump_decoders import decoder_of
    from pykafka_core.tools.dump_files import LogDump, Trouble, dump_producers, dump_transactions
    from pykafka_core.tools.dump_indexes import dump_index, dump_time_index

    prints_data = any(
        name in options for name in ("print-data-log", *DECODERS, "key-decoder-class", "value-decoder-class")
    )
    named = next((name for name in DECODERS if name in options), None)
    trouble = Trouble()
    log_dump: LogDump | None = None
    sanity_only, verify_only = "index-sanity-check" in options, "verify-index-only" in options
    for path in (options.last("files") or "").split(","):
        print(f"Dumping {path}")
        suffix = os.path.splitext(path)[1]
        match suffix:
            case ".log" | ".checkpoint":
                if log_dump is None:
                    log_dump = LogDump(
                        decoder_of(named, options.last("key-decoder-class"), options.last("value-decoder-class")),
                        prints_data=prints_data,
                        is_deep=prints_data or "deep-iteration" in options,
                        skips_metadata="skip-record-metadata" in options,
                        max_bytes=max_bytes,
                    )
                log_dump.dump(path, trouble)
            case ".index":
                dump_index(path, trouble, sanity_only=sanity_only, verify_only=verify_only, size_max=message_size_max)
            case ".timeindex":
                dump_time_index(path, trouble, sanity_only=sanity_only, verify_only=verify_only)
            case ".snapshot":
                dump_producers(path)
            case ".txnindex":
                dump_transactions(path)
            case _:
                print(f"Ignoring unknown file {path}", file=sys.stderr)
    sys.stdout.flush()
    trouble.report()
    return 0


if __name__ == "__main__":
    sys.exit(main())
