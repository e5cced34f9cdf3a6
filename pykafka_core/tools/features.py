"""kafka-features: the levels of features that a cluster supports and has in force, and their upgrade and downgrade.

Source of words and statuses: org.apache.kafka.tools.FeatureCommand.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from pykafka_core.tools.arguments import INTEGER, Argument, Given, HelpWanted, Parser, UsageError, VersionWanted
from pykafka_core.tools.command import ToolError, load_settings, run_with_client

if TYPE_CHECKING:
    from pykafka_core.client.admin_cluster import UpgradeType
    from pykafka_core.client.cluster import Client

DRY_RUN = Argument("dry-run", "Only check whether it can be done.")
UNSAFE = Argument("unsafe", "Do it even if metadata may be lost.")
RELEASE = Argument("release-version", "The release to whose levels all features go, as 4.3-IV0.", "RELEASE_VERSION")
METADATA = Argument("metadata", "DEPRECATED -- The level of metadata.version, as 3.3-IV3.", "METADATA")
FEATURE = Argument("feature", "A feature and its level, as group.version=1; may be repeated.", "FEATURE")
PARSER = Parser(
    "kafka-features",
    "This tool manages feature flags in Kafka.",
    [
        Argument("bootstrap-server", "Brokers to connect to, as host:port,host:port.", "BOOTSTRAP_SERVER"),
        Argument("bootstrap-controller", "Controllers to connect to, as host:port.", "BOOTSTRAP_CONTROLLER"),
        Argument("command-config", "A properties file with settings of the client.", "COMMAND_CONFIG"),
    ],
    exclusive=[(False, ("bootstrap-server", "bootstrap-controller"))],
    commands=[
        Parser(
            "describe",
            "Describes the current active feature flags.",
            [Argument("node-id", "The node to ask; any if not given.", "NODE_ID", number=INTEGER)],
        ),
        Parser("upgrade", "Upgrade one or more feature flags.", [METADATA, RELEASE, FEATURE, DRY_RUN]),
        Parser("downgrade", "Downgrade one or more feature flags.", [METADATA, RELEASE, FEATURE, UNSAFE, DRY_RUN]),
        Parser(
            "disable",
            "Disable one or more feature flags. This is the same as downgrading the version to zero.",
            [Argument("feature", "A feature to disable; may be repeated.", "FEATURE"), UNSAFE, DRY_RUN],
        ),
        Parser(
            "version-mapping",
            "Look up the features that belong to a release; to the latest if none is given.",
            [Argument("release-version", "The release, as 4.3-IV0.", "RELEASE_VERSION")],
        ),
        Parser(
            "feature-dependencies",
            "Look up what features need to be at which levels.",
            [Argument("feature", "A feature and its level; may be repeated.", "FEATURE", required=True)],
        ),
    ],
)


def main(words: list[str] | None = None) -> int:
    words = sys.argv[1:] if words is None else words
    try:
        given = PARSER.parse(words)
        if given.command in ("version-mapping", "feature-dependencies"):
            look_up(given)
            return 0
        if "bootstrap-server" not in given and "bootstrap-controller" not in given:
            raise UsageError(PARSER, "You must specify either --bootstrap-controller or --bootstrap-server.")
    except HelpWanted as wanted:
        print(wanted)
        return 0
    except VersionWanted:
        from pykafka_core.tools.version import KAFKA_VERSION

        print(KAFKA_VERSION)
        return 0
    except UsageError as error:
        print(f"Command line error: {error}. Type --help for help.", end="", file=sys.stderr)
        return 1
    except ToolError as error:
        print(error, file=sys.stderr)
        return 1
    from pykafka_core.client.errors import KafkaError
    from pykafka_core.tools.java_errors import thrown

    servers = given.last("bootstrap-server") or given.last("bootstrap-controller") or ""
    try:
        settings = load_settings(given.last("command-config"))
        return run_with_client(servers, settings, lambda client: act(client, given))
    except KafkaError as error:
        print(error.java_text(), file=sys.stderr)
    except ToolError as error:
        print(thrown(error), file=sys.stderr)
    return 1


def look_up(given: Given) -> None:
    """Raises ToolError."""
    from pykafka_core.metadata import release_versions as releases

    if given.command == "version-mapping":
        text = given.last("release-version") or releases.DEFAULT_RELEASE
        level = release_level(text)
        print(f"metadata.version={level} ({text})")
        for feature in releases.FEATURES:
            print(f"{feature.name}={feature.default_level(level)}")
        return
    for text in given.all("feature"):
        name, level = parse_feature(text)
        if name == "metadata.version":
            release = releases.release_of_level(level)
            if release is None:
                raise ToolError(f"Unknown metadata.version {level}")
            print(f"{name}={level} ({release}) has no dependencies.")
            continue
        known = {each.name: each for each in releases.FEATURES}
        if name not in known:
            raise ToolError(f"Unknown feature: {name}")
        if not 0 <= level <= known[name].level_max:
            raise ToolError(f"No feature:{name} with feature level {level}")
        needed = releases.dependencies_of(name, level)
        print(f"{name}={level} {'requires:' if needed else 'has no dependencies.'}")
        for other, other_level in needed:
            shown = f" ({releases.release_of_level(other_level)})" if other == "metadata.version" else ""
            print(f"    {other}={other_level}{shown}")


def release_level(text: str) -> int:
    """Raises ToolError."""
    from pykafka_core.metadata.release_versions import level_of_release, supported_releases

    level = level_of_release(text)
    if level is None:
        names = ", ".join(supported_releases(unstable=True))
        raise ToolError(f"Unknown metadata.version '{text}'. Supported metadata.version are: {names}")
    return level


def parse_feature(text: str) -> tuple[str, int]:
    """feature=level. Raises ToolError."""
    name, equals, level = (part.strip() for part in text.partition("="))
    if not equals:
        raise ToolError(f"Can't parse feature=level string {text}: equals sign not found.")
    try:
        number = int(level)
        if not -0x8000 <= number < 0x8000:
            raise ValueError
    except ValueError:
        raise ToolError(f"Can't parse feature=level string {text}: unable to parse {level} as a short.") from None
    return name, number


async def act(client: Client, given: Given) -> int:
    """Returns the exit status. Raises ToolError, KafkaError."""
    if given.command == "describe":
        await describe(client, given)
        return 0
    return await update(client, given)


async def describe(client: Client, given: Given) -> None:
    from pykafka_core.client.admin_cluster import describe_features

    node_id = given.number("node-id")
    if node_id is not None and node_id < 0:
        raise ToolError(f"Invalid node id {node_id}: must be non-negative.")
    if node_id is not None:
        await client.metadata([])
    levels = await describe_features(client, node_id)
    epoch = "-" if levels.finalized_epoch < 0 else str(levels.finalized_epoch)
    for name, (low, high) in sorted(levels.supported.items()):
        shown = [shown_level(name, level) for level in (low, high, levels.finalized.get(name, 0))]
        print(
            f"Feature: {name:40}  SupportedMinVersion: {shown[0]:15}  SupportedMaxVersion: {shown[1]:15}  "
            f"FinalizedVersionLevel: {shown[2]:15}  Epoch: {epoch}"
        )


def shown_level(name: str, level: int) -> str:
    if name != "metadata.version":
        return str(level)
    from pykafka_core.metadata.release_versions import release_of_level

    return release_of_level(level) or f"UNKNOWN {level}"


async def update(client: Client, given: Given) -> int:
    """Returns the exit status. Raises ToolError, KafkaError."""
    from pykafka_core.client.admin_cluster import update_features
    from pykafka_core.client.errors import KafkaError

    operation, dry_run = given.command, "dry-run" in given
    wanted = wanted_levels(given)
    if not wanted:
        raise ToolError(f"You must specify at least one feature to {operation}")
    try:
        outcomes = await update_features(client, wanted, validate_only=dry_run)
    except KafkaError as error:
        outcomes = dict.fromkeys(wanted, error)
    failures = 0
    for name, error_or_none in sorted(outcomes.items()):
        level = wanted[name][0]
        if error_or_none is not None:
            target = f"disable {name}" if operation == "disable" else f"{operation} {name} to {level}"
            print(f"{'Can not' if dry_run else 'Could not'} {target}. {error_or_none}")
            failures += 1
        else:
            result = "disabled." if operation == "disable" else f"{operation}d to {level}."
            print(f"{name} {'can be' if dry_run else 'was'} {result}")
    if failures:
        sys.stdout.flush()
        print(f"{failures} out of {len(wanted)} operation(s) failed.", file=sys.stderr)
    return 1 if failures else 0


def wanted_levels(given: Given) -> dict[str, tuple[int, UpgradeType]]:
    """Raises ToolError."""
    from pykafka_core.client.admin_cluster import UpgradeType

    how = UpgradeType.UPGRADE
    if given.command != "upgrade":
        how = UpgradeType.UNSAFE_DOWNGRADE if "unsafe" in given else UpgradeType.SAFE_DOWNGRADE
    if given.command == "disable":
        return distinct([(name, 0) for name in given.all("feature")], how)
    release, metadata = given.last("release-version"), given.last("metadata")
    if release is not None:
        from pykafka_core.metadata.release_versions import FEATURES

        if metadata is not None or "feature" in given:
            raise ToolError("Can not specify `release-version` with other feature flags.")
        level = release_level(release)
        of_release = [("metadata.version", level), *((each.name, each.default_level(level)) for each in FEATURES)]
        # To "upgrade" a feature to 0 would be to disable it.
        return {name: (to, how) for name, to in of_release if to > 0 or how != UpgradeType.UPGRADE}
    pairs = [("metadata.version", release_level(metadata))] if metadata is not None else []
    if metadata is not None:
        print(" `metadata` flag is deprecated and may be removed in a future release.")
    return distinct([*pairs, *map(parse_feature, given.all("feature"))], how)


def distinct(pairs: list[tuple[str, int]], how: UpgradeType) -> dict[str, tuple[int, UpgradeType]]:
    """Raises ToolError."""
    levels: dict[str, tuple[int, UpgradeType]] = {}
    for name, level in pairs:
        if name in levels:
            raise ToolError(f"Feature {name} was specified more than once.")
        levels[name] = (level, how)
    return levels


if __name__ == "__main__":
    sys.exit(main())
