"""Coupang category dictionary and product-name classifier as a Dagster asset graph."""
