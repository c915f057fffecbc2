"""Redis: the client, the job store and the locks of a cluster."""
