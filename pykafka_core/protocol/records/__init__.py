"""Records that brokers write into their own topics and files; `framing` wraps them, `registry` finds their classes."""
