"""Published data sets brought here whole: resumed where cut off, checked against their sums."""
