"""Report: the comparison of two runs as one self-contained HTML file."""
