"""Jobs on a cluster: sending them, and following what becomes of them."""
