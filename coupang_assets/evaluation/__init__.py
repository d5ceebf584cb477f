"""How good a classifier is, in numbers, tables and pictures.

Belongs here: metrics on a held-out split, plots, reports. Does not: training or predicting (`classifiers`).
"""
