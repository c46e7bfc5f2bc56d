"""Charts: ECG paper, plotly figures, their data and their colours."""
