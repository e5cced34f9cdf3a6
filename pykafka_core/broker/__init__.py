"""The broker: configuration, one handler file per API, start and stop."""
