"""The methods room."""
