"""Streamlit dashboard: it calls ecgcore through ``data`` and displays the results."""
