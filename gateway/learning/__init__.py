"""Trained classifiers: the same features for training and for serving."""
