"""What is drawn: ECG paper, plotly figures and the data behind them, and their colours."""
