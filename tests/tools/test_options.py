"""Command lines as Kafka's tools take them.

Method: words in, options out.
"""

import pytest

from pykafka_core.tools.options import UsageError, parse_options

KNOWN = {"config": True, "override": True, "memory": False, "message": True}


def test_values_flags_repeats_and_any_order():
    options = parse_options(["--override", "a=1", "file", "--memory", "--override=b=2", "--config", "c"], KNOWN)
    assert options.all("override") == ["a=1", "b=2"]
    assert options.last("config") == "c"
    assert "memory" in options
    assert "message" not in options
    assert options.arguments == ["file"]
    assert (options.last("message"), options.all("message")) == (None, [])


def test_unique_prefixes_and_single_dashes():
    options = parse_options(["--over", "a=1", "-mem"], KNOWN)
    assert (options.all("override"), "memory" in options) == (["a=1"], True)


def test_what_follows_two_dashes_is_no_option():
    assert parse_options(["--", "--memory", "-x"], KNOWN).arguments == ["--memory", "-x"]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--me"], "me is not a recognized option; it could be any of --memory, --message"),
        (["--no-such"], "no-such is not a recognized option"),
        (["--no-such=1"], "no-such is not a recognized option"),
        (["--config"], "Option config requires an argument"),
        (["--memory=1"], "Option memory does not allow an argument"),
        (["---"], " is not a recognized option"),
    ],
)
def test_wrong_command_lines(words, text):
    with pytest.raises(UsageError) as caught:
        parse_options(words, KNOWN)
    assert str(caught.value) == text
