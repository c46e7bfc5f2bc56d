"""Tables that published databases put beside their recordings, one database a module."""
