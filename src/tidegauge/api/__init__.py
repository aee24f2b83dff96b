"""The ends of the service: HTTP routes over the same functions as the command line."""
