"""What each subcommand of ``coupang-assets`` does, one module a command.

Belongs here: talking to a person in a terminal. Does not: arguments and help (``cli``), or any work on data.
"""
