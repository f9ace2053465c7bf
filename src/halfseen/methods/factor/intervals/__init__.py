"""Intervals, bands and ranks of fitted factor models."""
