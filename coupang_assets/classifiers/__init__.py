"""Classifiers of product titles: one file a classifier, one protocol for all.

Belongs here: learning from a training table, predicting, and the files of a model. Does not: how good a model is
(`evaluation`), which month or folder it belongs to (`assets`, `storage`).
"""
