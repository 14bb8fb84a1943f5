"""OSAP: the secure profile H1 (types 2, 4, 8) and the compat messages of type 1."""
