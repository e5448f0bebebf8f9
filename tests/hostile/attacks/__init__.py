"""The attacks, a module for each family."""
