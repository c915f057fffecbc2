"""The commands of `dyad`, one module per command or group of commands."""
