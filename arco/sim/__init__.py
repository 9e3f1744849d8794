"""A world in one process, made from a seed, in which the shipping services run and are judged."""
