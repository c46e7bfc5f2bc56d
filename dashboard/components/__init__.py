"""Building blocks of the pages: controls, tables and views; the prefix names the page."""
