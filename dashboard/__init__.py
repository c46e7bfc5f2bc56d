"""The Streamlit dashboard. It asks ecgcore (through ``cached``) and draws; it computes nothing."""
