"""What the pages are made of: choices, tables and views; the prefix names the page."""
