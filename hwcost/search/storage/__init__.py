"""Storage of a study: a folder on this machine, or a database that several machines share."""
