"""ECGs on millimetre paper, for people: layout, text, SVG, PDF and PNG."""
