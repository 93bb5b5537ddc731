"""Which samples are copies of one another: pairs of close keys, and the clusters they make."""
