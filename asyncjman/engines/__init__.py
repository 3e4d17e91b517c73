"""What runs tasks: this machine, and clusters. The rest of asyncjman knows ``base`` and ``registry`` only."""
