"""Downloads of published data sets: resumed where interrupted, verified by checksum."""
