"""The command line.

`main` holds the entry point and finds the commands: each is a module ``command_NAME`` that defines
``command``, so adding one is adding a module. The other modules are what commands share. Whatever
costs time to import is imported inside the function that needs it.
"""
