"""Where a study is kept: a folder on this machine, or a database that several machines share."""
