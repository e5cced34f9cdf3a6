"""The commands. Each module has a `main` that returns the exit status; what a command does not need, it does not
import."""
